"""`python -m components.grpo --help`."""

from components.core.engine.command_line import main
from components.grpo.train import STAGE

main(STAGE)
