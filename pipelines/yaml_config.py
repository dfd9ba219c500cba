"""Configuration files in YAML: read with care, and refused with the key, the line and the remedy."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec
import yaml

from curation.errors import ConfigurationProblem
from curation.files import read_file
from curation.quarantine import BadRecord
from models.training.settings import MAX_CONFIG_BYTES
from models.yaml_text import refuse_aliases, refuse_repeated_keys
from pipelines.yaml_places import line_of

T = TypeVar("T")
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
        """Give the refusal of what a path of keys names."""
        line = line_of(self.text, keys=keys)
        told = f"{remedy}; {self.hint}" if self.hint else remedy
        return ConfigurationProblem(reason, where=f"{self.where}, line {line}", remedy=told)


def read_config_text(path: Path, *, flag: str = "--config", hint: str = "") -> ConfigText:
    """Give the text of a configuration file that a flag names; raises ConfigurationProblem."""
    try:
        return ConfigText(text=read_file(path, max_bytes=MAX_CONFIG_BYTES), where=path, hint=hint)
    except BadRecord as problem:
        remedy = "; ".join(part for part in (f"name a YAML file with {flag}", hint) if part)
        raise ConfigurationProblem(problem.reason, where=path, remedy=remedy) from problem


def loaded(source: ConfigText, *, has_words: bool = False) -> Any:
    """Give what YAML text holds as plain values, without sections of comments alone.

    With `has_words`, `on`, `off`, `yes` and `no` are words, as in YAML 1.2. Raises ConfigurationProblem.
    """
    try:
        refuse_aliases(source.text)
        refuse_repeated_keys(source.text)
        told = (_WordLoader if has_words else yaml.SafeLoader)(source.text).get_single_data()
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigurationProblem(
            f"not YAML: {error}", where=source.where, remedy="mend the line that is named"
        ) from error
    return {key: value for key, value in told.items() if value is not None} if isinstance(told, dict) else told


def converted(told: Any, kind: type[T], *, source: ConfigText, below: Sequence[str | int] = ()) -> T:
    """Give plain values as a struct; `below` are the keys under which they stand in the file.

    Texts that are numbers count as such: YAML takes `1e-3` for a text. Raises ConfigurationProblem naming file, line
    and key, what was found and what is expected.
    """
    try:
        return msgspec.convert(told, kind, strict=False)
    except msgspec.ValidationError as error:
        raise _refused(error, kind=kind, source=source, below=below) from error


def _refused(
    error: msgspec.ValidationError, *, kind: type, source: ConfigText, below: Sequence[str | int]
) -> ConfigurationProblem:
    reason, _, told_place = str(error).partition(" - at `")
    place = told_place.removeprefix("key` in `")
    found = re.findall(r"\.(\w+)|\[(\d+)\]", place)
    keys: list[str | int] = [name or int(number) for name, number in found]
    slip = re.search(r"unknown field `(.*)`", reason) or re.match(r"(?:entry \d+ of )?(\w+) must ", reason)
    whole = [*below, *keys]
    section = ".".join(str(key) for key in whole) or "the file"
    known = _known_keys(kind, keys=keys)
    return source.problem(
        f"{section}: {reason[:1].lower()}{reason[1:]}",
        keys=[*whole, *([slip[1]] if slip else [])],
        remedy=f"in {section} there are: {', '.join(known)}" if known else f"mend {section}",
    )


def _known_keys(kind: Any, *, keys: Sequence[str | int]) -> tuple[str, ...]:
    """Give the keys of the section that a path lies in, or is."""
    found: tuple[str, ...] = kind.__struct_fields__
    for key in keys:
        if isinstance(key, str):
            kind = next((field.type for field in msgspec.structs.fields(kind) if field.name == key), None)
        inner = [one for one in (kind, *getattr(kind, "__args__", ())) if _is_struct(one)]
        if not inner:
            return found
        kind = inner[0]
        found = kind.__struct_fields__
    return found


def _is_struct(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, msgspec.Struct)
