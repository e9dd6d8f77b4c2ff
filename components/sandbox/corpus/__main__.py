"""`python -m components.sandbox.corpus --out runs/corpus/videos --truth runs/corpus/truth`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from components.core.errors import RewatchError
from components.sandbox.corpus.generate import generate
from components.sandbox.corpus.settings import CorpusSettings


def main() -> int:
    """Render the corpus named on the command line."""
    program = "python -m components.sandbox.corpus"
    parser = argparse.ArgumentParser(prog=program, description="Render the sandbox corpus.")
    parser.add_argument("--out", type=Path, required=True, help="folder for the videos")
    parser.add_argument("--truth", type=Path, required=True, help="folder for the ground truth, outside --out")
    parser.add_argument("--tiny", action="store_true", help="the small corpus that the tests use")
    parser.add_argument("--seed", type=int, default=CorpusSettings().seed)
    arguments = parser.parse_args()
    settings = CorpusSettings.tiny() if arguments.tiny else CorpusSettings()
    try:
        corpus = generate(arguments.out, arguments.truth, settings.model_copy(update={"seed": arguments.seed}))
    except RewatchError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    how = "rendered" if corpus.made else "were there already"
    print(f"{corpus.files} files in {corpus.videos} {how}; truth in {corpus.truth}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
