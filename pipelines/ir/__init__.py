"""What is done to the compiled pipeline: compile, lint, prune."""
