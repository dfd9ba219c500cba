"""A file is read the same in one pass and record by record."""

import json
import os
import random
from pathlib import Path
from typing import Any

import pytest

from curation.errors import InputRefused
from curation.sources.coco.annotation_files import read_sources
from curation.sources.coco.json_file import CHUNK_BYTES, count_keys, decode_whole, mapped
from curation.sources.coco.read_careful import read_records
from curation.sources.coco.read_file import _read_plainly, read_coco
from curation.sources.coco.records import CocoFile, Records
from curation.sources.coco.refusals import refuse_changed_files

CATEGORIES = [{"id": 1, "name": "person", "supercategory": "person"}, {"id": 62, "name": "chair"}]
IMAGE = {"id": 1, "file_name": "1.jpg", "width": 20, "height": 10}


def annotation(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "image_id": 1, "category_id": 1, "segmentation": [[number, 0, 9, 0, 9, 9]]} | changes


def write(folder: Path, annotations: list[Any], **style: Any) -> Path:
    path = folder / "instances.json"
    path.write_text(json.dumps({"images": [IMAGE], "annotations": annotations, "categories": CATEGORIES}, **style))
    return path


def content(file: CocoFile) -> list[tuple[Any, ...]]:
    return [
        (one.id, one.image_id, one.category_id, bool(one.iscrowd), json.loads(bytes(one.segmentation)))
        for one in file.annotations
    ]


def read_by_records(path: Path) -> CocoFile:
    with mapped(path) as data:
        return read_records(decode_whole(data, kind=Records, path=path), path=path, changed_ns=0)


def is_plain(path: Path) -> bool:
    """Tell whether one pass is enough for a file."""
    with mapped(path) as data:
        return _read_plainly(data, path=path, changed_ns=0) is not None


@pytest.mark.parametrize("count", [1, 2, 3, 50])
@pytest.mark.parametrize("style", [{}, {"indent": 2}, {"separators": (",", ":")}, {"sort_keys": True}], ids=str)
def test_both_readers_give_what_stands_in_the_file(tmp_path: Path, count: int, style: dict[str, Any]) -> None:
    rng = random.Random(count)
    runs = {"size": [10, 20], "counts": [5, 190, 5]}
    records = [
        annotation(number, iscrowd=rng.randrange(2), category_id=rng.choice([1, 62]), area=1.5, bbox=[0, 0, 9, 9])
        | ({"segmentation": runs} if rng.random() < 0.3 else {})
        for number in rng.sample(range(1000), count)
    ]
    path = write(tmp_path, records, **style)
    assert is_plain(path)
    expected = [(r["id"], 1, r["category_id"], bool(r["iscrowd"]), r["segmentation"]) for r in records]
    assert content(read_coco(path)) == expected == content(read_by_records(path))


@pytest.mark.parametrize("order", [("annotations", "images", "categories"), ("images", "categories", "annotations")])
def test_the_lists_may_stand_in_any_order(tmp_path: Path, order: tuple[str, ...]) -> None:
    parts = {"images": [IMAGE], "annotations": [annotation(4), annotation(5)], "categories": CATEGORIES}
    path = tmp_path / "instances.json"
    path.write_text(json.dumps({key: parts[key] for key in order}))
    assert is_plain(path)
    assert [row[0] for row in content(read_coco(path))] == [4, 5]


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
    assert is_plain(write(tmp_path, [annotation(number) for number in ids]))
    file = read_coco(write(tmp_path, [annotation(number) for number in (*ids, twice)]))
    assert file.repeats == {"annotations": 1}
    file = read_coco(write(tmp_path, [*map(annotation, ids), annotation(twice, segmentation=[[1, 2, 3, 4, 5, 6]])]))
    assert [broken.line.record_id for broken in file.broken_annotations] == [str(twice)] * 2


def test_a_list_of_annotations_inside_another_key_is_not_taken(tmp_path: Path) -> None:
    path = write(tmp_path, [annotation(1), annotation(2)])
    path.write_text('{"info": {"annotations": [' + json.dumps(annotation(9)) + "]}, " + path.read_text()[1:])
    assert [row[0] for row in content(read_coco(path))] == [1, 2]


def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path) -> None:
    (tmp_path / "1.jpg").touch()
    path = write(tmp_path, [annotation(1)])
    sources = read_sources([path], images=[tmp_path], stage="test")
    refuse_changed_files(sources)
    os.utime(path, ns=(0, 0))
    with pytest.raises(InputRefused, match="changed"):
        refuse_changed_files(sources)


def test_keys_are_counted_wherever_the_text_is_cut() -> None:
    rng = random.Random(3)
    for _ in range(20):
        keys = [rng.choice(["id", "image_id", "segmentation", "other"]) for _ in range(40)]
        gaps = [" " * rng.randrange(CHUNK_BYTES // 8) for _ in keys]
        text = "".join(f'{gap}{{"{key}": 1}},' for gap, key in zip(gaps, keys, strict=True)).encode()
        counts = count_keys(text, keys=("id", "image_id", "segmentation"))
        assert {key: counts[key] for key in ("id", "image_id", "segmentation")} == {
            key: keys.count(key) for key in ("id", "image_id", "segmentation")
        }
