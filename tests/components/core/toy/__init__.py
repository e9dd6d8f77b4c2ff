"""A stage small enough to kill: it asks one question per record. Run as `python -m tests.components.core.toy`."""
