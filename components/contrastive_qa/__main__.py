"""`python -m components.contrastive_qa --help`."""

from components.contrastive_qa.write_questions import STAGE
from components.core.engine.command_line import main

main(STAGE)
