"""`python -m components.reporting --help`."""

from components.core.engine.command_line import main
from components.reporting.report import STAGE

main(STAGE)
