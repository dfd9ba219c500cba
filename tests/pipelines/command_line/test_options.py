"""A flag and the field behind it cannot disagree: in name, type, default, choices, and whether it may be repeated."""

from __future__ import annotations

import dataclasses
import errno
import json
import re
import subprocess
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import click
import pytest

from curation.errors import EnvironmentProblem
from pipelines.command_line.cli import VERBS, curate
from pipelines.command_line.options import Result, RunOptions, flags_of, setting
from pipelines.command_line.verb_command import command_of
from tests.pipelines.commands import CURATE

Shape = Literal["round", "square"]
WORDS: dict[Any, tuple[str, object]] = {
    str: ("word", "word"),
    int: ("7", 7),
    float: ("0.25", 0.25),
    Path: ("some/where", Path("some/where")),
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """One field of every type that a setting may have."""

    source: Path = setting("Where from.")
    text: str = setting("A text.", default="x")
    count: int = setting("A count.", default=3)
    share: float = setting("A share.", default=0.5)
    is_on: bool = setting("A switch.", default=False)
    shape: Shape = setting("A choice.", default="round")
    folders: tuple[Path, ...] = setting("Any number of folders.", default=())
    most: int | None = setting("A count or none.", default=None)


def kept(settings: Settings, *, run: RunOptions) -> Result:
    """Keep the settings."""
    return Result(summary="", data={"settings": settings, "run": run})


def parsed(*arguments: str) -> dict[str, Any]:
    results: list[Result] = []
    command = command_of(kept, name="kept", show=lambda result, run: results.append(result))
    command.main(list(arguments), standalone_mode=False)
    return results[0].data


def settings_of(verb: str) -> type:
    entry = VERBS[verb]
    function: Callable[..., Result] = entry.load()
    settings_type: type = get_type_hints(function)["settings"]
    return settings_type


def bare(hint: Any) -> tuple[Any, bool]:
    """Return the type of one value of a field, and whether it takes many."""
    if get_origin(hint) in {Union, types.UnionType}:
        (hint,) = [part for part in get_args(hint) if part is not type(None)]
    return (get_args(hint)[0], True) if get_origin(hint) is tuple else (hint, False)


def test_every_type_of_field_is_read_from_its_flag() -> None:
    given = ["--source", "a/b", "--text", "y", "--count", "4", "--share", "0.1", "--is-on", "--shape", "square"]
    data = parsed(*given, "--folders", "c", "--folders", "d", "--most", "9", "--seed", "5")
    assert data["settings"] == Settings(
        source=Path("a/b"),
        text="y",
        count=4,
        share=0.1,
        is_on=True,
        shape="square",
        folders=(Path("c"), Path("d")),
        most=9,
    )
    assert data["run"].seed == 5


def test_a_flag_that_is_not_given_has_the_default_of_its_field() -> None:
    data = parsed("--source", "a")
    assert data["settings"] == Settings(source=Path("a"))
    assert data["run"] == RunOptions()


@pytest.mark.parametrize("words", [["--folders", "c", "d"], ["--folders=c", "d"], ["--folders", "c", "--folders", "d"]])
def test_a_repeated_flag_takes_several_values_at_once(words: list[str]) -> None:
    data = parsed("--source", "a", *words, "--count", "4")
    assert data["settings"] == Settings(source=Path("a"), folders=(Path("c"), Path("d")), count=4)


def test_a_second_value_behind_a_flag_for_one_is_wrong_usage() -> None:
    with pytest.raises(click.UsageError, match="b"):
        parsed("--source", "a", "b")


@pytest.mark.parametrize(
    "arguments",
    [
        ["--count", "1.5"],
        ["--share", "half"],
        ["--shape", "oval"],
        ["--most", "none"],
        ["--unknown", "1"],
        ["--sauce", "x"],
        ["stray"],
    ],
)
def test_a_value_of_the_wrong_type_or_an_unknown_flag_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(click.UsageError) as caught:
        parsed("--source", "a", *arguments)
    assert caught.value.exit_code == 2


def test_a_setting_without_a_default_must_be_given() -> None:
    with pytest.raises(click.MissingParameter):
        parsed("--count", "1")


@pytest.mark.parametrize("verb", VERBS)
def test_every_flag_of_a_verb_agrees_with_its_field(verb: str) -> None:
    command = curate.get_command(click.Context(curate), verb)
    assert command is not None
    parameters = {parameter.name: parameter for parameter in command.params}
    expected: dict[str, tuple[dataclasses.Field[Any], Any]] = {}
    for settings_type in (settings_of(verb), RunOptions):
        hints = get_type_hints(settings_type)
        expected |= {field.name: (field, hints[field.name]) for field in flags_of(settings_type)}
    assert parameters.keys() == expected.keys()
    for name, (field, hint) in expected.items():
        check_parameter(parameters[name], field=field, hint=hint)


def check_parameter(parameter: click.Parameter, *, field: dataclasses.Field[Any], hint: Any) -> None:
    kind, is_repeated = bare(hint)
    assert field.metadata["meaning"].endswith((".", "]")), f"{field.name}: a meaning is a sentence"
    if isinstance(parameter, click.Option):
        assert parameter.opts == [f"--{field.name.rstrip('_').replace('_', '-')}"]
        assert parameter.multiple == is_repeated
        assert parameter.required == (field.default is dataclasses.MISSING)
    if kind is bool:
        assert isinstance(parameter, click.Option)
        assert parameter.is_flag
        assert field.default is False, f"{field.name}: a switch can only be switched on"
    elif get_origin(kind) is Literal:
        assert isinstance(parameter.type, click.Choice)
        assert tuple(parameter.type.choices) == get_args(kind)
        assert field.default in {*get_args(kind), None, dataclasses.MISSING, () if is_repeated else None}
    else:
        text, value = WORDS[kind]
        converted = parameter.type.convert(text, parameter, None)
        assert (converted, type(converted)) == (value, type(value))


@pytest.mark.parametrize("verb", VERBS)
def test_the_default_of_a_field_is_of_its_type(verb: str) -> None:
    hints = get_type_hints(settings_of(verb))
    for field in flags_of(settings_of(verb)):
        kind, is_repeated = bare(hints[field.name])
        if field.default in (dataclasses.MISSING, None) or get_origin(kind) is Literal:
            continue
        values = field.default if is_repeated else (field.default,)
        assert all(isinstance(value, kind) and not (isinstance(value, bool) and kind is int) for value in values), (
            f"{verb} --{field.name}"
        )


@pytest.mark.parametrize("verb", VERBS)
def test_settings_are_frozen_and_are_told_apart_from_the_flags_that_every_verb_has(verb: str) -> None:
    settings_type = settings_of(verb)
    assert dataclasses.is_dataclass(settings_type)
    assert getattr(settings_type, "__dataclass_params__").frozen  # noqa: B009 - typeshed does not know it
    shared = {field.name for field in flags_of(RunOptions)}
    assert shared & {field.name for field in flags_of(settings_type)} == set()


def test_help_tells_own_flags_apart_from_common_ones_and_from_those_without_effect() -> None:
    command = command_of(kept, name="kept", show=lambda result, run: None, idle=("seed", "device"))
    text = command.get_help(click.Context(command, info_name="kept"))
    _, own, common, idle = re.split(r"^(?:Options|Common options|Taken by every command.*):$", text, flags=re.MULTILINE)
    assert re.findall(r"^  (--[\w-]+)", own, flags=re.MULTILINE) == [
        f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(Settings)
    ]
    assert re.findall(r"^  (--[\w-]+)", common, flags=re.MULTILINE) == [
        f"--{field.name.replace('_', '-')}" for field in flags_of(RunOptions) if field.name not in command.idle
    ] + ["--help"]
    assert idle.split() == ["--seed,", "--device"]
    assert parsed("--source", "a", "--device", "cpu")["run"].device == "cpu"


def test_the_help_of_an_argument_tells_its_meaning() -> None:
    command = curate.get_command(click.Context(curate), "stats")
    assert command is not None
    assert re.search(r"Arguments:\n  D\.\.\.  The datasets", command.get_help(click.Context(command)))


def test_a_worker_that_is_gone_is_not_taken_for_a_reader_that_left() -> None:
    def broken(settings: Settings, *, run: RunOptions) -> Result:
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    command = command_of(broken, name="broken", show=lambda result, run: None)
    with pytest.raises(EnvironmentProblem, match="cannot be reached"):
        command.main(["--source", "a"], standalone_mode=False)


@pytest.mark.parametrize("flags", [["--workers", "-1"], ["--limit", "0"], ["--limit", "-1"], ["--nosuch"]])
def test_flags_that_can_do_nothing_are_wrong_usage_and_json_tells_it(flags: list[str]) -> None:
    done = subprocess.run([*CURATE, "stats", "D", *flags, "--json"], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert json.loads(done.stdout)["exit_code"] == 2
    assert flags[0] in done.stderr
