"""Datasets made when a number was taken for a photograph, and an id for a licence: their rows as they should be read.

Such rows hold groups like `coco/7` and licences like `3` of any file, and sources like `coco/images` of any folder. The
card says which file a source is; where two have one name, nobody can say which of them a row is from.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final

import msgspec
import pyarrow as pa

from curation.dataset.card import FORMAT, Card
from curation.dataset.identity import COCO, COCO_DIGITS, NUMBERED_FOR_ALL, image_group, own_coco_set, scoped
from curation.dataset.licenses import PARTS, is_unknown, joint_license, license_counts, license_text, licenses_of
from curation.dataset.sample import Source

PUBLIC: Final = NUMBERED_FOR_ALL | {"portrait2000", "fused"}
"""Sources that go by one name wherever they lie."""
BEHIND: Final = {"background_": "background_group", "second_": "second_group"}
"""The column with the group of each photograph behind the person of a fused sample."""
Row = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reread:
    """Card and rows as they are read, and of how many rows a source, a group or a licence is not what is written.

    `counts` may name `sources`, `groups`, `licenses`, and `unknown_sources` and `unknown_licenses` for rows of which
    the card does not tell from which file they are; it is empty where nothing had to be read again.
    """

    card: Card
    table: pa.Table
    counts: Mapping[str, int] = field(default_factory=dict)


def reread(card: Card, *, table: pa.Table) -> Reread:
    """Return card and rows of a dataset with sources, groups and licences that mean the same in every dataset.

    What is of today's form stays as it is. A group becomes that of the image alone, which the row knows. A licence of
    which the card does not tell the meaning is called unknown, with its id; a source of that kind keeps its name.
    """
    if card.format >= FORMAT:
        return Reread(card=card, table=table)
    sources: defaultdict[str, list[Source]] = defaultdict(list)
    for source in card.sources:
        sources[source.name].append(source)
    rows: list[Row] = table.to_pylist()
    names = _names(rows, sources=sources)
    counts: Counter[str] = Counter()
    new = [_reread(row, sources=sources, names=names) for row in rows]
    for old, row in zip(rows, new, strict=True):
        counts.update(_changes(old, row, names=names))
    for name in {name for old, row in zip(rows, new, strict=True) for name in row if row[name] != old[name]}:
        place = table.column_names.index(name)
        values = pa.array([row[name] for row in new], table.schema.field(name).type)
        table = table.set_column(place, table.schema.field(name), values)
    entries = [msgspec.structs.replace(one, name=names[one.name].new) for one in card.sources]
    card = msgspec.structs.replace(card, sources=entries, licenses=license_counts(table))
    return Reread(card=card, table=table, counts=dict(sorted(counts.items())))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Name:
    """What a source is called from now on, and whether its numbers mean one photograph everywhere."""

    new: str
    is_numbered_for_all: bool = False
    is_known: bool = True


def _names(rows: Sequence[Row], *, sources: Mapping[str, list[Source]]) -> dict[str, _Name]:
    images: defaultdict[str, list[tuple[int, str]]] = defaultdict(list)
    for row in rows:
        for part in ("", *PARTS):
            source, number, id_ = (str(row.get(f"{part}{name}")) for name in ("source", "source_id", "id"))
            if number.isdigit() and source in sources:
                images[source].append((int(number), f"{id_[-COCO_DIGITS:]}.jpg"))
    return {name: _name(name, entries=entries, images=images[name]) for name, entries in sources.items()}


def _name(name: str, *, entries: Sequence[Source], images: Sequence[tuple[int, str]]) -> _Name:
    if name in PUBLIC:
        return _Name(new=name, is_numbered_for_all=name in NUMBERED_FOR_ALL)
    is_coco = name.startswith(f"{COCO}/")
    fingerprints = {entry.fingerprint for entry in entries}
    if is_coco:
        own = {own_coco_set(entry.path, images=images) for entry in entries}
        if None not in own:
            return _Name(new=f"{COCO}/{own.pop()}" if len(own) == 1 else name, is_numbered_for_all=True)
    if len(fingerprints) > 1 or not all(fingerprints):
        return _Name(new=name, is_known=False)
    is_of_folder = is_coco or all(PurePosixPath(entry.path).name == name for entry in entries)
    return _Name(new=scoped(name, fingerprint=fingerprints.pop()) if is_of_folder else name)


def _reread(row: Row, *, sources: Mapping[str, list[Source]], names: Mapping[str, _Name]) -> Row:
    new = dict(row)
    is_fused = row.get("foreground_id") is not None
    groups = {"foreground_" if is_fused else "": "group", **BEHIND}
    for part in PARTS if is_fused else ("",):
        source, number, digest = (row.get(f"{part}{name}") for name in ("source", "source_id", "sha256"))
        if source is None or source not in names or number is None:
            continue
        name = names[source]
        new[f"{part}source"] = name.new
        if row.get(groups[part]) == _old_group(source, number=number) and not name.is_numbered_for_all and digest:
            new[groups[part]] = image_group(name.new, source_id=number, sha256=digest)
        text = row.get(f"{part}license")
        if text is not None and source.startswith(f"{COCO}/"):
            new[f"{part}license"] = license_text(_meaning(text, entries=sources[source]), id_=text, source=name.new)
    if is_fused:
        new["license"] = joint_license(licenses_of(new))
    return new


def _old_group(source: str, *, number: str) -> str:
    return f"{COCO}/{number}" if source.startswith(f"{COCO}/") else f"{source}/{number}"


def _meaning(text: str, *, entries: Sequence[Source]) -> str | None:
    """Return what a licence id means in all files that a row may be from, None where they differ."""
    meanings = {entry.licenses.get(text) for entry in entries}
    return meanings.pop() if len(meanings) == 1 else None


def _changes(old: Row, new: Row, *, names: Mapping[str, _Name]) -> list[str]:
    """Return what is read again in a row, each kind once."""
    changed = {name for name in new if new[name] != old[name]}
    parts = [names[old[name]] for name in old if name.endswith("source") and old[name] in names]
    kinds = {
        "sources": any(name.endswith("source") for name in changed),
        "groups": any(name.endswith("group") for name in changed),
        "licenses": any(name.endswith("license") for name in changed),
        "unknown_sources": not all(name.is_known for name in parts),
        "unknown_licenses": "license" in changed and any(is_unknown(text) for text in licenses_of(new)),
    }
    return [kind for kind, is_so in kinds.items() if is_so]
