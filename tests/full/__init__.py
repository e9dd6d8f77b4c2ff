"""What needs a browser, real clips or minutes: `make test-full` runs it, each through the command people type."""
