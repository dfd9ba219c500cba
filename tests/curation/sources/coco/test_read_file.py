import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import curation.sources.coco.json_file
from curation.errors import InputRefused
from curation.quarantine import Code
from curation.sources.coco.read_file import read_coco
from curation.sources.coco.records import CocoFile

CATEGORIES = [
    {"id": 1, "name": "person", "supercategory": "person"},
    {"id": 62, "name": "chair", "supercategory": "furniture"},
]


def image(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": number, "file_name": f"{number:012d}.jpg", "width": 20, "height": 10, "license": 3} | changes


def annotation(number: int, image_id: object = 1, **changes: Any) -> dict[str, Any]:
    plain = {"id": number, "image_id": image_id, "category_id": 1, "iscrowd": 0, "segmentation": [[0, 0, 9, 0, 9, 9]]}
    return plain | {"area": 40.5, "bbox": [0, 0, 9, 9]} | changes


def coco(images: list[Any], annotations: list[Any], **changes: Any) -> dict[str, Any]:
    return {"images": images, "annotations": annotations, "categories": CATEGORIES} | changes


def write(folder: Path, content: object) -> Path:
    path = folder / "instances.json"
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
    return path


def read(folder: Path, content: object) -> CocoFile:
    return read_coco(write(folder, content))


def codes(file: CocoFile) -> list[tuple[Code, str | None]]:
    return [(broken.line.code, broken.line.record_id) for broken in (*file.broken_images, *file.broken_annotations)]


def ids(file: CocoFile) -> list[int]:
    return [one.id for one in file.annotations]


SOUND = coco([image(1), image(2)], [annotation(7), annotation(8, 2, category_id=62)])
TEXT = json.dumps(SOUND).encode()


def test_a_sound_file_is_read_as_it_stands(tmp_path: Path) -> None:
    licenses = [{"id": 3, "name": "CC", "url": "http://x"}, {"id": 4, "name": "Other"}]
    file = read(tmp_path, SOUND | {"licenses": licenses, "info": {"id": 5}})
    assert [(entry.id, entry.file_name, entry.width, entry.height, entry.license) for entry in file.images] == [
        (1, "000000000001.jpg", 20, 10, 3),
        (2, "000000000002.jpg", 20, 10, 3),
    ]
    assert [(one.id, one.image_id, one.category_id) for one in file.annotations] == [(7, 1, 1), (8, 2, 62)]
    assert json.loads(bytes(file.annotations[0].segmentation)) == [[0, 0, 9, 0, 9, 9]]
    assert file.licenses == {"3": "CC http://x", "4": "Other"}
    assert file.person_categories() == {1}
    assert codes(file) == []


def test_licences_and_info_may_be_missing(tmp_path: Path) -> None:
    assert read(tmp_path, SOUND).licenses == {}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (TEXT[:-1], f"byte offset {len(TEXT) - 1}"),
        (TEXT[:100], "byte offset 100"),
        (TEXT[: TEXT.index(b'"annotations"') + 30], "cut off"),
        (TEXT + b" x", "trailing characters at byte offset"),
        (b"\xef\xbb\xbf" + TEXT, "byte order mark"),
        (TEXT.decode().encode("utf-16"), "UTF-16"),
        (TEXT.decode().encode("utf-16-le"), "UTF-16"),
        (TEXT.decode().encode("utf-16-be"), "UTF-16"),
        (gzip.compress(TEXT, mtime=0), "gzip"),
        (b"PK\x03\x04" + TEXT, "zip"),
        (b"[" + TEXT + b"]", "list at the top"),
        (b"null", "null"),
        (b"12", "int"),
        (json.dumps({key: SOUND[key] for key in ("annotations", "categories")}).encode(), "'images'"),
        (json.dumps({key: SOUND[key] for key in ("images", "categories")}).encode(), "'annotations'"),
        (json.dumps({key: SOUND[key] for key in ("images", "annotations")}).encode(), "'categories'"),
        (json.dumps(SOUND | {"images": {}}).encode(), "$.images"),
        (json.dumps(SOUND | {"annotations": None}).encode(), "$.annotations"),
        (json.dumps(SOUND | {"categories": [{"id": "1"}]}).encode(), "'categories'"),
        (json.dumps(SOUND | {"categories": CATEGORIES[:1] * 2}).encode(), "two categories have one id"),
        (json.dumps(SOUND | {"licenses": [3]}).encode(), "'licenses'"),
        (
            TEXT.replace(b"40.5", b"NaN"),
            f"NaN or Infinity, which JSON does not have, at byte offset {TEXT.index(b'40.5')}",
        ),
        (TEXT.replace(b"40.5", b"Infinity"), "NaN or Infinity"),
        (TEXT.replace(b"40.5", b"-Infinity"), "NaN or Infinity"),
        (TEXT.replace(b"40.5", b"40,5"), "byte offset"),
        (TEXT.replace(b"40.5", b"[" * 200_000 + b"]" * 200_000), "nested"),
        (b"[" * 200_000, "list at the top"),
        (TEXT.replace(b"000000000001", b"\xff\xfe"), f"UTF-8 at byte offset {TEXT.index(b'000000000001')}"),
        (b'{"images": [], ' + TEXT[1:], "'images' occurs twice"),
        (TEXT[:-1] + b', "annotations": []}', "'annotations' occurs twice"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_a_file_of_the_wrong_structure_is_refused_and_says_where(tmp_path: Path, content: bytes, said: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(InputRefused) as caught:
        read_coco(path)
    assert said in caught.value.reason.replace(",", "") or said in caught.value.reason
    assert caught.value.where == str(path)
    assert caught.value.remedy
    assert caught.value.exit_code == 4


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.json"):
        with pytest.raises(InputRefused, match=r"folder|no such file"):
            read_coco(path)


def test_a_file_over_the_size_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curation.sources.coco.json_file, "MAX_FILE_BYTES", 10)
    with pytest.raises(InputRefused, match="the limit is 10"):
        read(tmp_path, SOUND)


@pytest.mark.parametrize(
    "names", [[], ["persn"], ["Person"], ["person "], ["people"], ["a", "human"]], ids=lambda names: str(names)
)
def test_a_person_category_that_is_not_there_is_refused_with_those_present_and_the_option(
    tmp_path: Path, names: list[str]
) -> None:
    categories = [{"id": 10 + index, "name": name} for index, name in enumerate([*names, "chair"])]
    file = read(tmp_path, coco([image(1)], [], categories=categories))
    with pytest.raises(InputRefused) as caught:
        file.person_categories()
    assert "--category" in caught.value.remedy
    assert all(repr(name) in caught.value.remedy for name in [*names, "chair"])


@pytest.mark.parametrize(
    "change",
    [
        {"id": "1"},
        {"id": 1.0},
        {"id": True},
        {"id": None},
        {"id": 10**400},
        {"file_name": 5},
        {"file_name": None},
        {"width": -20},
        {"width": "wide"},
        {"height": 10.5},
        {"height": 70_000},
        {"license": []},
    ],
    ids=str,
)
def test_an_image_record_with_a_wrong_value_is_set_aside(tmp_path: Path, change: dict[str, Any]) -> None:
    file = read(tmp_path, coco([image(1) | change, image(2)], [annotation(7, 2)]))
    assert [entry.id for entry in file.images] == [2]
    assert ids(file) == [7]
    assert [code for code, _ in codes(file)] == [Code.JSON_VALUE]
    assert file.broken_images[0].line.field == next(iter(change))


def test_records_that_are_no_objects_are_set_aside(tmp_path: Path) -> None:
    file = read(tmp_path, coco([image(1), None, 5], [annotation(7), "x", []]))
    assert [code for code, _ in codes(file)] == [Code.JSON_VALUE] * 4
    assert [name for _, name in codes(file)] == ["images[1]", "images[2]", "annotations[1]", "annotations[2]"]


@pytest.mark.parametrize("image_id", ["abc", "", "1.0", " 1", "99", 1.5, 99.0, True, None, 99, -1, [1], 2**70], ids=str)
def test_an_annotation_of_no_image_is_an_orphan(tmp_path: Path, image_id: object) -> None:
    file = read(tmp_path, coco([image(1)], [annotation(7, image_id), annotation(8)]))
    assert codes(file) == [(Code.ORPHAN_ANN, "7")]
    assert ids(file) == [8]


def test_an_annotation_without_image_id_is_an_orphan(tmp_path: Path) -> None:
    record = annotation(7)
    del record["image_id"]
    assert codes(read(tmp_path, coco([image(1)], [record]))) == [(Code.ORPHAN_ANN, "7")]


@pytest.mark.parametrize(
    "change",
    [{"category_id": 99}, {"category_id": "1"}, {"iscrowd": 2}, {"iscrowd": "0"}, {"iscrowd": ""}, {"id": "7"}],
    ids=str,
)
def test_an_annotation_with_a_wrong_value_is_set_aside_with_its_image(tmp_path: Path, change: dict[str, Any]) -> None:
    file = read(tmp_path, coco([image(1)], [annotation(7) | change, annotation(8)]))
    assert codes(file) == [(Code.JSON_VALUE, "7")]
    assert file.broken_annotations[0].image_id == 1
    assert file.broken_annotations[0].line.field == next(iter(change))


@pytest.mark.parametrize(
    "change", [{"area": "x"}, {"area": None}, {"bbox": [-5, 0, 1e300, 0]}, {"bbox": None}], ids=str
)
def test_area_and_bbox_are_not_believed(tmp_path: Path, change: dict[str, Any]) -> None:
    assert codes(read(tmp_path, coco([image(1)], [annotation(7) | change]))) == []


@pytest.mark.parametrize("count", [2, 3])
def test_identical_records_collapse_and_are_counted(tmp_path: Path, count: int) -> None:
    file = read(tmp_path, coco([image(1)] * count, [annotation(7)] * count))
    assert (len(file.images), len(file.annotations)) == (1, 1)
    assert file.repeats == {"images": count - 1, "annotations": count - 1}
    assert codes(file) == []


def test_conflicting_records_are_all_set_aside_in_any_order(tmp_path: Path) -> None:
    images = [image(1), image(1, width=30), image(1), image(2)]
    annotations = [annotation(7, 2), annotation(7, 2, area=1), annotation(8, 2)]
    for order, other in itertools.product(itertools.permutations(images), itertools.permutations(annotations)):
        file = read(tmp_path, coco(list(order), list(other)))
        assert codes(file) == [(Code.DUP_ID, "1")] * 2 + [(Code.DUP_ID, "7")] * 2
        assert file.repeats == {"images": 1}
        assert [entry.id for entry in file.images] == [2]
        assert ids(file) == [8]


@pytest.mark.parametrize("key", ["id", "image_id", "category_id", "iscrowd", "segmentation"])
@pytest.mark.parametrize("spelling", ["{}", "{} "])
def test_a_key_twice_in_an_annotation_is_noticed(tmp_path: Path, key: str, spelling: str) -> None:
    record = json.dumps(annotation(7))
    twice = record[:-1] + ", " + spelling.format(f'"{key}"') + f": {json.dumps(annotation(9)[key])}" + "}"
    text = json.dumps(coco([image(1)], ["HERE", annotation(8)])).replace('"HERE"', twice).encode()
    file = read(tmp_path, text)
    assert ids(file) == [8]
    assert [broken.line.code for broken in file.broken_annotations] == [Code.JSON_VALUE]


@pytest.mark.parametrize("key", ["id", "file_name", "width", "height", "license"])
def test_a_key_twice_in_an_image_is_noticed(tmp_path: Path, key: str) -> None:
    text = json.dumps(coco([image(1), image(2)], [])).replace(
        '{"id": 1,', f'{{"{key}": {json.dumps(image(9)[key])}, "id": 1,', 1
    )
    file = read(tmp_path, text.encode())
    assert [entry.id for entry in file.images] == [2]
    assert [broken.line.code for broken in file.broken_images] == [Code.JSON_VALUE]


def test_blanks_before_colons_change_nothing(tmp_path: Path) -> None:
    file = read(tmp_path, TEXT.replace(b'":', b'" :'))
    assert (len(file.images), len(file.annotations), codes(file)) == (2, 2, [])


@pytest.mark.parametrize("key", ["iscrowd", "segmentation"])
def test_a_key_twice_is_noticed_where_another_record_lacks_it(tmp_path: Path, key: str) -> None:
    # as often in the file as there are records
    lacking = annotation(8)
    del lacking[key]
    twice = json.dumps(annotation(7))[:-1] + f', "{key}": {json.dumps(annotation(9)[key])}}}'
    text = json.dumps(coco([image(1)], ["HERE", lacking])).replace('"HERE"', twice)
    file = read(tmp_path, text.encode())
    assert (ids(file), [code for code, _ in codes(file)]) == ([8], [Code.JSON_VALUE])


def test_five_hundred_damaged_files_are_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    read_at_all = 0
    for _ in range(500):
        text = bytearray(TEXT)
        for _ in range(int(rng.integers(1, 5))):
            place = int(rng.integers(len(text)))
            if rng.random() < 0.5:
                text[place] = int(rng.integers(256))
            else:
                del text[place : place + int(rng.integers(1, 9))]
        try:
            file = read(tmp_path, bytes(text))
        except InputRefused:
            continue
        read_at_all += 1
        assert len(file.images) + len(file.broken_images) + sum(file.repeats.values()) <= 2
    assert read_at_all


@pytest.mark.parametrize("digits", [400, 5000])
def test_numbers_of_thousands_of_digits_are_set_aside(tmp_path: Path, digits: int) -> None:
    text = json.dumps(coco([image(1)], [annotation(7), annotation(8, -99)])).replace("-99", "9" * digits)
    [(code, _)] = codes(read(tmp_path, text.encode()))
    assert code in {Code.ORPHAN_ANN, Code.JSON_VALUE}
    text = json.dumps(coco([image(1), image(-99)], [])).replace("-99", "9" * digits)
    assert [code for code, _ in codes(read(tmp_path, text.encode()))] == [Code.JSON_VALUE]
