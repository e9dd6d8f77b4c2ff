"""`python -m components.captioning --help`."""

from components.captioning.caption import STAGE
from components.core.engine.command_line import main

main(STAGE)
