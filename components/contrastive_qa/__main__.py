"""`python -m components.contrastive_qa --help`."""

from components.contrastive_qa.write_questions import STAGE
from components.core.tasks import main

main(STAGE)
