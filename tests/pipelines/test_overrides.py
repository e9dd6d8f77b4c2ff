"""What a person may write in `--set` and in a profile: entries of lists, and one line for whatever is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from components.core.errors import SettingsError
from pipelines.cli import main
from pipelines.profile import Profile, load_profile
from pipelines.rewatch import PIPELINE

WRONG = [
    "launch.runner.x=1",
    "a.b=[1",
    "teachers=[a]",
    "teachers.captioner=3",
    "teachers.captioner.modle=x",
    "teachers.default.role=judge",
    "teachers.default.endpoint=[1]",
    "endpoints=[a]",
    "endpoints.big=3",
    "launch=3",
    "launch.teacher_faults=3",
    "sft=[1]",
    "sft=0",
    "sft.phases.7.steps=1",
    "sft.phases.-1.steps=1",
    "sft.phases.first.steps=1",
    "sft.phases.0.stepz=1",
    "sft.phases.0.steps.x=1",
    "captioning.captioner=3",
    "captioning.captioner.endpoint=[1]",
    "captioning.work=[1]",
    "filter_probes.probes=3",
    "filter_probes.probes=[3]",
    "filter_probes.probes=[{role: 3}]",
    "filter_probes.probes=[{}]",
    "grpo.steps=2020-01-01",
    "grpo.steps=!!bool maybe",
    "grpo.steps=!!timestamp then",
    "grpo.steps=.inf",
    "grpo={1: 2}",
    "grpo=&a [*a]",
    'reporting.title="\\ud800"',
    "grpo.steps=" + "9" * 5000,
    "grpo.steps=" + "[" * 5000,
    "grpo..steps=1",
    ".grpo=1",
    "=1",
    "grpo",
    "",
]


@pytest.mark.parametrize("override", WRONG, ids=lambda text: text[:30])
def test_a_wrong_override_is_one_line_and_exit_code_2(override: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan", "--settings", "--set", override]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    first, *remedy = printed.err.splitlines()
    assert first.startswith("rewatch: ") and len(remedy) == 1 and remedy[0].startswith("  ")


def test_a_number_in_the_key_changes_one_entry_of_a_list() -> None:
    usual = load_profile("laptop").stages["sft"].phases
    changed = load_profile("laptop", ["sft.phases.0.steps=1"]).stages["sft"].phases
    assert changed[0] == usual[0].model_copy(update={"steps": 1}) != usual[0]
    assert changed[1:] == usual[1:]
    types = load_profile("laptop", ["contrastive_qa.types.1=counting"]).stages["contrastive_qa"].types
    assert types[1] == "counting"


def test_a_list_that_the_profile_holds_is_changed_in_place(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("sft: {phases: [{steps: 5, videos: 3}, {steps: 6}]}\ncaptioning: {rates: [1, 2]}\n")
    profile = load_profile(str(mine), ["sft.phases.1.steps=7", "captioning.rates.0=0.5"])
    assert [(phase.steps, phase.videos) for phase in profile.stages["sft"].phases] == [(5, 3), (7, 16)]
    assert profile.stages["captioning"].rates == (0.5, 2.0)


def test_one_of_several_roles_is_changed_and_the_rest_filled_in_as_ever() -> None:
    usual = load_profile("laptop").stages["filter_probes"].probes
    changed = load_profile("laptop", ["filter_probes.probes.0.temperature=0.5"]).stages["filter_probes"].probes
    assert changed == (usual[0].model_copy(update={"temperature": 0.5}), usual[1])


def test_roles_that_are_listed_in_a_profile_ask_the_teacher_that_it_names(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text(
        "endpoints: {big: {base_url: 'http://127.0.0.1:9/v1'}}\n"
        "teachers: {default: {endpoint: big, model: Q}, auditor: {model: S}}\n"
        "launch: {shared_model_accepted: [judge, probe_a, verifier]}\n"
        "filter_probes: {probes: [{role: probe_a}, {role: probe_c, model: R}]}\n"
    )
    probes = load_profile(str(mine)).stages["filter_probes"].probes
    assert [(probe.role, probe.endpoint, probe.model) for probe in probes] == [
        ("probe_a", "big", "Q"),
        ("probe_c", "big", "R"),
    ]


def test_a_misspelt_setting_inside_a_list_names_its_near_match() -> None:
    with pytest.raises(SettingsError, match=r"'phases\.0\.stepz', did you mean 'steps'"):
        load_profile("laptop", ["sft.phases.0.stepz=1"])


@pytest.mark.parametrize("content", [b"\xff\xfe", b"- a", b"3", b"{1: 2}", b"a: &x [*x]", b"a: !!int x"])
def test_a_profile_that_says_what_no_setting_holds_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    with pytest.raises(SettingsError, match=r"mine\.yaml"):
        load_profile(str(tmp_path / "mine.yaml"))


NAMES = sorted(
    {"launch", "endpoints", "teachers", "platform", "default", "captioner", "builtin", "pools", *PIPELINE.stages}
)
INNER = ["phases", "0", "1", "steps", "runner", "work", "probes", "role", "rates", "endpoint", "x", "", "-1"]
keys = st.lists(st.sampled_from(NAMES + INNER) | st.text(max_size=3), min_size=1, max_size=5).map(".".join)
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates()
values = st.recursive(
    plain,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES + INNER) | plain, inner, max_size=3)
    ),
    max_leaves=8,
)
anything = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def loaded_or_told(name: str, overrides: list[str]) -> Profile | None:
    """The profile, or None where one line said why not; any other end fails the test."""
    try:
        return load_profile(name, overrides)
    except SettingsError as error:
        assert error.what and "\n" not in error.what
        return None


@anything
@given(keys, st.text(max_size=12) | values.map(lambda value: yaml.safe_dump(value, default_flow_style=True)))
def test_no_override_ends_in_a_traceback(key: str, text: str) -> None:
    profile = loaded_or_told("laptop", [f"{key}={text}"])
    assert profile is None or profile.arguments()


@anything
@given(
    st.dictionaries(st.sampled_from(NAMES), values, max_size=3).map(yaml.safe_dump).map(str.encode)
    | st.binary(max_size=20)
)
def test_no_profile_ends_in_a_traceback(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.yaml").write_bytes(content)
    profile = loaded_or_told(str(tmp_path / "mine.yaml"), [])
    assert profile is None or profile.arguments()
