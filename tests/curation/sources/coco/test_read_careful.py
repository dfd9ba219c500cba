"""COCO records that say the same, contradict each other, or hide what they say (faults A1 to A5)."""

from __future__ import annotations

import itertools
import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

from curation.errors import InputRefused
from curation.quarantine import Code
from curation.sources.coco.read_file import read_coco
from tests.curation.sources.coco.test_read_file import (
    CATEGORIES,
    SOUND,
    TEXT,
    annotation,
    coco,
    codes,
    ids,
    image,
    read,
    write,
)


def escaped(key: str) -> str:
    """Return a JSON text in which the last letter is written as its code."""
    return f'"{key[:-1]}\\u{ord(key[-1]):04x}"'


def test_records_that_say_the_same_in_other_words_collapse(tmp_path: Path) -> None:
    turned = dict(reversed(annotation(7).items()))
    spaced = json.dumps(image(1), indent=2)
    text = json.dumps(coco([image(1), "HERE"], [annotation(7), turned])).replace('"HERE"', spaced)
    file = read(tmp_path, text.encode())
    assert file.repeats == {"images": 1, "annotations": 1}
    assert (len(file.images), len(file.annotations), codes(file)) == (1, 1, [])


def test_every_claimant_of_an_id_has_a_line_of_its_own_in_any_order(tmp_path: Path) -> None:
    claimants = [annotation(7), annotation(7, category_id=62), annotation(7, iscrowd=1), annotation(7)]
    found = set()
    for order in itertools.permutations(claimants):
        file = read(tmp_path, coco([image(1)], [*order, annotation(8)]))
        assert file.repeats == {"annotations": 1}
        found.add(frozenset(broken.line for broken in file.broken_annotations))
    [lines] = found
    assert [line.code for line in lines] == [Code.DUP_ID] * 3


@pytest.mark.parametrize("is_first", [True, False])
def test_a_sound_record_does_not_win_an_id_from_a_broken_one(tmp_path: Path, is_first: bool) -> None:
    images = [image(1), image(1, width="x"), image(2)]
    annotations = [annotation(7, 2), annotation(7, 2, iscrowd="x"), annotation(8, 2)]
    step = 1 if is_first else -1
    file = read(tmp_path, coco(images[::step], annotations[::step]))
    assert ([entry.id for entry in file.images], ids(file)) == ([2], [8])
    assert sorted(codes(file)) == [
        (Code.DUP_ID, "1"),
        (Code.DUP_ID, "7"),
        (Code.JSON_VALUE, "1"),
        (Code.JSON_VALUE, "7"),
    ]


def test_a_broken_record_that_is_repeated_is_one(tmp_path: Path) -> None:
    file = read(tmp_path, coco([image(1), *[image(2, width=-1)] * 3], []))
    assert (codes(file), file.repeats) == ([(Code.JSON_VALUE, "2")], {"images": 2})


def test_the_line_of_a_broken_annotation_names_its_image(tmp_path: Path) -> None:
    file = read(tmp_path, coco([image(5)], [annotation(7, 5, iscrowd="x"), annotation(8, 99), annotation(9, "x")]))
    assert [broken.line.image_id for broken in file.broken_annotations] == ["5", "99", "x"]


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "iscrowd", "segmentation"])
def test_a_key_twice_in_an_annotation_is_noticed_where_one_is_written_with_escapes(tmp_path: Path, key: str) -> None:
    twice = json.dumps(annotation(7))[:-1] + f", {escaped(key)}: {json.dumps(annotation(9)[key])}}}"
    text = json.dumps(coco([image(1)], ["HERE", annotation(8)])).replace('"HERE"', twice)
    file = read(tmp_path, text.encode())
    assert (ids(file), [code for code, _ in codes(file)]) == ([8], [Code.JSON_VALUE])


def test_a_key_twice_in_an_image_is_noticed_where_one_is_written_with_escapes(tmp_path: Path) -> None:
    twice = json.dumps(image(1))[:-1] + f', {escaped("file_name")}: "other.jpg"}}'
    file = read(tmp_path, json.dumps(coco(["HERE", image(2)], [])).replace('"HERE"', twice).encode())
    assert ([entry.id for entry in file.images], [code for code, _ in codes(file)]) == ([2], [Code.JSON_VALUE])


@pytest.mark.parametrize("key", ["images", "annotations", "categories"])
def test_a_list_twice_is_refused_where_one_is_written_with_escapes(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputRefused, match=f"'{key}' occurs twice"):
        read(tmp_path, TEXT[:-1] + f", {escaped(key)}: []}}".encode())


def test_a_key_with_a_wrong_escape_is_broken_json_like_any_other(tmp_path: Path) -> None:
    for key in (r"\x", r"\u00", r"\u00zz", r"\u004"):
        with pytest.raises(InputRefused, match="not valid JSON"):
            read(tmp_path, TEXT[:-1] + f', "{key}": 1, {escaped("info")}: 2}}'.encode())


def test_names_written_with_escapes_are_read(tmp_path: Path) -> None:
    file = read(tmp_path, TEXT.replace(b'"images"', escaped("images").encode()).replace(b"000000000001", b"caf\\u00e9"))
    assert [entry.file_name for entry in file.images] == ["caf\u00e9.jpg", "000000000002.jpg"]
    assert codes(file) == []


def test_what_other_tools_leave_empty_is_no_fault(tmp_path: Path) -> None:
    categories = [{"id": 1, "name": "person", "supercategory": None}, {"id": 62, "name": "chair"}]
    licenses = [{"id": 3, "name": None, "url": None}, {"id": 4, "name": "CC", "url": None}]
    file = read(tmp_path, SOUND | {"categories": categories, "licenses": licenses})
    assert file.person_categories() == {1}
    assert file.licenses == {"3": "", "4": "CC"}


@pytest.mark.parametrize(("second", "is_refused"), [({"name": "MIT"}, True), ({"name": "CC"}, False)], ids=str)
def test_a_licence_that_means_two_things_is_refused(tmp_path: Path, second: dict[str, Any], is_refused: bool) -> None:
    content = SOUND | {"licenses": [{"id": 3, "name": "CC"}, {"id": 3} | second]}
    if is_refused:
        with pytest.raises(InputRefused, match="two licences have the id 3"):
            read(tmp_path, content)
    else:
        assert read(tmp_path, content).licenses == {"3": "CC"}


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    answers: list[str] = []

    def try_to_read() -> None:
        with pytest.raises(InputRefused) as caught:
            read_coco(tmp_path / "pipe.json")
        answers.append(caught.value.reason)

    thread = threading.Thread(target=try_to_read, daemon=True)
    thread.start()
    thread.join(5.0)
    assert answers == ["not a regular file"]


def test_utf_32_is_told_from_broken_json(tmp_path: Path) -> None:
    for encoding in ("utf-32", "utf-32-le", "utf-32-be"):
        with pytest.raises(InputRefused, match="UTF-32"):
            read_coco(write(tmp_path, json.dumps(SOUND | {"categories": CATEGORIES}).encode(encoding)))
