"""`python -m components.captioning --help`."""

from components.captioning.caption import STAGE
from components.core.tasks import main

main(STAGE)
