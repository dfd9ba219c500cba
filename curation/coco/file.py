"""COCO instance files, read whole in one typed pass over the mapped file, outlines left where they stand.

A sound file of train2017's size takes about a second on two cores, each reading a part; a file with a single odd
record is read a second time, record by record, by `records`.
"""

from __future__ import annotations

import mmap
import re
from collections import Counter
from concurrent.futures import Executor
from importlib import import_module
from pathlib import Path
from typing import Final

import msgspec

from curation.annotation_parts import ABSENT, BETWEEN, AnnotationPart, Span, read_parts
from curation.coco.entries import CocoFile, ImageEntry, Records
from curation.coco.json_text import ESCAPED_LETTER, decode_whole, malformed, mapped, without_collection
from curation.coco.records import are_unique_and_linked, read_records, refuse_repeated_lists, small_tables
from curation.coco.second_core import HERE
from curation.coco.texts import FileTexts
from curation.json_keys import BLANK, count_keys

FIRST_SHARE: Final = 0.47
"""Of the annotations, for this process, which also reads all else."""
OPENING: Final = re.compile(rb'"annotations"\s*:\s*\[')
CLOSING: Final = re.compile(rb'\}\s*(\])\s*(?:,\s*"|\})')


class _Rest(msgspec.Struct):
    """A COCO file without its annotations: a number stands in their place, so that the place is known."""

    images: list[ImageEntry]
    annotations: list[int]
    categories: msgspec.Raw
    licenses: msgspec.Raw = ABSENT


def read_coco(path: Path, *, beside: Executor = HERE) -> CocoFile:
    """Read a COCO instances file; `beside` reads a part of it.

    Raises InputRefused, naming the byte or the key, when the file as a whole is not what it should be. A single broken
    record is set aside in `broken_images` or `broken_annotations`.
    """
    with mapped(path) as data, without_collection():
        found = _read_plainly(data, path=path, beside=beside)
        if found is not None:
            return found
        refuse_repeated_lists(data, path=path)
        return read_records(decode_whole(data, kind=Records, path=path), path=path)


def _read_plainly(data: mmap.mmap, *, path: Path, beside: Executor) -> CocoFile | None:
    """Read a file that is sound in every record; None where it takes a closer look."""
    changed_ns = path.stat().st_mtime_ns
    spans = _spans_of_annotations(data)
    if not spans:
        return None
    later = [beside.submit(read_parts, path, span=span) for span in spans[1:]]
    beside.submit(import_module, "curation.coco")  # while there is nothing else to do: it takes a while
    first = read_parts(path, span=spans[0])
    view = memoryview(data)
    text = b"".join((view[: spans[0].start], b"[%d]" % len(data), view[spans[-1].stop + 1 :]))
    rest, keys = _read_rest(text, mark=len(data), path=path), count_keys(memoryview(text))
    found = [first, *(parts.result() for parts in later)]
    if rest is None or not all(found):
        return None
    whole = AnnotationPart.join([part for parts in found for part in parts])
    categories, licenses = small_tables(rest.categories, rest.licenses, path=path)
    is_plain = _is_plain(rest, found=keys + whole.keys, annotations=len(whole.starts))
    if not is_plain or not are_unique_and_linked(rest.images, whole.columns, categories=categories):
        return None
    return CocoFile(
        path=path,
        images=rest.images,
        columns=whole.columns,
        outlines=FileTexts(path=path, changed_ns=changed_ns, starts=whole.starts, lengths=whole.lengths),
        categories=categories,
        licenses=licenses,
    )


def _spans_of_annotations(data: mmap.mmap) -> list[Span]:
    """Guess where the list of annotations stands, cut in two between records; a wrong guess cannot be read."""
    opening = OPENING.match(data, max(data.find(b'"annotations"'), 0))
    closing = CLOSING.search(data, max(data.rfind(b'"segmentation"'), 0))
    if opening is None or closing is None or opening.end() > closing.start():
        return []
    start, stop = opening.end() - 1, closing.start(1)
    between = BETWEEN.search(data, start + int(FIRST_SHARE * (stop - start)), stop)
    if between is None:
        return [Span(start, stop)]
    return [Span(start, between.start(1)), Span(between.start(1), stop)]


def _read_rest(text: bytes, *, mark: int, path: Path) -> _Rest | None:
    try:
        rest = msgspec.json.decode(text, type=_Rest)
    except UnicodeDecodeError as error:
        raise malformed(error, data=text, path=path) from error
    except (msgspec.DecodeError, RecursionError):
        return None
    is_hidden = b"\\u00" in text and ESCAPED_LETTER.search(text) is not None
    return rest if rest.annotations == [mark] and not is_hidden else None


def _is_plain(rest: _Rest, *, found: Counter[str], annotations: int) -> bool:
    """Say whether no record names a key twice, where a decoder silently keeps the last.

    `found` counts the file's keys, `annotations` its annotations: each key stands as often in the file as in the
    records. Where it does not, for whatever reason, the slower reader looks closely.
    """
    small = count_keys(memoryview(rest.categories))
    small.update(count_keys(memoryview(rest.licenses)))
    images = len(rest.images)
    expected = dict.fromkeys(("images", "annotations", "categories"), 1)
    expected |= dict.fromkeys(("file_name", "width", "height"), images)
    expected |= dict.fromkeys(("image_id", "category_id", "segmentation"), annotations)
    expected[BLANK] = small[BLANK]
    expected["id"] = images + annotations + small["id"]
    at_most = {"iscrowd": annotations, "license": images, "licenses": 1}
    return all(found[key] == count for key, count in expected.items()) and all(
        found[key] <= count for key, count in at_most.items()
    )
