"""`python -m components.filter_probes --help`."""

from components.core.engine.command_line import main
from components.filter_probes.filter_questions import STAGE

main(STAGE)
