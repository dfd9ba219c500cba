"""Images and labels paired by name, never by order, and the plan of a command that reads such pairs."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from curation.dataset.identity import content_fingerprint, scoped
from curation.dataset.sample import Item, Outcome, Plan, Source
from curation.errors import ConfigurationProblem, InputRefused
from curation.images.folders import NAMES_KEPT, NOT_ENTERED, OTHER_FILE, FoundFile, Listing
from curation.quarantine import BadRecord, Code
from curation.storage.files import check_name, folded
from curation.storage.followed_links import read_followed
from curation.storage.safe_id import safe_id

MAX_ID_BYTES: Final = 200
"""File systems hold names of 255 bytes; an id leaves room for `.v12.png` and for the prefix of half-written files."""


FOLDER_MARK: Final = "__"
"""Stands in an id for the slash between a sub-folder and a file: `train/0001.jpg` gives `train__0001`."""


class Pair(msgspec.Struct, frozen=True, kw_only=True):
    """An image and its label: the paths of both files, and what the manifest says about where they are from.

    The files lie below `image_root` and `label_root`, the folders that the user named, or where `links` may lead.
    `group` is that of the sample where its name tells it.
    """

    image: str
    label: str
    image_root: str
    label_root: str
    source_id: str
    split: str | None = None
    links: tuple[str, ...] = ()
    group: str | None = None


class Photograph(msgspec.Struct, frozen=True, kw_only=True):
    """One image `file` below `root`, or where `links` may lead; its name, and its group where that tells one."""

    file: str
    root: str
    links: tuple[str, ...]
    source_id: str
    group: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Matching:
    """`pairs` by key; `lonely` are the images without a label and the labels without an image."""

    pairs: Mapping[str, tuple[str, str]]
    lonely: Sequence[BadRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """What a source holds, told apart before the first file is opened.

    `listings` are those of `inputs`, the folders that were read; `others` are names of files in them that are no data.
    `limit` is the number of items to keep, the first by id.
    """

    command: str
    settings: Mapping[str, Any]
    source: Source
    inputs: Sequence[Path]
    listings: Sequence[Listing]
    items: Sequence[Item]
    broken: Sequence[BadRecord] = ()
    others: Sequence[str] = ()
    limit: int | None = None
    notes: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def by_key(files: Iterable[FoundFile], *, key: Callable[[str], str], root: Path) -> dict[str, str]:
    """Return the paths of files by their key, where `key` turns a path relative to `root` into a key.

    Keys are compared in Unicode's composed form: one system writes "é" as one character, another as two.
    Raises InputRefused when two files have one key, e.g. `x.jpg` and `x.png`.
    """
    paths: dict[str, str] = {}
    for file in files:
        name = unicodedata.normalize("NFC", key(file.name))
        path = f"{root}/{file.name}"
        if name in paths:
            raise _two_claim(name, paths[name], path)
        paths[name] = path
    return paths


def match(images: Mapping[str, str], labels: Mapping[str, str]) -> Matching:
    """Pair the paths that have the same key.

    >>> match({"a": "i/a.jpg", "b": "i/b.jpg"}, {"b": "m/b.png"}).pairs
    {'b': ('i/b.jpg', 'm/b.png')}
    """
    pairs = {key: (path, labels[key]) for key, path in images.items() if key in labels}
    lonely = [
        *(_no_partner(Code.NO_MASK, key=key, path=path) for key, path in images.items() if key not in labels),
        *(_no_partner(Code.ORPHAN_MASK, key=key, path=path) for key, path in labels.items() if key not in images),
    ]
    return Matching(pairs=pairs, lonely=lonely)


def items_of(
    matching: Matching,
    *,
    roots: tuple[Path, Path],
    sample_id: Callable[[str], str],
    split: Callable[[str], str | None],
    group: Callable[[str], str | None] = lambda _: None,
    links: Sequence[str] = (),
) -> tuple[list[Item], list[BadRecord]]:
    """Return an item for each pair, and what cannot be one; id, split and group follow from the key.

    `roots` are the folders of the images and of the labels; `links` those that links may lead into.
    """
    image_root, label_root = map(str, roots)
    items, broken = take_ids(
        (
            sample_id(key),
            Pair(
                image=image,
                label=label,
                image_root=image_root,
                label_root=label_root,
                source_id=key,
                split=split(key),
                links=tuple(links),
                group=group(key),
            ),
        )
        for key, (image, label) in matching.pairs.items()
    )
    return items, [*matching.lonely, *broken]


def take_ids(named: Iterable[tuple[str, Pair | Photograph]]) -> tuple[list[Item], list[BadRecord]]:
    """Return an item for each payload whose name can be an id, and what is wrong with the other names."""
    items, broken = [], []
    for name, payload in named:
        file = payload.image if isinstance(payload, Pair) else payload.file
        try:
            items.append(Item(id=safe_id(name, file=file, max_bytes=MAX_ID_BYTES), payload=payload, file=file))
        except BadRecord as problem:
            broken.append(problem)
    return items, broken


def named_source(name: str | None, *, folder: Path, fingerprint: str, files: Iterable[FoundFile]) -> str:
    """Return the name that is given, or that of the folder, made one of a kind: many folders are called `images`.

    Raises ConfigurationProblem for a name that none can have.
    """
    own = folder.resolve().name
    name = own if name is None else name
    try:
        check_name(name)
    except BadRecord as problem:
        raise ConfigurationProblem(
            f"{name!r} cannot name a source: {problem.reason}", remedy="give --source NAME"
        ) from problem
    if name != own:
        return name
    content = content_fingerprint(fingerprint, folder=folder, names=(file.name for file in files))
    return scoped(name, fingerprint=content)


def read_label(pair: Pair) -> bytes:
    """Return the bytes of the label; raises BadRecord as `read_followed` does."""
    return read_followed(Path(pair.label), below=Path(pair.label_root), links=pair.links)


def plan_of(intake: Intake, *, work: Callable[[Item, Path], Outcome], folders: tuple[str, ...]) -> Plan:
    """Return the plan: each input once, items in the order of their ids.

    Raises InputRefused when nothing is left to work on, or when two ids are one name to some file systems.
    """
    items = sorted(intake.items, key=lambda item: item.id)
    if not items:
        raise _nothing_to_do(intake)
    _refuse_same_ids(items)
    kept = _limited(items, limit=intake.limit)
    unread = [problem for listing in intake.listings for problem in listing.broken]
    records = tuple(problem.record(stage=intake.command) for problem in [*unread, *intake.broken])
    strays = _strays(intake)
    filtered = {reason: len(names) for reason, names in strays.items()}
    if len(items) > len(kept):
        filtered["limit"] = len(items) - len(kept)
    names = {reason: sorted(names)[:NAMES_KEPT] for reason, names in strays.items()}
    unseen = {name: number for listing in intake.listings for name, number in listing.not_entered.items()}
    return Plan(
        command=intake.command,
        settings=intake.settings,
        sources=[intake.source],
        considered=len(kept) + len(records) + sum(filtered.values()),
        items=kept,
        work=work,
        filtered=filtered,
        quarantined=records,
        notes={**names, **intake.notes, **({NOT_ENTERED: unseen} if unseen else {})},
        inputs=intake.inputs,
        folders=folders,
    )


def _strays(intake: Intake) -> dict[str, list[str]]:
    """Return the names of what is no data, by filter reason."""
    strays = {OTHER_FILE: list(intake.others)}
    for listing in intake.listings:
        for reason, names in listing.left_out.items():
            strays[reason] = [*strays.get(reason, []), *names]
    return {reason: names for reason, names in sorted(strays.items()) if names}


def settings_of(settings: Any) -> dict[str, Any]:
    """Return the fields of a settings dataclass as the card keeps them; paths become text.

    Where the dataset goes decides nothing about it, and a setting that was `added` is named where it is used.
    """
    values = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings)}
    for field in dataclasses.fields(settings):
        if field.name == "out" or (field.metadata.get("added") and values[field.name] == field.default):
            del values[field.name]
    return {name: _as_text(value) for name, value in values.items()}


def _as_text(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_as_text(one) for one in value]
    return str(value) if isinstance(value, Path) else value


def without_suffix(name: str) -> str:
    """Return a POSIX path without the suffix of its file name.

    >>> without_suffix("a.b/c.d.png"), without_suffix("a.b/c")
    ('a.b/c.d', 'a.b/c')
    """
    folder, slash, file = name.rpartition("/")
    return folder + slash + (file.rpartition(".")[0] or file)


def _limited(items: list[Item], *, limit: int | None) -> list[Item]:
    if limit is not None and limit < 0:
        raise ConfigurationProblem(f"--limit {limit} is negative", remedy="give the number of samples to keep")
    return items[:limit]


def _refuse_same_ids(items: Sequence[Item]) -> None:
    seen: dict[str, Item] = {}
    for item in items:
        name = folded(item.id)
        if name in seen:
            raise _two_claim(item.id, seen[name].file, item.file)
        seen[name] = item


def _two_claim(name: str, first: str, second: str) -> InputRefused:
    one, other = sorted((first, second))
    return InputRefused(
        f"two files claim the name {name!r} (some file systems do not distinguish such names): {one!r} and {other!r}",
        where=other,
        remedy="rename or remove one of the two, and its partner with it",
    )


def _no_partner(code: Code, *, key: str, path: str) -> BadRecord:
    missing = "label" if code is Code.NO_MASK else "image"
    return BadRecord(code, f"no {missing} is named {key!r}", file=path, record_id=key)


def _nothing_to_do(intake: Intake) -> InputRefused:
    found = [problem for problem in intake.broken if problem.code in {Code.NO_MASK, Code.ORPHAN_MASK}]
    examples = {problem.code: problem.file for problem in reversed(found)}
    seen = "; e.g. " + " and ".join(examples[code] for code in sorted(examples)) if examples else ""
    return InputRefused(
        f"no image has a label of the same name ({len(intake.broken)} files without a partner or unusable{seen})",
        where=intake.source.path,
        remedy="check that the folders belong together; an image and its label have the same name, but for the suffix",
    )
