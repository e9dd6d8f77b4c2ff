"""Run the toy stage from the command line."""

from components.core.engine.command_line import main
from tests.components.core.engine.toy.stage import STAGE

main(STAGE)
