"""`python -m components.reporting --help`."""

from components.core.tasks import main
from components.reporting.report import STAGE

main(STAGE)
