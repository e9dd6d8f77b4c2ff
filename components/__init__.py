"""The stages of the pipeline, one package each, and `core`, which they stand on."""
