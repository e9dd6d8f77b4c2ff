"""`python -m pipelines.reproduce`: the paper's table in miniature, from the settings in reproduce.yaml."""

import sys

from pipelines.reproduce.reproduce import main

if __name__ == "__main__":
    sys.exit(main())
