from __future__ import annotations

import os
import subprocess
import sys

PROGRAM = """
import torch
from components.core.students.side_by_side import threads_of_one_core
with threads_of_one_core(2) as pool:
    print(*pool.map(lambda _: torch.get_num_threads(), range(4)))
"""


def test_a_thread_takes_one_core_whatever_the_environment_says() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "OMP_NUM_THREADS": "4"}, capture_output=True, text=True
    )
    assert done.stdout.split() == ["1"] * 4, done.stderr
