"""`python -m components.agent_cot --help`."""

from components.agent_cot.rewatch_questions import STAGE
from components.core.engine.command_line import main

main(STAGE)
