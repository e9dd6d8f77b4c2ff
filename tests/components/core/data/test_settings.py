"""Settings refuse what they do not know, and say which of them results depend on."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import ValidationError

from components.core.data.settings import Settings, StageSettings, WorkSettings, parse_settings, web_address
from components.core.errors import SettingsError
from components.core.teachers.roles import RoleSettings


class CaptionSettings(StageSettings):
    """A stage's settings."""

    frames: int = 8
    """Frames per request."""

    captioner: RoleSettings = RoleSettings(role="captioner")
    """Who captions."""


def test_an_unknown_setting_is_named_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError, match="unknown setting 'frame', did you mean 'frames'") as caught:
        parse_settings(CaptionSettings, '{"frame": 3}')
    assert caught.value.exit_code == 2


def test_an_unknown_setting_of_a_role_is_named_with_its_path() -> None:
    with pytest.raises(SettingsError, match=r"captioner\.modle.*did you mean 'model'"):
        parse_settings(CaptionSettings, '{"captioner": {"role": "captioner", "modle": "x"}}')


def test_every_wrong_setting_is_named_at_once() -> None:
    with pytest.raises(SettingsError, match=r"work\.concurrency: .*greater.*frames: .*integer"):
        parse_settings(CaptionSettings, '{"frames": "many", "work": {"concurrency": 0}}')


def test_text_that_is_not_json_is_a_settings_error() -> None:
    with pytest.raises(SettingsError, match="JSON"):
        parse_settings(CaptionSettings, "{frames: 3}")


def test_settings_travel_as_json_and_come_back_equal() -> None:
    settings = CaptionSettings(frames=3, captioner=RoleSettings(role="captioner", model="qwen"))
    assert parse_settings(CaptionSettings, settings.to_json()) == settings


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        CaptionSettings().frames = 9


def test_speed_place_and_price_leave_the_digest_alone() -> None:
    fast = CaptionSettings(
        work=WorkSettings(concurrency=99, max_failure_rate=1.0),
        captioner=RoleSettings(role="captioner", endpoint="vllm", price_in=1.0, timeout_s=3.0),
    )
    assert fast.digest() == CaptionSettings().digest()


@pytest.mark.parametrize(
    "changed",
    [
        CaptionSettings(frames=9),
        CaptionSettings(captioner=RoleSettings(role="captioner", model="qwen")),
        CaptionSettings(captioner=RoleSettings(role="captioner", revision="2")),
        CaptionSettings(captioner=RoleSettings(role="captioner", temperature=1.0)),
    ],
)
def test_what_results_depend_on_changes_the_digest(changed: CaptionSettings) -> None:
    assert changed.digest() != CaptionSettings().digest()


class ServerSettings(Settings):
    """Where a server is."""

    address: Annotated[str, web_address("http://host:port/v1", keys="user_env")] = ""
    """Its address."""


@pytest.mark.parametrize("address", ["", "http://teacher:8000/v1", "https://[::1]:9000", "http://host/a?to=me@there"])
def test_an_address_of_a_server_is_kept_as_it_is(address: str) -> None:
    assert ServerSettings(address=address).address == address


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("teacher:8000/v1", "no address such as http://host:port/v1"),
        ("ftp://teacher/v1", "no address such as http://host:port/v1"),
        ("http:///v1", "no address such as http://host:port/v1"),
        ("http://[::1/v1", "Invalid IPv6 URL"),
        ("http://me:secret@teacher/v1", "a user or password; name their variables in user_env"),
    ],
)
def test_what_is_no_address_or_holds_a_password_is_refused_without_repeating_it(address: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told) as caught:
        parse_settings(ServerSettings, ServerSettings.model_construct(address=address).to_json())
    assert "secret" not in str(caught.value)
