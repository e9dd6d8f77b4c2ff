"""`python -m components.segmentation --help`."""

from components.core.tasks import main
from components.segmentation.segment import STAGE

main(STAGE)
