"""Reporting: one self-contained page per run, written from manifests and task records, with MLflow runs beside it."""
