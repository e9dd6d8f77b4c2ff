"""`python -m components.ingestion --output FOLDER --settings '{"videos": "FOLDER"}'`."""

from components.core.tasks import main
from components.ingestion.ingest import STAGE

main(STAGE)
