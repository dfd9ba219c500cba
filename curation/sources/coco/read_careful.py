"""COCO files with broken records: each record is looked at alone, so that one cannot spoil the others."""

from __future__ import annotations

import json
import mmap
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Set
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

import msgspec

from curation.errors import InputRefused
from curation.quarantine import BadRecord, Code
from curation.sources.coco.json_file import ESCAPED_LETTER, NotStrict, count_keys, decode_whole, loads_strictly, mapped
from curation.sources.coco.loose_fields import LooseAnnotation, LooseImage, is_id, side_of, whole_number
from curation.sources.coco.records import (
    ABSENT,
    BrokenRecord,
    Category,
    CocoFile,
    License,
    RawPerson,
    Records,
)

STAGE: Final = "read annotations"
IMAGE_KEYS: Final = ("id", "file_name", "width", "height", "license")
LISTS: Final = ("images", "annotations", "categories", "licenses")
ANNOTATION_KEYS: Final = ("id", "image_id", "category_id", "iscrowd", "segmentation")


SEGMENTS: Final = b'"segments_info"'


class _Identified(msgspec.Struct, gc=False):
    id: int


RecordT = TypeVar("RecordT", LooseImage, LooseAnnotation)


def small_tables(
    categories: msgspec.Raw, licenses: msgspec.Raw, *, path: Path
) -> tuple[tuple[Category, ...], dict[str, str]]:
    """Read categories and licences strictly; both are short.

    Raises InputRefused: everything else depends on the categories, and what a licence says must be certain.
    """
    found = _convert(categories, kind=list[Category], name="categories", path=path)
    ids = [category.id for category in found]
    if len(ids) != len(set(ids)):
        raise InputRefused("two categories have one id", where=path, remedy="give each category an id of its own")
    known: dict[str, str] = {}
    for item in _convert(licenses, kind=list[License] | None, name="licenses", path=path) or []:
        meaning = " ".join(filter(None, (item.name, item.url)))
        if known.setdefault(str(item.id), meaning) != meaning:
            remedy = "give each licence an id of its own"
            raise InputRefused(f"two licences have the id {item.id}", where=path, remedy=remedy)
    return tuple(found), known


def _convert(raw: msgspec.Raw, *, kind: Any, name: str, path: Path) -> Any:
    try:
        return msgspec.convert(loads_strictly(bytes(raw) or b"null"), type=kind)
    except (NotStrict, msgspec.ValidationError, RecursionError) as error:
        remedy = f"correct {name!r} in the file"
        raise InputRefused(f"{name!r} cannot be used: {error}", where=path, remedy=remedy) from error


def read_records(records: Records, *, path: Path, changed_ns: int) -> CocoFile:
    """Return the file of `records`, the broken ones set aside; the same for any order of the records."""
    _refuse_panoptic(records.annotations, path=path)
    categories, licenses = small_tables(records.categories, records.licenses, path=path)
    images = _Sorting(path=path, name="images", kind=LooseImage, keys=IMAGE_KEYS)
    images.add_all(records.images)
    annotations = _Sorting(path=path, name="annotations", kind=LooseAnnotation, keys=ANNOTATION_KEYS)
    annotations.image_ids = {image.id for image in images.sound} | images.broken_ids
    annotations.category_ids = {category.id for category in categories}
    annotations.add_all(records.annotations)
    return CocoFile(
        path=path,
        changed_ns=changed_ns,
        images=images.sound,
        annotations=annotations.sound,
        categories=categories,
        licenses=licenses,
        broken_images=tuple(images.broken),
        broken_annotations=tuple(annotations.broken),
        relinked=annotations.relinked,
        repeats={part.name: part.repeats for part in (images, annotations) if part.repeats},
    )


def _refuse_panoptic(raws: list[msgspec.Raw], *, path: Path) -> None:
    if raws and all(SEGMENTS in bytes(raw) for raw in raws):
        raise InputRefused(
            "this is a panoptic file of COCO (segments_info): its outlines are colours of PNG files",
            where=path,
            remedy="give the instances file of the same images, named like instances_train2017.json",
        )


def outlines_of(path: Path, *, ids: Set[int]) -> dict[int, RawPerson]:
    """Read some outlines of a file again, with their boxes; `ids` are those of sound records, so each is there once."""
    if not ids:
        return {}
    with mapped(path) as data:
        raws = decode_whole(data, kind=Records, path=path).annotations
        decoder = msgspec.json.Decoder(_Identified)
        found: dict[int, RawPerson] = {}
        for raw in raws:
            with suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                number = decoder.decode(raw).id
                if number in ids:
                    found[number] = _outline(_claims(raw), annotation_id=number)
        return found


def refuse_repeated_lists(data: mmap.mmap, *, path: Path) -> None:
    """Refuse a file whose outermost object names a key twice: half of the data would be lost in silence."""
    if max(count_keys(data, keys=LISTS).values(), default=0) <= 1 and not ESCAPED_LETTER.search(data):
        return
    keys = _top_level_keys(data)
    twice = [key for key in LISTS if keys.count(key) > 1]
    if twice:
        remedy = "join the lists under one key, or delete the one that is not meant"
        raise InputRefused(f"the key {twice[0]!r} occurs twice at the top level", where=path, remedy=remedy)


def _top_level_keys(text: mmap.mmap) -> list[str]:
    # brackets and strings are enough to know the depth of each key
    keys, depth = [], 0
    for token in re.finditer(rb'"((?:[^"\\]|\\.)*)"(\s*:)?|[{}\[\]]', text):
        first = token[0][:1]
        if first in b"{[":
            depth += 1
        elif first in b"}]":
            depth -= 1
        elif depth == 1 and token[2]:
            keys.append(ESCAPED_LETTER.sub(_letter, token[1]).decode("utf-8", "replace"))
    return keys


def _letter(escape: re.Match[bytes]) -> bytes:
    return bytes([int(escape[1], 16)])


@dataclass(kw_only=True)
class _Sorting(Generic[RecordT]):
    """The records of one list, each put to the sound or to the broken ones."""

    path: Path
    name: str
    kind: type[RecordT]
    keys: tuple[str, ...]
    image_ids: set[int] = field(default_factory=set)
    category_ids: set[int] = field(default_factory=set)
    sound: list[RecordT] = field(default_factory=list)
    broken: list[BrokenRecord] = field(default_factory=list)
    broken_ids: set[int] = field(default_factory=set)
    repeats: int = 0
    relinked: int = 0

    def add_all(self, raws: Iterable[msgspec.Raw]) -> None:
        """Sort the records: first by what stands in each, then by ids that more than one claims."""
        claims: dict[int, list[tuple[RecordT, msgspec.Raw]]] = defaultdict(list)
        decoder = msgspec.json.Decoder(self.kind)
        patterns = [f'"{key}"'.encode() for key in self.keys]
        broken: set[bytes] = set()
        for position, raw in enumerate(raws):
            try:
                record = self._decode(raw, decoder=decoder, patterns=patterns)
            except BadRecord as error:
                if bytes(raw) in broken:
                    self.repeats += 1
                    continue
                broken.add(bytes(raw))
                self._set_aside(error, raw=raw, position=position)
            else:
                claims[record.id].append((record, raw))
        for record_id, claimants in claims.items():
            self._settle(record_id, claimants)

    def _decode(self, raw: msgspec.Raw, *, decoder: msgspec.json.Decoder[RecordT], patterns: list[bytes]) -> RecordT:
        text = bytes(raw)
        try:
            if any(text.count(pattern) > 1 for pattern in patterns) or ESCAPED_LETTER.search(text):
                loads_strictly(text)
            record = decoder.decode(text)
        except (NotStrict, UnicodeDecodeError) as error:
            raise BadRecord(Code.JSON_VALUE, str(error)) from error
        except msgspec.ValidationError as error:
            place = re.search(r"`\$\.(\w+)", str(error)) or re.search(r"field `(\w+)`", str(error))
            name = None if place is None else place[1]
            raise BadRecord(Code.JSON_VALUE, str(error), field=name) from error
        except RecursionError as error:
            raise BadRecord(Code.JSON_VALUE, "nested too deep") from error
        if isinstance(record, LooseAnnotation):
            self._check_links(record)
        else:
            record.width, record.height = (side_of(getattr(record, key), key=key) for key in ("width", "height"))
        return record

    def _check_links(self, annotation: LooseAnnotation) -> None:
        if annotation.category_id not in self.category_ids:
            reason = f"there is no category with the id {annotation.category_id}"
            raise BadRecord(Code.JSON_VALUE, reason, field="category_id", value=annotation.category_id)
        linked = whole_number(annotation.image_id)
        if linked not in self.image_ids:
            value = annotation.image_id
            reason = "no image is named" if value is None else f"there is no image with the id {str(value)[:40]}"
            raise BadRecord(Code.ORPHAN_ANN, reason, field="image_id", value=value)
        self.relinked += not is_id(annotation.image_id)
        annotation.image_id = linked

    def _settle(self, record_id: int, claimants: list[tuple[RecordT, msgspec.Raw]]) -> None:
        different = {_meaning(raw): raw for _, raw in claimants} if len(claimants) > 1 else {b"": claimants[0][1]}
        self.repeats += len(claimants) - len(different)
        has_broken = record_id in self.broken_ids
        if len(different) == 1 and not has_broken:
            self.sound.append(claimants[0][0])
            return
        # in the order of what they say, which is the same for any order in the file
        for number, (_, raw) in enumerate(sorted(different.items()), start=1):
            reason = f"record {number} of {len(different)} with the id {record_id}"
            reason += ", which a broken record has as well" if has_broken else ", each different"
            self._set_aside(BadRecord(Code.DUP_ID, reason, record_id=record_id, field="id"), raw=raw)

    def _set_aside(self, error: BadRecord, *, raw: msgspec.Raw, position: int | None = None) -> None:
        claims = _claims(raw)
        own_id, linked, category_id = (whole_number(claims.get(key)) for key in ("id", "image_id", "category_id"))
        if error.value is None and error.field is not None:
            error.value = claims.get(error.field)
        if own_id is not None:
            self.broken_ids.add(own_id)
        shown = claims.get("id")
        known = str(shown) if isinstance(shown, int | str | float) else f"{self.name}[{position}]"
        self.broken.append(
            BrokenRecord(
                line=error.record(stage=STAGE, file=self.path, record_id=known, image_id=claims.get("image_id")),
                image_id=linked if linked in self.image_ids else None,
                category_id=category_id if category_id in self.category_ids and is_id(claims["category_id"]) else None,
                is_crowd=claims.get("iscrowd") in (1, True),
                outline=_outline(claims, annotation_id=known),
            )
        )


def _meaning(raw: msgspec.Raw) -> bytes:
    """Return what is equal for records which say the same, in whatever order and with whatever blanks."""
    try:
        return msgspec.json.encode(msgspec.json.decode(raw), order="sorted")
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return bytes(raw)


def _claims(raw: msgspec.Raw) -> dict[str, Any]:
    """Return what a record says for certain: without keys that stand twice."""
    try:
        found = json.loads(bytes(raw), object_pairs_hook=_certain)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _certain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    counts = Counter(key for key, _ in pairs)
    return {key: value for key, value in pairs if counts[key] == 1}


def _outline(claims: dict[str, Any], *, annotation_id: int | str) -> RawPerson:
    segmentation, bbox = (
        msgspec.Raw(json.dumps(claims[key]).encode()) if key in claims else ABSENT for key in ("segmentation", "bbox")
    )
    return RawPerson(annotation_id, segmentation, bbox, claims.get("area"))
