"""Run the toy stage from the command line."""

from components.core.tasks import main
from tests.components.core.toy.stage import STAGE

main(STAGE)
