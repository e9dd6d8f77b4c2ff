"""The command line that every stage has without KFP: `python -m components.captioning --help`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from components.core.errors import InputError

if TYPE_CHECKING:
    from components.core.engine.stage import SettingsType, Stage


def main(stage: Stage[SettingsType], arguments: list[str] | None = None) -> None:
    """Parse the arguments and run the stage."""
    from components.core.engine.run import run_task

    parser = _parser(stage)
    given = parser.parse_args(arguments)
    try:
        settings = Path(given.settings[1:]).read_text() if given.settings.startswith("@") else given.settings
    except OSError as error:
        parser.exit(InputError.exit_code, f"The settings cannot be read: {error}.\n")
    inputs = {name: getattr(given, name) for name in stage.inputs if getattr(given, name)}
    run_task(
        stage,
        settings=settings,
        inputs={name: paths[0] if len(paths) == 1 else paths for name, paths in inputs.items()},
        output=given.output,
        shard=given.shard,
        name=given.name,
    )


def _parser(stage: Stage[SettingsType]) -> argparse.ArgumentParser:
    fields = stage.settings.model_fields
    lines = [f"  {name}: {' '.join((field.description or '').split())}" for name, field in fields.items()]
    parser = argparse.ArgumentParser(
        prog=f"python -m {stage.run.__module__.rsplit('.', 1)[0]}",
        description=f"Run the stage '{stage.name}' on finished datasets.",
        epilog="settings:\n" + "\n".join(lines),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    for name in stage.inputs:
        parser.add_argument(f"--{name.replace('_', '-')}", dest=name, nargs="+", metavar="FOLDER", help="input")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="the dataset or model to write")
    parser.add_argument("--settings", default="{}", metavar="JSON", help="settings as JSON, or @file")
    parser.add_argument("--shard", default="", help="work on one shard only")
    parser.add_argument("--name", default="", help="the task's name in its record")
    return parser
