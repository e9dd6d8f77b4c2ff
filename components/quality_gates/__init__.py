"""Quality gates: each merges one dataset's shards, measures it as a whole, and stops the pipeline if it is unfit."""
