"""Print `pipelines/__init__.pyi`, the types of the verbs as functions; `make stub` writes what this prints."""

from __future__ import annotations

import inspect
import subprocess
import sys
import types
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

import pipelines
from pipelines.command_line.verbs import FUNCTIONS, VERBS
from tests.places import REPOSITORY

RUFF = Path(sys.executable).with_name("ruff")
HEAD = '''"""The verbs as functions; written by `make stub` from the settings of the verbs, not by hand."""

# ruff: noqa: A002

from collections.abc import Iterable
from os import PathLike
from typing import Literal, TypeAlias

from pipelines.command_line.options import Result

AnyPath: TypeAlias = str | PathLike[str]
'''
MACHINE_DEPENDENT = {"workers"}
"""Arguments whose default is told from the machine."""


def type_text(hint: Any) -> str:
    """Return the type of an argument as the stub writes it: what a call may give, not what the field holds."""
    kind, parts = get_origin(hint), get_args(hint)
    if kind in {Union, types.UnionType}:
        (inner,) = (part for part in parts if part is not type(None))
        return f"{type_text(inner)} | None"
    if kind is tuple:
        return f"{type_text(parts[0])} | Iterable[{type_text(parts[0])}]"
    if kind is Literal:
        return f"Literal[{', '.join(map(repr, parts))}]"
    return "AnyPath" if hint is Path else str(hint.__name__)


def default_text(parameter: inspect.Parameter) -> str:
    """Return ` = default`, or nothing where a value must be given."""
    if parameter.default is inspect.Parameter.empty:
        return ""
    default = parameter.default
    is_plain = default is None or isinstance(default, bool | int | float | str)
    return f" = {default!r}" if is_plain and parameter.name not in MACHINE_DEPENDENT else " = ..."


def function_text(name: str) -> str:
    """Return one function of the stub; its line is for editors, `help` tells everything."""
    function = getattr(pipelines, name)
    positional, keywords = [], []
    for one in inspect.signature(function).parameters.values():
        group = keywords if one.kind is one.KEYWORD_ONLY else positional
        group.append(f"{one.name}: {type_text(one.annotation)}{default_text(one)}")
    arguments = ", ".join([*positional, "*", *keywords])
    return f'def {name}({arguments}) -> Result:\n    """{VERBS[FUNCTIONS[name]].meaning}"""\n'


def stub() -> str:
    """Return the whole stub, formatted."""
    names = sorted(pipelines.__all__)
    text = "\n".join([HEAD, f"__all__ = {names!r}\n", *map(function_text, names)])
    done = subprocess.run(
        [RUFF, "format", "--stdin-filename", "pipelines/__init__.pyi", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
        cwd=REPOSITORY,
    )
    return done.stdout


if __name__ == "__main__":
    print(stub(), end="")
