"""Takes out of the compiled pipeline what no machine reads, because KFP copies it many times over.

A task's source and interface are part of its pod's specification, of which Argo keeps six copies in the state of a run,
and of what its driver is given, of which it keeps two; all of that must fit into one object (limits.py). So docstrings
of the sources go, and the descriptions of what tasks take and give. They are in the components' own files, and what
each parameter of the pipeline is stays said, which is what KFP's pages show.
Measured on a run of 209 nodes: 2.13 MB of nodes became 2.01, and 249 kB of compressed ones 223.
"""

from __future__ import annotations

import ast
from typing import Any


def shorten(ir: dict[str, Any]) -> None:
    """Shorten a compiled pipeline in place."""
    for component in ir["components"].values():
        for side in ("inputDefinitions", "outputDefinitions"):
            for group in component.get(side, {}).values():
                for definition in group.values():
                    definition.pop("description", None)
    for executor in ir["deploymentSpec"]["executors"].values():
        command = executor.get("container", {}).get("command", [])
        command[:] = [without_docstrings(part) if part.startswith("\nimport kfp") else part for part in command]


def without_docstrings(source: str) -> str:
    """A component's source without the docstrings of its functions.

    >>> without_docstrings('def f() -> None:\\n    \\"\\"\\"Do it.\\n\\n    Well.\\n    \\"\\"\\"\\n    print(1)\\n')
    'def f() -> None:\\n    print(1)\\n'
    """
    lines = source.splitlines(keepends=True)
    functions = [node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef)]
    for function in reversed(functions):
        words = function.body[0]
        if ast.get_docstring(function) is not None and len(function.body) > 1:
            del lines[words.lineno - 1 : words.end_lineno]
    return "".join(lines)
