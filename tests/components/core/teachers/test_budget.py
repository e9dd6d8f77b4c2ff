"""One budget per run, whoever spends it and wherever the state lies."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from components.core.engine.run import run_task
from components.core.errors import BudgetExceeded
from components.core.teachers.budget import Budget, RunBudget, Spend, budget_of_run
from tests.components.core.engine.toy.stage import STAGE
from tests.components.core.teachers.loopback import loopback, says


@pytest.fixture(params=["local", "s3"])
def root(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(request.getfixturevalue("s3_bucket")) if request.param == "s3" else str(tmp_path / "root")


class Clock:
    """A clock that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_what_one_process_spent_the_others_cannot(root: str) -> None:
    limits = Budget(tokens=100)
    one, other = (RunBudget(limits, f"{root}/spend/r1", name) for name in ("caption-s00000", "caption-s00001"))
    await one.check(Spend(0))
    await other.check(Spend(0))
    await one.check(Spend(60))
    with pytest.raises(BudgetExceeded, match=r"budget of 100 tokens is spent \(110 by 2 processes\).*launch\.budget"):
        await other.check(Spend(50))


async def test_a_run_that_is_taken_up_again_goes_on_counting_and_another_starts_anew(root: str) -> None:
    first = RunBudget(Budget(cost=2.0), f"{root}/spend/r1", "caption")
    await first.check(Spend(10, 1.5))
    first.close(Spend(13, 2.25))
    again = RunBudget(Budget(cost=2.0), f"{root}/spend/r1", "caption")
    with pytest.raises(BudgetExceeded, match=r"budget of 2\.00 is spent \(2\.25"):
        await again.check(Spend())
    await RunBudget(Budget(cost=2.0), f"{root}/spend/r2", "caption").check(Spend())
    await RunBudget(Budget(cost=3.0), f"{root}/spend/r1", "caption").check(Spend())


async def test_a_budget_is_looked_at_when_a_tenth_more_is_paid_and_after_ten_seconds(tmp_path: Path) -> None:
    clock = Clock()
    budget = RunBudget(Budget(tokens=1000), str(tmp_path / "spend"), "one", clock)
    looks = []
    for paid in (0, 0, 100, 110, 111, 122, 123):
        await budget.check(Spend(paid))
        looks.append(budget.looks)
    assert looks == [1, 1, 2, 2, 3, 3, 4]
    clock.now = 10.0
    await budget.check(Spend(123))
    assert budget.looks == 5


@pytest.mark.parametrize("seed", range(3))
async def test_twenty_processes_pass_the_budget_by_a_tenth_at_most(tmp_path: Path, seed: int) -> None:
    """Processes of very different speed, and never ten seconds between two looks: the clock stands still."""
    limit, call, clock = 400_000, 100, Clock()
    budgets = [RunBudget(Budget(tokens=limit), str(tmp_path / "spend"), f"t{n}", clock) for n in range(20)]
    paid = [0] * len(budgets)
    chance = random.Random(seed)
    speeds = [chance.random() ** 3 for _ in budgets]
    spending = set(range(len(budgets)))
    while spending:
        (turn,) = chance.choices(sorted(spending), [speeds[n] for n in sorted(spending)])
        try:
            await budgets[turn].check(Spend(paid[turn]))
        except BudgetExceeded:
            spending.remove(turn)
        else:
            paid[turn] += call
    assert limit <= sum(paid) <= 1.1 * limit + len(budgets) * call
    assert sum(budget.looks for budget in budgets) < 0.3 * sum(paid) / call


async def test_many_calls_at_once_cost_one_look(tmp_path: Path) -> None:
    budget = RunBudget(Budget(tokens=100), str(tmp_path / "spend"), "one")
    await asyncio.gather(*(budget.check(Spend(0)) for _ in range(50)))
    assert budget.looks == 1


def test_without_limits_there_is_no_budget_to_watch(tmp_path: Path) -> None:
    assert budget_of_run(Budget(), str(tmp_path), "r1", "caption") is None
    found = budget_of_run(Budget(cost=2.5), str(tmp_path), "r1", "caption")
    assert found is not None and found.limits == Budget(cost=2.5)


def handed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, state: str, url: str, tokens: int) -> None:
    """What a launcher hands to every task of run `r1`."""
    monkeypatch.setenv("REWATCH_RUN_ROOT", str(tmp_path / "run"))
    monkeypatch.setenv("REWATCH_RUN_ID", "r1")
    monkeypatch.setenv("REWATCH_STATE_ROOT", state)
    monkeypatch.setenv("REWATCH_ENDPOINTS", json.dumps({"builtin": {"base_url": url, "concurrency": 4}}))
    monkeypatch.setenv("REWATCH_BUDGET", json.dumps({"tokens": tokens}))


def told(tmp_path: Path, name: str) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((tmp_path / "run" / "tasks" / f"{name}.json").read_text())
    return read


def test_tasks_of_a_run_stop_together_with_a_clear_error_and_everything_kept(
    root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hundred calls of 15 tokens in two tasks, of which 1050 tokens pay for seventy."""
    with loopback(lambda body, number: says({"question": "How many?"})) as server:
        handed(monkeypatch, tmp_path, root, server.url, tokens=1050)
        settings = json.dumps({"records": 50, "work": {"concurrency": 4}})
        run_task(STAGE, settings=settings, inputs={}, output=str(tmp_path / "one"), name="one")
        with pytest.raises(SystemExit) as caught:
            other = json.dumps({"records": 50, "words": "other", "work": {"concurrency": 4}})
            run_task(STAGE, settings=other, inputs={}, output=str(tmp_path / "two"), name="two")
        assert caught.value.code == 1
        assert 70 <= len(server.requests) <= 70 + 4
        error = told(tmp_path, "two")["error"]
        assert error["type"] == "BudgetExceeded" and "budget of 1050 tokens is spent" in error["what"]
        assert "launch.budget.tokens" in error["remedy"]
        bought = len(server.requests)
        monkeypatch.setenv("REWATCH_BUDGET", json.dumps({"tokens": 2000}))
        run_task(STAGE, settings=other, inputs={}, output=str(tmp_path / "two"), name="two")
        assert len(server.requests) == 100, f"{bought} replies were paid for and kept"


def test_processes_side_by_side_share_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback(lambda body, number: says({"question": "?"}, after_s=0.01)) as server:
        handed(monkeypatch, tmp_path, str(tmp_path / "state"), server.url, tokens=3000)
        tasks = []
        for number in range(3):
            settings = json.dumps({"records": 200, "words": f"w{number}", "work": {"concurrency": 4}})
            command = [
                sys.executable,
                "-m",
                "tests.components.core.engine.toy",
                "--output",
                str(tmp_path / f"out{number}"),
            ]
            tasks.append(subprocess.Popen([*command, "--settings", settings], env={**os.environ}, cwd=Path.cwd()))
        assert [task.wait(60) for task in tasks] == [1, 1, 1]
    assert 3000 <= 15 * len(server.requests) <= 1.1 * 3000 + 3 * 4 * 15
