"""`python -m components.filter_probes --help`."""

from components.core.engine.command_line import main
from components.filter_probes.probe import STAGE

main(STAGE)
