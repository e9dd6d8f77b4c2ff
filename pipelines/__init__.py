"""The DAGs, the platform they run on, and the `rewatch` command that launches them."""
