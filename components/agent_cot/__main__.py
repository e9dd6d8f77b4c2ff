"""`python -m components.agent_cot --help`."""

from components.agent_cot.rewatch import STAGE
from components.core.tasks import main

main(STAGE)
