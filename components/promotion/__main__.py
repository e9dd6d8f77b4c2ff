"""`python -m components.promotion --help`."""

from components.core.engine.command_line import main
from components.promotion.promote import STAGE

main(STAGE)
