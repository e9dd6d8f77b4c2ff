"""`python -m components.promotion --help`."""

from components.core.tasks import main
from components.promotion.promote import STAGE

main(STAGE)
