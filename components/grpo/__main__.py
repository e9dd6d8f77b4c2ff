"""`python -m components.grpo --help`."""

from components.core.tasks import main
from components.grpo.train import STAGE

main(STAGE)
