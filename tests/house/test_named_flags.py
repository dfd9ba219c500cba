"""Every flag that a message names is one that a command has: advice can be followed."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import Final

import click

from pipelines.command_line.cli import curate
from tests.places import REPOSITORY

ROOMS: Final = ("curation", "models", "labeling", "reports", "pipelines")
FLAG: Final = re.compile(r"(?<![\w<-])--[a-z][a-z0-9]*(?:-[a-z0-9]+)*")
OF_OTHERS: Final = frozenset(
    {
        "--force-reinstall",
        "--graphdef",
        "--host-resolver-rules",
        "--no-deps",
        "--python",
        "--revision",
        "--tflite",
        "--upgrade",
    }
)
"""Flags of pip, uv, hf, tf2onnx and Chromium."""


def flags_of(command: click.Command, *, context: click.Context) -> Iterator[str]:
    """Yield the flags of a command, and of those below it."""
    yield from (flag for one in command.get_params(context) for flag in (*one.opts, *one.secondary_opts))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from flags_of(below, context=click.Context(below, parent=context))


def named_flags() -> Iterator[tuple[str, str]]:
    """Yield each flag in a text of the product with its place; docstrings, and words alone, which are arguments of
    programs that we start, aside."""
    for file in (file for room in ROOMS for file in sorted((REPOSITORY / room).rglob("*.py"))):
        tree = ast.parse(file.read_text())
        docstrings = {id(one.value) for one in ast.walk(tree) if isinstance(one, ast.Expr)}
        for one in ast.walk(tree):
            is_text = isinstance(one, ast.Constant) and isinstance(one.value, str) and " " in one.value
            if is_text and id(one) not in docstrings:
                yield from ((flag, f"{file.relative_to(REPOSITORY)}:{one.lineno}") for flag in FLAG.findall(one.value))


def test_every_flag_that_a_message_names_is_one_of_a_command() -> None:
    known = set(flags_of(curate, context=click.Context(curate)))
    assert "--per-foreground" in known, "flags of commands are read"
    unknown = {flag: place for flag, place in named_flags() if flag not in known}
    assert unknown.keys() <= OF_OTHERS, unknown
