"""`python -m components.filter_probes --help`."""

from components.core.tasks import main
from components.filter_probes.probe import STAGE

main(STAGE)
