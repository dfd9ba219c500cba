"""The card of a data set on Hugging Face: what it holds, and under which licences.

Source: Hugging Face, "Dataset cards" (the YAML at the top) and the list of licence identifiers.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from curation.dataset.label_sources import UNKNOWN
from curation.dataset.licenses import license_code
from curation.exchange.form import Conversion
from curation.quarantine import printable

IDENTIFIERS: Final = frozenset(
    {"cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0"}
    | {"cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0"}
    | {"cc-by-nc-sa-4.0", "cc0-1.0", "apache-2.0", "mit", "bsd-3-clause", "odbl", "pddl"}
)
"""Licences that the site knows by a name of its own."""
LABELS: Final = {
    "image": "the photograph",
    "mask": "0 background, 255 person",
    "alpha": "0 to 255, how much of a pixel is the person",
    "trimap": "0 background, 128 unknown, 255 foreground",
    "ignore": "128 where a pixel is not labelled",
    "classes": "a number for each pixel, see below",
}
SIZES: Final = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))


def dataset_card(conversion: Conversion, *, splits: Mapping[str, int], features: Mapping[str, Any]) -> bytes:
    """Return `README.md`: the YAML that readers need, and what people should know."""
    counted = Counter(conversion.rows[one.id]["license"] or UNKNOWN for one in conversion.taken)
    licenses = dict(sorted(counted.items()))
    lines = ["---", *_license_lines(licenses), *_size_lines(sum(splits.values()))]
    lines += ["task_categories:", "- image-segmentation", "configs:", "- config_name: default", "  data_files:"]
    for split in splits:
        lines += [f"  - split: {split}", f"    path: data/{split}-*.parquet"]
    lines += ["---", "", f"# {_plain(conversion.name)}", ""]
    lines += [f"Made by `curate {conversion.card.command}`, and written by `curate convert --to hf`.", ""]
    lines += ["| split | samples |", "|---|---|", *(f"| {name} | {number} |" for name, number in splits.items()), ""]
    lines += ["| column | holds |", "|---|---|"]
    lines += [f"| `{_plain(name)}` | {_meaning(name, feature)} |" for name, feature in features.items()]
    lines += ["", "| licence of the photographs | samples |", "|---|---|"]
    lines += [f"| {_plain(text)} | {number} |" for text, number in licenses.items()]
    lines += ["", *_class_lines(conversion.card.notes.get("classes"))]
    return "\n".join(lines).rstrip("\n").encode() + b"\n"


def identifier_of(license_: str) -> str:
    """Return what the site calls a licence: `unknown` and `other` are names of its own.

    >>> identifier_of("Attribution License http://creativecommons.org/licenses/by/2.0/"), identifier_of("MIT")
    ('cc-by-2.0', 'mit')
    >>> identifier_of("unknown"), identifier_of("ask the photographer")
    ('unknown', 'other')
    """
    if license_.startswith(UNKNOWN):
        return "unknown"
    code = re.sub("^cc-cc0", "cc0", license_code(license_))
    for name in (code, re.sub(r"[\s_]+", "-", license_.strip().lower())):
        if name in IDENTIFIERS:
            return name
    return "other"


def _license_lines(licenses: Mapping[str, int]) -> list[str]:
    names = sorted({identifier_of(text) for text in licenses}) or ["unknown"]
    if len(names) == 1:
        told = ["license_name: other"] if names[0] == "other" else []
        return [f"license: {names[0]}", *told, *(["license_link: README.md"] if told else [])]
    return ["license:", *(f"- {name}" for name in names)]


def _size_lines(samples: int) -> list[str]:
    name = next((name for limit, name in SIZES if samples < limit), "n>1M")
    return ["size_categories:", f"- {name}"]


def _meaning(name: str, feature: Mapping[str, Any]) -> str:
    if feature["_type"] == "Image":
        return LABELS.get(name, "a picture")
    return str(feature.get("dtype", "a list"))


def _class_lines(classes: Mapping[str, int] | None) -> list[str]:
    if not classes:
        return []
    rows = [f"| {value} | {_plain(name)} |" for name, value in sorted(classes.items(), key=lambda pair: pair[1])]
    return ["| value of `classes` | class |", "|---|---|", *rows]


def _plain(text: str) -> str:
    """Return a text that stays in its cell, and is no markup."""
    return re.sub(r"([\\`*\[\]<>|])", r"\\\1", printable(text))
