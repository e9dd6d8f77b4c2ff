"""`python -m components.segmentation --help`."""

from components.core.engine.command_line import main
from components.segmentation.segment import STAGE

main(STAGE)
