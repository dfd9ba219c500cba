"""JSON Schemas of configuration files, made from the structs that read them, so that editors complete and check YAML.

Keys and types are theirs; the limits of numbers are checked by `curate` alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from inspect import cleandoc
from typing import Any, Final

import msgspec

DRAFT: Final = "http://json-schema.org/draft-07/schema#"
"""The draft that YAML editors know best."""
NUMBER_TEXT: Final = {"type": "string", "pattern": r"^[-+]?(\.?[0-9][0-9A-Fa-fxo_.+-]*|inf|nan)$"}
"""Texts that are numbers count as such, see `converted`: YAML 1.1 takes `1e-3` for a text, YAML 1.2 `1_000`."""
TRUTH_TEXT: Final = {
    "type": "string",
    "pattern": "^([Tt]rue|TRUE|[Ff]alse|FALSE|[Yy]es|YES|[Nn]o|NO|[Oo]n|ON|[Oo]ff|OFF|[01])$",
}
NULL_TEXT: Final = {"type": "string", "pattern": "^[Nn][Uu][Ll][Ll]$"}
TRUTH_NUMBER: Final = {"enum": [0, 1]}

Schema = dict[str, Any]
Comments = Mapping[tuple[str, ...], str]


def schema_of(kind: type[msgspec.Struct], *, title: str, comments: Comments) -> Schema:
    """Return the JSON Schema of a file that `converted` reads as `kind`; it accepts whatever is accepted there.

    `comments` say what keys mean, by their paths in the file; see `comments_of`.
    """
    made = msgspec.json.schema(kind)
    structs = made["$defs"]
    for part in structs.values():
        part["description"] = cleandoc(part["description"])
        part["properties"] = {key: _lenient(value) for key, value in part["properties"].items()}
    for path, meaning in comments.items():
        _describe(structs[kind.__name__], path=path, meaning=meaning, structs=structs)
    whole = structs.pop(kind.__name__)
    for key in set(whole["properties"]) - set(whole["required"]):  # a section of comments alone is nothing
        whole["properties"][key] = _either(whole["properties"][key], {"type": "null"})
    return {"$schema": DRAFT, **whole, "title": title, "$defs": structs}


def comments_of(example: str) -> dict[tuple[str, ...], str]:
    """Return what the comments of an example file say of the keys under them, by the path of each key.

    >>> comments_of("# The data.\\ndata:\\n  # What trains,\\n  # in order.\\n  #train: []\\n  val: []\\n")
    {('data',): 'The data.', ('data', 'train'): 'What trains, in order.'}
    """
    found: dict[tuple[str, ...], str] = {}
    above: list[str] = []
    path: list[tuple[int, str]] = []
    for line in example.splitlines():
        if comment := re.match(r" *# (.+)", line):
            above.append(comment[1])
        elif key := re.match(r"( *(?:- )?)#?(\w+):", line):
            path = [(indent, name) for indent, name in path if indent < len(key[1])] + [(len(key[1]), key[2])]
            if above:
                found[tuple(name for _, name in path)] = " ".join(above)
            above = []
        else:
            above = []
    return found


def _describe(struct: Schema, *, path: tuple[str, ...], meaning: str, structs: Mapping[str, Schema]) -> None:
    """Give the key that a path leads to, from a struct on, its description; a path that leads nowhere has none."""
    value = struct["properties"].get(path[0])
    if value is None:
        return
    if len(path) == 1:
        value["description"] = meaning
    elif (name := _referred(value)) is not None:
        _describe(structs[name], path=path[1:], meaning=meaning, structs=structs)


def _referred(value: Schema) -> str | None:
    """Return the name of the struct that a value is, may be, or lists; None for a value of another kind."""
    if "$ref" in value:
        return str(value["$ref"]).rpartition("/")[2]
    inner = [*value.get("anyOf", []), *([items] if isinstance(items := value.get("items"), dict) else [])]
    return next((name for name in map(_referred, inner) if name is not None), None)


def _lenient(value: Any) -> Any:
    """Return a part of a schema that also takes what stands for a number or a truth value without being one."""
    if isinstance(value, list):
        return [_lenient(part) for part in value]
    if not isinstance(value, dict):
        return value
    if "prefixItems" in value:  # of one kind each here; the draft writes them otherwise
        value = value | {"items": value["prefixItems"][0]}
        del value["prefixItems"]
    inner = {key: part if key == "default" else _lenient(part) for key, part in value.items()}
    kind = inner.get("type")
    choices = inner.get("enum", ())
    if kind in {"integer", "number"}:
        return _either(inner, NUMBER_TEXT)
    if kind == "null":
        return _either(inner, NULL_TEXT)
    if kind == "boolean":
        return _either(inner, TRUTH_TEXT, TRUTH_NUMBER)
    if choices and all(isinstance(choice, int) for choice in choices):
        return _either(inner, {"type": "string", "enum": [str(choice) for choice in choices]})
    return inner


def _either(value: Schema, *others: Schema) -> Schema:
    outer: Schema = {name: value[name] for name in ("default", "description") if name in value}
    inner = {name: part for name, part in value.items() if name not in outer}
    return {"anyOf": [*inner.get("anyOf", [inner]), *others], **outer}
