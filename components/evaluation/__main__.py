"""`python -m components.evaluation --help`."""

from components.core.engine.command_line import main
from components.evaluation.evaluate import STAGE

main(STAGE)
