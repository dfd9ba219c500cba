"""References of files, made from the code: configuration keys, quarantine codes, exit codes, and old import paths."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from commands import cell

from curation.errors import CurateError
from curation.quarantine import HINTS
from pipelines.experiments.ablation_schema import ablation_schema
from pipelines.loop.file_schemas import loop_schema, stages_schema

OTHER_EXITS: Final = {
    0: "Done.",
    2: "Wrong usage.",
    3: "Done, but some inputs were set aside; they stand in `quarantine.jsonl`.",
    70: "A bug of curate.",
}


def codes_page() -> str:
    """Return exit codes, and the codes that stand in `quarantine.jsonl`."""
    exits = OTHER_EXITS | {kind.exit_code: (kind.__doc__ or "").strip() for kind in CurateError.__subclasses__()}
    return "\n".join(
        [
            *("# Codes", "", "## Exit codes", "", "| exit code | meaning |", "|---|---|"),
            *(f"| {code} | {cell(meaning)} |" for code, meaning in sorted(exits.items())),
            *("", "Every exit code but 0 comes with the file, the reason and what to do next. [The guide to the"),
            *("schedule](../guides/schedule.md) lists those after which to try again.", ""),
            *("## Quarantine codes", "", "What is broken is set aside under one of these codes, with a hint:", ""),
            *("| code | what to do |", "|---|---|"),
            *(f"| `{code}` | {cell(hint)} |" for code, hint in HINTS.items()),
            "",
        ]
    )


def configuration_page() -> str:
    """Return the keys of the configuration files, from the schemas that `curate init` writes."""
    files = {
        "The loop": ("`curate init --out loop.yaml` writes an example.", loop_schema()),
        "A training in stages": ("`curate init --kind stages --out stages.yaml` writes an example.", stages_schema()),
        "An ablation": ("`curate ablate --config ablation.yaml --example` writes an example.", ablation_schema()),
    }
    lines = ["# Configuration", "", "All files are YAML. A key that is not known is refused, with its line.", ""]
    for title, (text, schema) in files.items():
        lines += [f"## {title}", "", text, "", "| key | type | default | meaning |", "|---|---|---|---|"]
        lines += [f"| `{key}` | {kind} | {default} | {meaning} |" for key, kind, default, meaning in keys_of(schema)]
        lines.append("")
    return "\n".join(lines)


def keys_of(schema: dict[str, Any]) -> Iterator[tuple[str, str, str, str]]:
    """Yield path, type, default and meaning of each key; those of a change in an ablation are those of a training."""
    yield from _keys(schema, structs=schema["$defs"], above="")


def moved_page(file: Path) -> str:
    """Return the table of modules that moved, from lines of old and new file."""
    pairs = [tuple(map(module_of, line.split("\t"))) for line in file.read_text().splitlines()]
    return "\n".join(
        [
            *("# Old imports", "", "Before 0.2 the modules lay flat in their rooms. Functions kept their names.", ""),
            *("| before | now |", "|---|---|", *(f"| `{old}` | `{new}` |" for old, new in pairs if old != new), ""),
        ]
    )


def module_of(file: str) -> str:
    """Return the import name of a file.

    >>> module_of("curation/coco/__init__.py")
    'curation.coco'
    """
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _keys(struct: dict[str, Any], *, structs: dict[str, Any], above: str) -> Iterator[tuple[str, str, str, str]]:
    for key, value in struct["properties"].items():
        required = "required" if key in struct.get("required", ()) else ""
        inner = next((name for part in _parts(value) if (name := _struct_of(part)) is not None), None)
        default = required or (f"`{json.dumps(value['default'])}`" if "default" in value and inner is None else "")
        told = cell(value.get("description", ""))
        yield f"{above}{key}", cell(_kind(value)), default.replace("|", "\\|"), told
        if inner not in (None, "Change"):
            listed = any(part.get("type") == "array" for part in _parts(value))
            yield from _keys(structs[str(inner)], structs=structs, above=f"{above}{key}{'[]' if listed else ''}.")


def _parts(value: dict[str, Any]) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = value.get("anyOf", [value])
    return parts


def _struct_of(part: dict[str, Any]) -> str | None:
    place = part.get("$ref") or part.get("items", {}).get("$ref")
    return place.rpartition("/")[2] if place else None


def _kind(value: dict[str, Any]) -> str:
    """Return the first type that a key takes; what else is accepted for it is not told."""
    part = _parts(value)[0]
    if "enum" in part:
        return ", ".join(map(str, part["enum"]))
    if part.get("type") == "array":
        inner = _kind(part["items"])
        return f"list of {inner}" if "maxItems" not in part else f"{part['maxItems']} x {inner}"
    return {"integer": "whole number", "boolean": "true or false", "string": "text", "object": "keys"}.get(
        part.get("type", ""), part.get("type", "keys")
    )
