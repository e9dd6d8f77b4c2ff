"""A stage small enough to kill: it asks one question per record: `python -m tests.components.core.engine.toy`."""
