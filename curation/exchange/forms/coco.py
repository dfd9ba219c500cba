"""COCO: `annotations/instances_<split>.json` with run lengths, and `images/`.

Source of the format: https://cocodataset.org/#format-data. A person is one annotation with `iscrowd` 0, also where its
mask has holes or several parts; pixels that are not labelled are one with `iscrowd` 1, which COCO's evaluation ignores.
Samples without a label are in `image_info_unlabeled.json`, as COCO does: in a file of instances they would be images of
nobody.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import IO, Any, Final

import msgspec

from curation.dataset.licenses import URL
from curation.dataset.sample import Source
from curation.exchange.form import ALL, UNLABELLED, Conversion, Part, Placed, Taken
from curation.exchange.placing import nothing_shared, place_image, place_others
from curation.exchange.travelling import AS_THEY_ARE, Rules, Travelling
from curation.sources.coco.rasterise import RunLengths, box_of, count_pixels, encode
from curation.sources.coco.records import MAX_ID
from curation.storage.streamed_file import streamed_file

IMAGES: Final = "images"
ANNOTATIONS: Final = "annotations"
PERSON: Final = {"id": 1, "name": "person", "supercategory": "person"}
WHOLE_NUMBER: Final = re.compile("0|[1-9][0-9]{0,15}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Coco:
    """The form `coco`."""

    rules: Rules = AS_THEY_ARE
    name: str = "coco"
    samples_per_part: int = 64
    folders: tuple[str, ...] = (IMAGES, ANNOTATIONS)

    def place(self, sample: Travelling, *, folder: Path) -> Placed:
        """Link the image, and return its person, and what is not labelled, as run lengths."""
        paths = {"image": place_image(sample, folder=folder, images=IMAGES)}
        paths |= place_others(sample, folder=folder, but=("mask",))
        facts: dict[str, Any] = {}
        for name, pixels in (("person", sample.mask), ("ignored", sample.ignored)):
            if pixels is not None and pixels.any():
                facts[name] = _outline(encode(pixels))
        return Placed(paths=paths, facts=facts)

    def writing(self, part: Part, *, folder: Path) -> AbstractContextManager[Callable[[Any], None]]:
        """Samples share no file."""
        return nothing_shared(part)

    def finish(self, conversion: Conversion, *, folder: Path) -> None:
        """Write one annotation file for each set."""
        rows = conversion.rows
        image_ids = numbers_of({id_: str(row["source_id"]) for id_, row in rows.items()})
        licenses = license_ids({row["license"] for row in rows.values()} - {None}, sources=conversion.card.sources)
        next_annotation = 1
        for set_ in conversion.sets:
            writer = _Writer(conversion=conversion, set_=set_, image_ids=image_ids, licenses=licenses)
            with streamed_file(folder / ANNOTATIONS / file_of(set_)) as stream:
                next_annotation = writer.write(stream, first=next_annotation)

    def way_back(self, folder: Path, *, sets: Mapping[str, int]) -> str:
        """Return the command that reads it."""
        files = [folder / ANNOTATIONS / file_of(set_) for set_ in sets if set_ != UNLABELLED]
        given = " ".join(f"--annotations {quote(str(file))} --images {quote(str(folder / IMAGES))}" for file in files)
        return f"curate coco-person {given} --min-area 0 --crowd ignore --out D"


def file_of(set_: str) -> str:
    """Return the name of the annotation file of a set.

    >>> file_of("val"), file_of("all"), file_of("unlabelled")
    ('instances_val.json', 'instances.json', 'image_info_unlabeled.json')
    """
    return {ALL: "instances.json", UNLABELLED: "image_info_unlabeled.json"}.get(set_, f"instances_{set_}.json")


def numbers_of(source_ids: Mapping[str, str]) -> dict[str, int]:
    """Return the number of each sample: that of its source where all have one of their own, else 1, 2, ... by id.

    >>> numbers_of({"train2017_000000000009": "9", "train2017_000000000025": "25"})
    {'train2017_000000000009': 9, 'train2017_000000000025': 25}
    >>> numbers_of({"a": "9", "b": "9"}), numbers_of({"a": "0001"})
    ({'a': 1, 'b': 2}, {'a': 1})
    """
    are_whole = all(WHOLE_NUMBER.fullmatch(text) and int(text) <= MAX_ID for text in source_ids.values())
    if are_whole and len(set(source_ids.values())) == len(source_ids):
        return {id_: int(text) for id_, text in source_ids.items()}
    return {id_: number for number, id_ in enumerate(sorted(source_ids), start=1)}


def license_ids(texts: set[str], *, sources: Sequence[Source]) -> dict[str, int]:
    """Return an id for each licence: the one that it has in the source where no other claims that, else a free one."""
    known: dict[str, set[int]] = {}
    for source in sources:
        for id_, meaning in source.licenses.items():
            if WHOLE_NUMBER.fullmatch(id_) and int(id_) <= MAX_ID:
                known.setdefault(" ".join(meaning.split()), set()).add(int(id_))
    wanted = {text: min(known[text]) for text in texts if text in known}
    claims = Counter(wanted.values())
    found = {text: id_ for text, id_ in wanted.items() if claims[id_] == 1}
    taken, number = set(found.values()), 1
    for text in sorted(texts - found.keys()):
        while number in taken:
            number += 1
        found[text] = number
        taken.add(number)
    return found


def _outline(mask: RunLengths) -> dict[str, Any]:
    return {"counts": mask["counts"].decode("ascii"), "area": count_pixels(mask), "bbox": box_of(mask)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Writer:
    """Writes one annotation file record by record: those of a large set need not fit into memory."""

    conversion: Conversion
    set_: str
    image_ids: Mapping[str, int]
    licenses: Mapping[str, int]

    def write(self, stream: IO[bytes], *, first: int) -> int:
        """Write the file; `first` is the id of its first annotation, and the next free one is returned."""
        info = {"description": self.conversion.name, "version": "1.0"}
        stream.write(b'{"info": %b,\n"licenses": [' % msgspec.json.encode(info))
        _write_list(stream, self._licenses())
        stream.write(b'],\n"categories": [%b],\n"images": [' % msgspec.json.encode(PERSON))
        _write_list(stream, map(self._image, self._taken()))
        annotations = 0
        if self.set_ != UNLABELLED:
            stream.write(b'],\n"annotations": [')
            annotations = _write_list(stream, self._annotations(first=first))
        stream.write(b"]}\n")
        return first + annotations

    def _taken(self) -> Iterator[Taken]:
        return (one for one in self.conversion.taken if one.set == self.set_)

    def _licenses(self) -> Iterator[dict[str, Any]]:
        used = {self.conversion.rows[one.id]["license"] for one in self._taken()} - {None}
        for text in sorted(used, key=lambda text: self.licenses[text]):
            link = URL.search(text)
            name = " ".join(text.replace(link[0], " ").split()) if link else text
            yield {"id": self.licenses[text], "name": name, "url": link[0] if link else ""}

    def _image(self, one: Taken) -> dict[str, Any]:
        row = self.conversion.rows[one.id]
        record = {"id": self.image_ids[one.id], "file_name": one.paths["image"].removeprefix(f"{IMAGES}/")}
        record |= {"width": row["width"], "height": row["height"]}
        return record | ({} if row["license"] is None else {"license": self.licenses[row["license"]]})

    def _annotations(self, *, first: int) -> Iterator[dict[str, Any]]:
        number = first
        for one in self._taken():
            row = self.conversion.rows[one.id]
            for name in ("person", "ignored"):
                if (outline := one.facts.get(name)) is not None:
                    size = [row["height"], row["width"]]
                    yield {
                        "id": number,
                        "image_id": self.image_ids[one.id],
                        "category_id": PERSON["id"],
                        "iscrowd": int(name == "ignored"),
                        "area": outline["area"],
                        "bbox": outline["bbox"],
                        "segmentation": {"size": size, "counts": outline["counts"]},
                    }
                    number += 1


def _write_list(stream: IO[bytes], records: Iterator[dict[str, Any]]) -> int:
    number = 0
    for record in records:
        stream.write((b",\n" if number else b"\n") + msgspec.json.encode(record))
        number += 1
    return number
