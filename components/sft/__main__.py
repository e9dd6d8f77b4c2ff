"""`python -m components.sft --help`."""

from components.core.tasks import main
from components.sft.train import STAGE

main(STAGE)
