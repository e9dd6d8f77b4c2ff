"""`python -m components.evaluation --help`."""

from components.core.tasks import main
from components.evaluation.evaluate import STAGE

main(STAGE)
