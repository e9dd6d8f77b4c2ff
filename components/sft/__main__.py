"""`python -m components.sft --help`."""

from components.core.engine.command_line import main
from components.sft.train import STAGE

main(STAGE)
