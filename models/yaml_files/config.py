"""Configuration files in YAML: read with care, and refused with the key, the line and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

import msgspec
import yaml

from curation.errors import ConfigurationProblem
from curation.quarantine import BadRecord
from curation.storage.files import read_file
from models.yaml_files.places import line_of
from models.yaml_files.text import refuse_aliases, refuse_repeated_keys

T = TypeVar("T")
MAX_CONFIG_BYTES: Final = 1_000_000
LONGEST_SHOWN: Final = 60
OF_KEY: Final = "key` in `"
WORDS_OF_TYPES: Final = {
    "int": "a whole number",
    "float": "a number",
    "str": "a text",
    "bool": "true or false",
    "array": "a list",
    "object": "keys with values",
    "null": "nothing",
}
"""The library's names of JSON types, and the names shown to people."""
WORDS: Final = "oOyYnN"
"""How `on`, `off`, `yes` and `no` begin, which YAML 1.1 takes for truth values."""


class _WordLoader(yaml.SafeLoader):
    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class that it comes from has it
        first: [(tag, rule) for tag, rule in rules if first not in WORDS or not tag.endswith(":bool")]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigText:
    """The text of a configuration, where it comes from, and what a remedy ends with."""

    text: bytes
    where: Path
    hint: str = ""

    def problem(self, reason: str, *, keys: Sequence[str | int], remedy: str) -> ConfigurationProblem:
        """Return the refusal of what a path of keys names."""
        line = line_of(self.text, keys=keys)
        told = f"{remedy}; {self.hint}" if self.hint else remedy
        return ConfigurationProblem(reason, where=f"{self.where}, line {line}", remedy=told)


def read_config_text(path: Path, *, flag: str = "--config", hint: str = "") -> ConfigText:
    """Return the text of a configuration file that a flag names; raises ConfigurationProblem."""
    try:
        return ConfigText(text=read_file(path, max_bytes=MAX_CONFIG_BYTES), where=path, hint=hint)
    except BadRecord as problem:
        remedy = "; ".join(part for part in (f"name a YAML file with {flag}", hint) if part)
        raise ConfigurationProblem(problem.reason, where=path, remedy=remedy) from problem


def loaded(source: ConfigText, *, has_words: bool = False, has_aliases: bool = False) -> Any:
    """Return what YAML text holds as plain values, without sections of comments alone.

    With `has_words`, `on`, `off`, `yes` and `no` are words, as in YAML 1.2. Aliases are refused, but for `has_aliases`.
    Raises ConfigurationProblem.
    """
    try:
        if not has_aliases:
            refuse_aliases(source.text)
        refuse_repeated_keys(source.text)
        told = (_WordLoader if has_words else yaml.SafeLoader)(source.text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationProblem(
            f"not YAML: {error}", where=source.where, remedy="correct the line that is named"
        ) from error
    return {key: value for key, value in told.items() if value is not None} if isinstance(told, dict) else told


def converted(told: Any, kind: type[T], *, source: ConfigText, below: Sequence[str | int] = ()) -> T:
    """Return plain values as a struct; `below` are the keys under which they stand in the file.

    Texts that are numbers count as such: YAML takes `1e-3` for a text. Raises ConfigurationProblem naming file, line
    and key, what was found and what is expected.
    """
    try:
        return msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(error, told=told, kind=kind, source=source, below=below) from error


def _refused(
    error: msgspec.ValidationError, *, told: Any, kind: type, source: ConfigText, below: Sequence[str | int]
) -> ConfigurationProblem:
    reason, _, told_place = str(error).partition(" - at `")
    place = told_place.removeprefix(OF_KEY)
    found = re.findall(r"\.(\w+)|\[(\d+)\]", place)
    keys: list[str | int] = [name or int(number) for name, number in found]
    slip = re.search(r"unknown field `(.*)`", reason) or re.match(r"(?:entry \d+ of )?(\w+) must ", reason)
    whole = [*below, *keys]
    kinds = _kinds(kind, keys=keys)
    depth = max(number for number, one in enumerate(kinds) if _struct_in(one) is not None)
    said = _said(reason, kind=kinds[-1], got="" if place != told_place else _shortly(_value_at(told, keys=keys)))
    known = _struct_in(kinds[depth])
    assert known is not None, "a configuration is a struct"
    return source.problem(
        f"{_path(whole)}: {said}",
        keys=[*whole, *([slip[1]] if slip else [])],
        remedy=f"in {_path(whole[: len(below) + depth])} there are: {', '.join(known.__struct_fields__)}",
    )


def _path(keys: Sequence[str | int]) -> str:
    return ".".join(map(str, keys)) or "the file"


def _said(reason: str, *, kind: Any, got: str) -> str:
    """Return what the library says in words of the file: what is expected, and what stands there.

    >>> _said("Expected `int | null`, got `str`", kind=int, got="'eight'")
    "expected a whole number or nothing, got 'eight'"
    """
    if wrong := re.fullmatch(r"Expected `([^`]*)`(.*?)(?:, got .*)?", reason):
        wanted = " or ".join(WORDS_OF_TYPES.get(one, one) for one in wrong[1].split(" | "))
        found = f", got {got}" if got else " as each key; on, off, yes and no stand in quotes there"
        return f"expected {wanted}{wrong[2]}{found}"
    if reason.startswith("Invalid enum value"):
        choices = [
            str(one) for part in (kind, *get_args(kind)) if get_origin(part) is Literal for one in get_args(part)
        ]
        return f"expected one of {', '.join(choices)}, got {got}"
    return f"{reason[:1].lower()}{reason[1:]}"


def _shortly(value: Any) -> str:
    """Return a value as it is shown; what may be an address may be a secret."""
    text = repr(value)
    return "an address" if "://" in text else text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _value_at(told: Any, *, keys: Sequence[str | int]) -> Any:
    for key in keys:
        try:
            told = told[key]
        except (LookupError, TypeError):
            return None
    return told


def _kinds(kind: Any, *, keys: Sequence[str | int]) -> list[Any]:
    """Return the type of the file, and of what each key of a path leads to, as far as they are known."""
    found = [kind]
    for key in keys:
        struct = _struct_in(kind)
        if isinstance(key, str) and struct is not None:
            kind = next((field.type for field in msgspec.structs.fields(struct) if field.name == key), None)
        else:
            kind = next(iter(get_args(kind)), None)
        found.append(kind)
    return found


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """Return the section that a type is, or may be, or that it lists."""
    return next((one for one in (kind, *get_args(kind)) if _is_struct(one)), None)


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
