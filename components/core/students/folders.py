"""A student's folder: ordinary for whoever loads it, and written whole or not at all.

Training moves weights and nothing else. So whatever an ordinary reader needs beside them (tokenizer, image and video
processor, chat template, generation settings) is copied, byte for byte, from the folder the student was loaded from:
the pretrained base, or the one that `build.py` wrote. Writing goes through a folder beside the target that is moved
into place at the end; a full disk, or a kill, leaves the target as it was.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.core.errors import TrainingError

BESIDE_WEIGHTS = (
    "tokenizer.json",
    "tokenizer_config.json",
    "vocab.json",
    "merges.txt",
    "added_tokens.json",
    "special_tokens_map.json",
    "chat_template.jinja",
    "chat_template.json",
    "preprocessor_config.json",
    "video_preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
)
"""What stands beside the weights of a Qwen2.5-VL, in any version of transformers; a base has some of them."""
PROCESSOR_CLASS = "Qwen2_5_VLProcessor"


@contextmanager
def written_whole(target: Path, what: str) -> Iterator[Path]:
    """A folder to write in; what it holds stands in `target` after the block, nothing of it where the block raised.

    A target that is not there yet appears at once and whole; into one that is, such as the output of a task, file after
    file is moved.

    Args:
        what: such as "the model", for the error.

    Raises:
        TrainingError: the disk is full, or the target cannot be written to.
    """
    from safetensors import SafetensorError

    there = target.is_dir()
    partial = target / ".partial" if there else target.with_name(f".{target.name}.partial")
    try:
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True)
        yield partial
        _settle(partial)
        if not there:
            partial.rename(target)
            return
        for path in list(partial.iterdir()):
            if (target / path.name).is_dir():
                shutil.rmtree(target / path.name)
            path.replace(target / path.name)
    except (OSError, SafetensorError) as error:
        raise TrainingError(
            f"{what[:1].upper()}{what[1:]} could not be written to {target} ({error}).",
            "Make room there and run again: training continues from its last checkpoint.",
        ) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _settle(folder: Path) -> None:
    """See to it that content is on the disk before its name is: a machine may go as a process may."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())


def copy_beside_weights(source: str | Path, folder: Path) -> None:
    """Copy what the folder or Hugging Face path `source` has beside its weights; write the processor where it has none.

    An older folder of ours may lack its processor's settings: without them nothing but this project could load it.
    """
    from transformers.utils import cached_file

    for name in BESIDE_WEIGHTS:
        found = cached_file(source, name, _raise_exceptions_for_missing_entries=False)
        if found is not None:
            shutil.copy(found, folder / name)
    write_processor(folder)


def write_processor(folder: Path) -> None:
    """Settings of the image and the video processor, where neither has any: Qwen2.5-VL's own values."""
    from transformers import Qwen2VLImageProcessorPil

    if (folder / "processor_config.json").is_file():
        return
    image = folder / "preprocessor_config.json"
    if not image.is_file():
        Qwen2VLImageProcessorPil().save_pretrained(folder)
        image.write_text(_json({**json.loads(image.read_text()), "processor_class": PROCESSOR_CLASS}))
    video = folder / "video_preprocessor_config.json"
    if not video.is_file():
        # The class that writes this file needs torchvision, which the laptop does without; it reads it where it is.
        content = json.loads(image.read_text())
        content.pop("image_processor_type", None)
        video.write_text(_json({**content, "video_processor_type": "Qwen2VLVideoProcessor"}))


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True) + "\n"
