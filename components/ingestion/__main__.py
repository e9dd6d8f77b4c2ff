"""`python -m components.ingestion --output FOLDER --settings '{"videos": "FOLDER"}'`."""

from components.core.engine.command_line import main
from components.ingestion.ingest import STAGE

main(STAGE)
