import json
import random
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation import annotation_parts
from curation.annotation_parts import Span, read_parts
from curation.coco.entries import CocoFile, Records
from curation.coco.file import read_coco
from curation.coco.json_text import decode_whole, mapped
from curation.coco.records import read_records
from curation.coco.texts import FileTexts, HeldTexts
from curation.errors import InputRefused

CATEGORIES = [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 62, "name": "chair"}]
IMAGE = {"id": 1, "file_name": "1.jpg", "width": 20, "height": 10}


def annotation(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [[number, 0, 9, 0, 9, 9]]} | changes


def write(folder: Path, annotations: list[Any], **style: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": [IMAGE], "annotations": annotations, "categories": CATEGORIES}, **style))
    return path


def content(file: CocoFile) -> list[tuple[Any, ...]]:
    columns = file.columns
    values = (columns.ids, columns.image_ids, columns.category_ids, columns.is_crowd)
    texts = [json.loads(text) for text in file.outlines.load()]
    return list(zip(*(value.tolist() for value in values), texts, strict=True))


def read_by_records(path: Path) -> CocoFile:
    with mapped(path) as data:
        return read_records(decode_whole(data, kind=Records, path=path), path=path)


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}, {"sort_keys": True}], ids=str)
def test_parts_give_what_stands_in_the_file(tmp_path: Path, count: int, style: dict[str, Any]) -> None:
    rng = random.Random(count)
    runs = {"size": [10, 20], "counts": [5, 190, 5]}
    records = [
        annotation(number, iscrowd=rng.randrange(2), category_id=rng.choice([1, 62]), area=1.5, bbox=[0, 0, 9, 9])
        | ({"segmentation": runs} if rng.random() < 0.3 else {})
        for number in rng.sample(range(1000), count)
    ]
    file = read_coco(write(tmp_path, records, **style))
    assert isinstance(file.outlines, FileTexts)
    expected = [(r["id"], 1, r["category_id"], bool(r["iscrowd"]), r["segmentation"]) for r in records]
    assert content(file) == expected


@pytest.mark.parametrize("order", [("annotations", "images", "categories"), ("images", "categories", "annotations")])
def test_the_lists_may_stand_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    parts = {"images": [IMAGE], "annotations": [annotation(4), annotation(5)], "categories": CATEGORIES}
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({key: parts[key] for key in order}))
    file = read_coco(path)
    assert isinstance(file.outlines, FileTexts)
    assert [row[0] for row in content(file)] == [4, 5]


@pytest.mark.parametrize(
    "change",
    [
        {"attributes": [{"a": 1}, {"a": 2}] * 40},
        {"attributes": {"segmentation": 5}},
        {"presentation": 5},
        {"note": "}, {"},
        {"note": '"annotations": ['},
        {"note": "Stra\u00dfe"},
        {"note": [{"x": 1}]},
        {"iscrowd": None},
    ],
    ids=str,
)
def test_odd_records_are_read_as_by_the_careful_reader(tmp_path: Path, change: dict[str, Any]) -> None:
    for odd in range(5):
        records = [annotation(number) | (change if number == odd else {}) for number in range(5)]
        path = write(tmp_path, records)
        assert content(read_coco(path)) == content(read_by_records(path))


def test_an_outline_under_a_disguised_key_stays_with_its_record(tmp_path: Path) -> None:
    # as many plain keys as records, but one of them nested, so that counting alone would shift every outline
    path = write(tmp_path, [annotation(1), annotation(2, extra={"segmentation": [[7]]}), annotation(3)])
    text = path.read_text().replace('"segmentation": [[1,', '"segmentatio\\u006e": [[1,')
    path.write_text(text)
    assert [outline[0][0] for *_, outline in content(read_coco(path))] == [1, 2, 3]


@pytest.mark.parametrize("twice", [0, 3, 79, 80, -1, 2**53, -(2**53)])
def test_ids_of_any_size_are_unique_or_set_aside(tmp_path: Path, twice: int) -> None:
    ids = [4, 3, 0, 79, 80, 81, 2**53, -1, -(2**53), 2**40]
    assert isinstance(read_coco(write(tmp_path, [annotation(number) for number in ids])).outlines, FileTexts)
    file = read_coco(write(tmp_path, [annotation(number) for number in (*ids, twice)]))
    assert file.repeats == {"annotations": 1}
    file = read_coco(write(tmp_path, [*map(annotation, ids), annotation(twice, segmentation=[[1, 2, 3, 4, 5, 6]])]))
    assert [broken.line.record_id for broken in file.broken_annotations] == [str(twice)] * 2


def test_a_list_of_annotations_inside_another_key_is_not_taken(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(1), annotation(2)])
    path.write_text('{"info": {"annotations": [' + json.dumps(annotation(9)) + "]}, " + path.read_text()[1:])
    assert [row[0] for row in content(read_coco(path))] == [1, 2]


@pytest.mark.parametrize("text", [b"[]", b"[,]", b'[{"id": 1}]', b"[{}", b"[" * 50])
def test_a_part_that_is_no_list_of_annotations_is_not_read(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "part.json"
    path.write_bytes(text)
    assert read_parts(path, span=Span(0, len(text) - 1)) == []
    assert path.read_bytes() == text


@pytest.mark.parametrize("piece_bytes", [1, 60, 150, 1000])
def test_a_part_is_the_same_in_pieces_of_any_size(
    tmp_path: Path, piece_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd = {"note": "}, {", "extra": [{"a": [1]}, {"b": 2}]}
    records = [annotation(number, iscrowd=number % 2) | (odd if number == 7 else {}) for number in range(20)]
    for style in ({}, {"indent": 1}, {"separators": (",", ":")}):
        path = write(tmp_path, records, **style)
        monkeypatch.setattr(annotation_parts, "PIECE_BYTES", piece_bytes)
        assert content(read_coco(path)) == content(read_by_records(path))


def test_a_second_process_reads_the_same(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(number) for number in range(20)])
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as beside:
        assert content(read_coco(path, beside=beside)) == content(read_coco(path))


def test_texts_of_a_file_that_changes_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(1), annotation(2)])
    file = read_coco(path)
    path.write_text(path.read_text().replace("9", "8"))
    with pytest.raises(InputRefused, match="changed"):
        file.outlines.load()


def test_some_texts_can_be_taken_from_memory_and_from_a_file(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(number) for number in range(9)])
    texts = read_coco(path).outlines
    rows = np.array([7, 0, 3])
    held = HeldTexts(texts=texts.load())
    assert held.take(rows).load() == texts.take(rows).load() == [texts.load()[row] for row in rows]
    assert held.lengths.tolist() == texts.lengths.tolist() == list(map(len, texts.load()))
    assert texts.take(rows[:0]).load() == held.take(rows[:0]).load() == []
