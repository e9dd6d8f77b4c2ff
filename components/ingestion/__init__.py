"""Ingestion: which videos there are, what they are, and which of them may be used."""
