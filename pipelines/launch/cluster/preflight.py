"""What can be known to be wrong with a run before anything of it is created on the cluster."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from components.core.errors import InputError
from pipelines.ir.lint import Compiled

TIMEOUT_S = 5.0
MANIFESTS = (
    "application/vnd.oci.image.index.v1+json, application/vnd.docker.distribution.manifest.list.v2+json, "
    "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


def check_videos(videos: str) -> None:
    """Refuse videos that no pod could read.

    Raises:
        InputError: they lie on this machine.
    """
    if not videos.startswith("s3://"):
        raise InputError(f"A cluster cannot read {videos}.", "Give an s3:// prefix or manifest with --videos.")


def check_arguments(compiled: Compiled, arguments: Mapping[str, str]) -> None:
    """Compare what a run is given with the parameters that the compiled pipeline has.

    Raises:
        InputError: one is unknown, or missing and without a default.
    """
    known = compiled.ir["root"].get("inputDefinitions", {}).get("parameters", {})
    unknown = sorted(set(arguments) - set(known))
    missing = sorted(
        name
        for name, definition in known.items()
        if name not in arguments and "defaultValue" not in definition and not definition.get("isOptional")
    )
    if unknown or missing:
        what = [f"knows no parameter {', '.join(unknown)}"] if unknown else []
        what += [f"is given no {', '.join(missing)}"] if missing else []
        raise InputError(
            f"The pipeline {' and '.join(what)}.", f"It takes {', '.join(known)}. Profile and DAG file must agree."
        )


def check_images(compiled: Compiled) -> list[str]:
    """Ask registries for the images that the tasks run in; returns why some could not be asked for.

    A tag is the identity of the code that the image holds (core/engine/images.py), so that an image which is there was
    built from this very code: a package that is newer than the images names tags that no registry has.

    Raises:
        InputError: a registry says that it has not got one.
    """
    images = sorted({container["image"] for _, container in compiled.executors()})
    with ThreadPoolExecutor(8) as pool:
        answers = list(zip(images, pool.map(_found, images), strict=True))
    missing = [image for image, answer in answers if answer is False]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(images)} images of this code are not in their registry: {missing[0]}"
            + (f" and {len(missing) - 1} more." if missing[1:] else "."),
            "Build and push them (`make push`), or check out the code they were built from; where the nodes hold them "
            "already, `--set launch.check_images=false`.",
        )
    return [answer for answer in dict.fromkeys(answer for _, answer in answers) if isinstance(answer, str)]


def _found(image: str) -> bool | str:
    """Whether its registry has an image, or why that is not known."""
    registry, _, rest = image.partition("/")
    name, _, tag = rest.partition(":")
    if not rest or not ("." in registry or ":" in registry or registry == "localhost"):
        return f"{registry} names no registry"
    scheme = "http" if registry.partition(":")[0] in ("localhost", "127.0.0.1") else "https"
    address = f"{scheme}://{registry}/v2/{name}/manifests/{tag}"
    try:
        return _asked(address, {}) or False
    except HTTPError as error:
        if error.code != 401:
            return False if error.code == 404 else f"{registry} answers {error.code}"
        try:
            token = _token(error.headers.get("WWW-Authenticate", ""))
            return _asked(address, {"Authorization": f"Bearer {token}"})
        except HTTPError as refused:
            return False if refused.code == 404 else f"{registry} lets nobody ask without a login"
        except (URLError, OSError, ValueError, KeyError):
            return f"{registry} lets nobody ask without a login"
    except (URLError, OSError, ValueError) as error:
        return f"{registry} cannot be reached ({getattr(error, 'reason', error)})"


def _asked(address: str, headers: Mapping[str, str]) -> bool:
    request = Request(address, method="HEAD", headers={"Accept": MANIFESTS, **headers})
    with urlopen(request, timeout=TIMEOUT_S) as answer:
        return bool(answer.status == 200)


def _token(challenge: str) -> str:
    """The token that a registry gives to anybody, as its challenge tells."""
    told = dict(_CHALLENGE.findall(challenge))
    query = urlencode({key: told[key] for key in ("service", "scope") if key in told})
    with urlopen(f"{told['realm']}?{query}", timeout=TIMEOUT_S) as answer:
        said = json.loads(answer.read())
    return str(said.get("token") or said["access_token"])


def told(notes: Iterable[str]) -> str:
    """One line about what could not be checked; "" where all could."""
    return "; ".join(f"images not checked: {note}" for note in notes)
