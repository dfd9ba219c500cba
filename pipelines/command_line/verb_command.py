"""Settings are dataclasses; their fields become the flags of a command, so that flag and field cannot disagree."""

from __future__ import annotations

import dataclasses
import os
import sys
import types
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import click

from curation.errors import EnvironmentProblem
from curation.setting import REQUIRED
from curation.setting import setting as setting  # every verb declares its flags with it
from pipelines.command_line.options import Result, RunOptions, Verb, flags_of
from pipelines.command_line.remote_paths import at_hand, with_addresses

KEPT_STDOUT: Final[list[int]] = []
"""The descriptor of stdout while a verb runs. Standard streams belong to the process, and so does this."""


class VerbCommand(click.Command):
    """The command of a verb: it takes the flags of its own settings, then those of `RunOptions`.

    A repeated flag also takes several values at once: `--data A B` is `--data A --data B`. Common flags in `idle`
    change nothing for this verb; its help names them, and no more.
    """

    def __init__(self, name: str, *, settings_type: type, idle: Sequence[str], **attributes: Any) -> None:
        super().__init__(name, params=[*_parameters(settings_type), *_parameters(RunOptions)], **attributes)
        self.meanings = {field.name: field.metadata["meaning"] for field in flags_of(settings_type)}
        self.idle = tuple(idle)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the arguments, the verb's own flags and the common ones, each under a heading."""
        sections: dict[str, list[tuple[str, str]]] = {"Arguments": [], "Options": [], "Common options": []}
        for parameter in self.get_params(ctx):
            name = parameter.name or ""
            if isinstance(parameter, click.Argument):
                sections["Arguments"].append((parameter.make_metavar(ctx), self.meanings[name]))
            elif name not in self.idle and (row := parameter.get_help_record(ctx)) is not None:
                sections["Options" if name in self.meanings else "Common options"].append(row)
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)
        if self.idle:
            with formatter.section("Taken by every command, without effect here"):
                formatter.write(f"{'':{formatter.current_indent}}{', '.join(map(_flag, self.idle))}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write each value behind a flag of its own, then parse as click does."""
        if any(isinstance(parameter, click.Argument) for parameter in self.params):
            return super().parse_args(ctx, args)  # a bare word belongs to the argument
        repeated = {flag for parameter in self.params if parameter.multiple for flag in parameter.opts}
        return super().parse_args(ctx, _each_with_its_flag(args, repeated=repeated))


def command_of(
    verb: Verb, *, name: str, show: Callable[[Result, RunOptions], None], idle: Sequence[str] = ()
) -> click.Command:
    """Return the click command of a function `verb(settings: Settings, *, run: RunOptions) -> Result`.

    `idle` names the fields of `RunOptions` that change nothing for this verb.
    """
    settings_type = get_type_hints(verb)["settings"]

    def run_verb(**values: Any) -> None:
        names = {field.name for field in dataclasses.fields(RunOptions)}
        run = RunOptions(**{key: value for key, value in values.items() if key in names})
        settings = settings_type(**{key: value for key, value in values.items() if key not in names})
        with only_results_on_stdout():
            result = called(verb, settings, run=run)
        show(result, run)

    return VerbCommand(name, settings_type=settings_type, idle=idle, callback=run_verb, help=verb.__doc__)


@contextmanager
def only_results_on_stdout() -> Iterator[None]:
    """Send to stderr whatever libraries and child processes print while a verb runs: stdout is for its result.

    The descriptor itself is redirected, so that native code and processes that are started go there too.
    """
    sys.stdout.flush()
    KEPT_STDOUT.append(os.dup(1))
    os.dup2(2, 1)
    try:
        yield
    finally:
        give_back_stdout()


def give_back_stdout() -> None:
    """Let stdout be stdout again; a thread that ends the command for the verb calls it, too."""
    with suppress(OSError):
        sys.stdout.flush()
    while KEPT_STDOUT:
        kept = KEPT_STDOUT.pop()
        os.dup2(kept, 1)
        os.close(kept)


def called(verb: Verb, settings: Any, *, run: RunOptions) -> Result:
    """Return what a verb has to say; raises EnvironmentProblem where a process that works for it is gone."""
    try:
        with at_hand(settings, verb=verb.__name__, run=run) as lent:
            result = verb(lent, run=run)
            return result if lent is settings else with_addresses(result)
    except BrokenPipeError as error:  # click would take it for a reader of stdout that left, and be silent
        raise EnvironmentProblem(
            "a process that was at work cannot be reached any more",
            remedy="run the same command again; it continues where it was",
        ) from error
    finally:
        run.machines.close()


def _flag(name: str) -> str:
    return f"--{name.rstrip('_').replace('_', '-')}"  # a field called as_ is the flag --as


def _each_with_its_flag(args: list[str], *, repeated: set[str]) -> list[str]:
    """Repeat a flag before each further value that follows it.

    >>> _each_with_its_flag(["--data", "a", "b", "--out", "c"], repeated={"--data"})
    ['--data', 'a', '--data', 'b', '--out', 'c']
    """
    written: list[str] = []
    flag, values = "", 0
    for word in args:
        if word.startswith("-"):
            flag, values = word.partition("=")[0], int("=" in word)
        elif flag in repeated:
            values += 1
            if values > 1:
                written.append(flag)
        written.append(word)
    return written


def _parameters(settings_type: type) -> list[click.Parameter]:
    hints = get_type_hints(settings_type)
    return [_parameter(field, hints[field.name]) for field in flags_of(settings_type)]


def _parameter(field: dataclasses.Field[Any], hint: Any) -> click.Parameter:
    is_required = field.default is REQUIRED
    kind, is_repeated = _click_type(hint)
    if field.metadata["positional"]:
        metavar = field.metadata["metavar"] or field.name.upper()
        return click.Argument([field.name], type=kind, nargs=-1 if is_repeated else 1, required=True, metavar=metavar)
    # no default at all where one must be given: click takes None for a value
    default: dict[str, Any] = {} if is_required else {"default": field.default}
    flag = _flag(field.name)
    if hint is bool:
        return click.Option([flag, field.name], is_flag=True, default=False, help=field.metadata["meaning"])
    return click.Option(
        [flag, field.name],
        type=kind,
        multiple=is_repeated,
        required=is_required,
        **default,
        show_default=not is_required and field.default not in (None, ()),
        metavar=field.metadata["metavar"],
        help=field.metadata["meaning"],
    )


def _click_type(hint: Any) -> tuple[click.ParamType[Any], bool]:
    """Return the click type of a field's type, and whether the flag may be repeated."""
    if get_origin(hint) in {Union, types.UnionType}:
        (inner,) = [part for part in get_args(hint) if part is not type(None)]
        return _click_type(inner)
    if get_origin(hint) is tuple:
        return _click_type(get_args(hint)[0])[0], True
    if get_origin(hint) is Literal:
        return click.Choice(list(get_args(hint))), False
    simple: dict[Any, click.ParamType[Any]] = {
        str: click.STRING,
        int: click.INT,
        float: click.FLOAT,
        bool: click.BOOL,
        Path: click.Path(path_type=Path),
    }
    return simple[hint], False
