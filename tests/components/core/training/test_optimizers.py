from __future__ import annotations

from typing import Any

import pytest

from components.core.errors import SettingsError
from components.core.training.optimizers import OptimizerSettings, Peaks
from components.grpo.settings import GrpoSettings
from components.sft.settings import SftSettings


def test_one_value_that_is_set_leaves_the_others_as_the_stage_has_them() -> None:
    sft = SftSettings.model_validate({"optimizer": {"decay": 0.1}})
    assert (sft.peaks(pretrained=True), sft.optimizer.decay) == (Peaks(learning_rate=1e-5), 0.1)
    grpo = GrpoSettings.model_validate({"optimizer": {"name": "muon", "matrix_learning_rate": 0.003}})
    assert grpo.peaks(pretrained=False) == Peaks(learning_rate=1e-6, matrix_learning_rate=0.003)


@pytest.mark.parametrize("wrong", [{"name": "muon"}, {"matrix_learning_rate": 0.01}])
def test_muon_and_its_rate_come_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(SettingsError, match="is a rate of Muon"):
        GrpoSettings.model_validate({"optimizer": wrong}).peaks(pretrained=False)


def test_pretrained_weights_are_moved_by_adamw_at_the_rates_of_the_papers() -> None:
    assert SftSettings().peaks(pretrained=True) == Peaks(learning_rate=1e-5)
    assert GrpoSettings().peaks(pretrained=True) == Peaks(learning_rate=1e-6)
    with pytest.raises(SettingsError, match="descends from a pretrained model"):
        GrpoSettings.model_validate({"optimizer": {"name": "muon", "matrix_learning_rate": 1}}).peaks(pretrained=True)


@pytest.mark.parametrize("steps", [1, 2, 7, 10, 120, 999])
@pytest.mark.parametrize("decay", [0.0, 0.1, 0.4, 1.0])
def test_the_rate_begins_to_fall_where_it_says(steps: int, decay: float) -> None:
    settings = OptimizerSettings(learning_rate=1.0, warmup=0.0, decay=decay)
    rates = [settings.rate(step, steps) for step in range(steps)]
    falls_at = settings.falls_at(steps)
    assert all(rate == 1.0 for rate in rates[:falls_at]) and all(rate < 1.0 for rate in rates[falls_at:])
