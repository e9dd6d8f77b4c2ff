from __future__ import annotations

import pytest

from components.core.errors import SettingsError
from components.core.training.optimizers import OptimizerSettings, Peaks
from components.grpo.settings import GrpoSettings
from components.sft.settings import SftSettings


def test_one_rate_that_is_set_leaves_the_others_as_the_stage_has_them() -> None:
    grpo = GrpoSettings.model_validate({"optimizer": {"learning_rate": 1e-4}})
    assert grpo.peaks(pretrained=False) == Peaks(learning_rate=1e-4, matrix_learning_rate=0.003)
    sft = SftSettings.model_validate({"optimizer": {"matrix_learning_rate": 0.01}})
    assert sft.peaks(pretrained=False) == Peaks(learning_rate=1.5e-3, matrix_learning_rate=0.01)


def test_pretrained_weights_are_moved_by_adamw_at_the_rates_of_the_papers() -> None:
    assert SftSettings().peaks(pretrained=True) == Peaks(learning_rate=1e-5)
    assert GrpoSettings().peaks(pretrained=True) == Peaks(learning_rate=1e-6)
    with pytest.raises(SettingsError, match="descends from a pretrained model"):
        GrpoSettings.model_validate({"optimizer": {"name": "muon"}}).peaks(pretrained=True)


@pytest.mark.parametrize("steps", [1, 2, 7, 10, 120, 999])
@pytest.mark.parametrize("decay", [0.0, 0.1, 0.4, 1.0])
def test_the_rate_begins_to_fall_where_it_says(steps: int, decay: float) -> None:
    settings = OptimizerSettings(warmup=0.0, decay=decay)
    rates = [settings.rate(step, steps) for step in range(steps)]
    falls_at = settings.falls_at(steps)
    assert all(rate == 1.0 for rate in rates[:falls_at]) and all(rate < 1.0 for rate in rates[falls_at:])
