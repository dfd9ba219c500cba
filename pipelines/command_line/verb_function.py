"""A verb as a function of Python, whose keyword arguments are its flags: made of the same dataclasses as these.

Nothing is printed: a function returns the result. What is wrong with an argument is a TypeError or a ValueError that
names it; what stops the work is a CurateError, as on the command line.
"""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import textwrap
import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import get_close_matches
from numbers import Integral, Real
from pathlib import Path
from typing import Any, Final, Literal, Union, get_args, get_origin, get_type_hints

import click

from curation.errors import ConfigurationProblem, CurateError
from curation.setting import REQUIRED
from pipelines.command_line.options import Result, RunOptions, Verb, flags_of
from pipelines.command_line.unforeseen import machine_problem, refuse_lost_folder
from pipelines.command_line.verb_command import called
from pipelines.command_line.verbs import FUNCTIONS, VERBS

PRINTING: Final = frozenset({"json"})
"""Fields of `RunOptions` that only say how the command line prints."""
WIDTH: Final = 100
FOR_COMMANDS: Final = "\b"
"""Stands in the docstring of a verb before the examples for the command line."""
TAKEN: Final = (
    "A path may be a text, a Path or a dataset; where several values are taken, one may be given alone.\n\n"
    "Returns a `Result` with `out`, `counts`, `dataset`, `data`, `summary`, `warnings` and `exit_code`. Raises "
    "TypeError or ValueError for an argument that is wrong, and CurateError for what stops the work."
)


def verb_function(name: str) -> Callable[..., Result]:
    """Return the function of a verb by its name in Python, such as `coco_person` or `label_push`."""
    entry = VERBS[FUNCTIONS[name]]
    verb: Verb = entry.load()
    settings_type = get_type_hints(verb)["settings"]
    signature = signature_of(settings_type)
    own = {field.name for field in flags_of(settings_type)}

    def function(*args: Any, **kwargs: Any) -> Result:
        refuse_lost_folder()
        values = _values(kwargs, args=args, signature=signature, name=name)
        try:
            run = RunOptions(**{key: value for key, value in values.items() if key not in own})
            settings = settings_type(**{key: value for key, value in values.items() if key in own})
            _refuse_to_be_started_again(values)
            return called(verb, settings, run=run)
        except click.UsageError as error:
            raise ValueError(f"{name}(): {_in_python(error.format_message(), signature)}") from None
        except CurateError:
            raise
        except Exception as error:
            if (problem := machine_problem(error)) is not None:
                raise problem from error
            raise

    function.__name__ = function.__qualname__ = name
    function.__module__ = "pipelines"
    function.__doc__ = _doc(verb, settings_type, signature=signature, idle=entry.idle)
    function.__annotations__ = {key: one.annotation for key, one in signature.parameters.items()} | {"return": Result}
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


def signature_of(settings_type: type) -> inspect.Signature:
    """Return the parameters of a verb: the fields of its settings, then those of `RunOptions` but for printing.

    Fields that are arguments of the command may be given by position; no other may.
    """
    parameters = [
        inspect.Parameter(
            field.name,
            inspect.Parameter.POSITIONAL_OR_KEYWORD if field.metadata["positional"] else inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if field.default is REQUIRED else field.default,
            annotation=hint,
        )
        for field, hint in _fields(settings_type)
    ]
    parameters.sort(key=lambda one: one.kind)
    return inspect.Signature(parameters, return_annotation=Result)


def _fields(settings_type: type) -> Iterator[tuple[dataclasses.Field[Any], Any]]:
    for one in (settings_type, RunOptions):
        hints = get_type_hints(one)
        yield from ((field, hints[field.name]) for field in flags_of(one) if field.name not in PRINTING)


def _values(
    kwargs: Mapping[str, Any], *, args: tuple[Any, ...], signature: inspect.Signature, name: str
) -> dict[str, Any]:
    """Return the arguments of a call by name, each in the type of its field."""
    for unknown in kwargs.keys() - signature.parameters.keys():
        meant = get_close_matches(unknown, signature.parameters)
        hint = f"; did you mean {meant[0]!r}?" if meant else ""
        raise TypeError(f"{name}() has no argument {unknown!r}{hint}")
    try:
        given = signature.bind(*args, **kwargs).arguments
    except TypeError as error:
        raise TypeError(f"{name}() {error}") from None
    values = {}
    for key, value in given.items():
        parameter = signature.parameters[key]
        values[key] = converted(value, parameter.annotation, name=f"{name}(): {key}")
        if values[key] == () and parameter.default is inspect.Parameter.empty:
            raise ValueError(f"{name}(): {key} is empty; give one at least")
    return values


def converted(value: Any, hint: Any, *, name: str) -> Any:
    """Return a value in the type of a field; raises TypeError or, for what is none of its choices, ValueError.

    >>> converted("a", tuple[Path, ...], name="images")
    (PosixPath('a'),)
    """
    kind, parts = get_origin(hint), get_args(hint)
    if kind in {Union, types.UnionType}:
        (inner,) = (part for part in parts if part is not type(None))
        return None if value is None else converted(value, inner, name=name)
    if kind is tuple:
        is_one = isinstance(value, str | os.PathLike) or not isinstance(value, Iterable)
        return tuple(converted(one, parts[0], name=name) for one in ((value,) if is_one else value))
    if kind is Literal:
        if value not in parts:
            raise ValueError(f"{name} is {value!r}; give one of {', '.join(map(repr, parts))}")
        return value
    accepts, make = _SIMPLE[hint]
    if not isinstance(value, accepts) or (isinstance(value, bool) and hint is not bool):
        wanted = "a path" if hint is Path else hint.__name__
        raise TypeError(f"{name} is {value!r} of type {type(value).__name__}; give {wanted}")
    return make(value)


_SIMPLE: Final[dict[Any, tuple[Any, Callable[[Any], Any]]]] = {
    Path: (str | os.PathLike, Path),
    str: (str, str),
    bool: (bool, bool),
    int: (Integral, int),  # also those of numpy and pandas
    float: (Real, float),
}


def _refuse_to_be_started_again(values: Mapping[str, Any]) -> None:
    """Refuse to train on several devices: it starts the program again for each, and here that is the user's own."""
    if values.get("devices", 1) > 1:
        raise ConfigurationProblem(
            "training on several devices starts its program once for each of them, and this is not `curate`",
            remedy=f"run `curate train --devices {values['devices']}` with the same settings",
        )


def _in_python(text: str, signature: inspect.Signature) -> str:
    """Return a text in which flags of this verb are called as its arguments are."""

    def argument(found: re.Match[str]) -> str:
        name = found[1].replace("-", "_")
        return next((f"`{one}`" for one in (name, f"{name}_") if one in signature.parameters), found[0])

    return re.sub(r"--([a-z][a-z0-9-]*)", argument, text)


def _doc(verb: Verb, settings_type: type, *, signature: inspect.Signature, idle: tuple[str, ...]) -> str:
    said = inspect.cleandoc(verb.__doc__ or "").partition(FOR_COMMANDS)[0].strip()
    lines = [said, "", "Args:"]
    for field, _ in _fields(settings_type):
        if field.name not in idle:
            about = f"{field.name}: {field.metadata['meaning']}"
            lines += textwrap.wrap(about, WIDTH, initial_indent=" " * 4, subsequent_indent=" " * 8)
    if idle:
        lines += ["", *textwrap.wrap(f"Taken by every verb, without effect here: {', '.join(idle)}.", WIDTH)]
    for part in TAKEN.split("\n\n"):
        lines += ["", *textwrap.wrap(part, WIDTH)]
    return _in_python("\n".join(lines), signature)
