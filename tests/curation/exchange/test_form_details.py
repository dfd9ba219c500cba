"""What the forms say beyond pictures: numbers and licences of COCO, frames of TFRecord, keys of tar, cards."""

from __future__ import annotations

import json
import tarfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset
from curation.dataset.sample import Source
from curation.exchange.convert_dataset import ConvertOptions, convert_dataset
from curation.exchange.crc32c import crc32c
from curation.exchange.forms.coco import license_ids, numbers_of
from curation.exchange.forms.hf_card import identifier_of
from curation.exchange.forms.tfrecord import framed
from curation.storage.tar_members import END, header_of, key_of, padded
from pipelines.exchange.convert import ConvertFlags, _form_of
from tests.curation.exchange.drawn_set import BY, draw_set
from tests.curation.exchange.other_readers import quietly


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_set(tmp_path_factory.mktemp("drawn") / "D")


def written(dataset: Dataset, form: str, out: Path) -> Path:
    flags = ConvertFlags(dataset=dataset.folder, to=form, out=out, shard_samples=5)  # type: ignore[arg-type]
    options = ConvertOptions(runner=RunnerOptions(workers=0))
    convert_dataset(dataset, form=_form_of(flags, dataset=dataset), limit=None, out=out, options=options)
    return out


def test_crc32c_is_that_of_another_library() -> None:
    other = pytest.importorskip("crc32c")
    assert crc32c(b"123456789") == 0xE3069283  # RFC 3720, appendix B.4
    data = np.random.default_rng(0).integers(0, 256, 5000, dtype=np.uint8).tobytes()
    for length in (0, 1, 3, 4, 5, 1023, 1024, 1025, 2048, 5000):
        assert crc32c(data[:length]) == other.crc32c(data[:length])


def test_a_record_has_the_frame_that_another_library_writes(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from tfrecord.example_pb2 import Example
        from tfrecord.writer import TFRecordWriter

    message = {"a": (b"bytes" * 100, "byte"), "b": (300, "int")}
    writer = TFRecordWriter(str(tmp_path / "x"))
    writer.write(message)
    writer.close()
    theirs = (tmp_path / "x").read_bytes()
    data = theirs[12:-4]
    assert framed(data) == theirs
    from curation.exchange.forms.tfrecord import example_of

    assert Example.FromString(example_of({"a": b"bytes" * 100, "b": 300})) == Example.FromString(data)


def test_every_record_of_a_file_has_a_sound_frame(dataset: Dataset, tmp_path: Path) -> None:
    other = pytest.importorskip("crc32c")
    folder = written(dataset, "tfrecord", tmp_path / "out")
    names = sorted(path.name for path in folder.glob("*.tfrecord"))
    assert names[:2] == ["test-00000-of-00001.tfrecord", "train-00000-of-00001.tfrecord"]
    for name in names:
        data, at = (folder / name).read_bytes(), 0
        while at < len(data):
            length = int.from_bytes(data[at : at + 8], "little")
            for start, end in ((at, at + 8), (at + 12, at + 12 + length)):
                crc = other.crc32c(data[start:end])
                masked = ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
                assert int.from_bytes(data[end : end + 4], "little") == masked
            at += 16 + length


def test_coco_keeps_numbers_and_licences_of_the_source() -> None:
    assert numbers_of({"b": "25", "a": "9"}) == {"b": 25, "a": 9}
    assert numbers_of({"b": "9", "a": "9"}) == {"a": 1, "b": 2}
    assert numbers_of({"b": "7", "a": "0007"}) == {"a": 1, "b": 2}
    sources = [Source(name="s", path="p", fingerprint="f", licenses={"4": BY, "1": "CC0"})]
    assert license_ids({BY, "CC0", "another"}, sources=sources) == {BY: 4, "CC0": 1, "another": 2}


def test_coco_annotations_say_what_the_pixels_say(dataset: Dataset, tmp_path: Path) -> None:
    folder = written(dataset, "coco", tmp_path / "out")
    told: dict[str, Any] = {}
    for file in (folder / "annotations").glob("instances_*.json"):
        one = json.loads(file.read_text())
        assert [category["name"] for category in one["categories"]] == ["person"]
        for name in ("images", "annotations", "licenses"):
            told.setdefault(name, []).extend(one[name])
    numbers = [one["id"] for one in told["annotations"]]
    assert len(set(numbers)) == len(numbers)
    assert {one["iscrowd"] for one in told["annotations"]} == {0, 1}
    by_name = {one["file_name"]: one["id"] for one in told["images"]}
    (holes,) = [one for one in told["annotations"] if one["image_id"] == by_name["holes.jpg"]]
    assert holes["area"] == 16 * 14 - 16 + 16  # a part with a hole, and another part
    assert holes["bbox"] == [6.0, 2.0, 22.0, 18.0]
    assert holes["iscrowd"] == 0
    assert not [one for one in told["annotations"] if one["image_id"] == by_name["nobody.jpg"]]
    urls = {one["id"]: (one["name"], one["url"]) for one in told["licenses"]}
    assert urls[7] == ("Attribution License", "http://creativecommons.org/licenses/by/2.0/")
    unlabelled = json.loads((folder / "annotations/image_info_unlabeled.json").read_text())
    assert "annotations" not in unlabelled
    assert [one["file_name"] for one in unlabelled["images"]] == ["unlabelled é.jpg"]


def test_members_of_a_tar_stay_inside_and_no_two_samples_share_a_key(dataset: Dataset, tmp_path: Path) -> None:
    folder = written(dataset, "webdataset", tmp_path / "out")
    keys = []
    for file in sorted(folder.glob("*.tar")):
        with tarfile.open(file) as opened:
            for member in opened:
                assert member.isreg() and member.mtime == 0 and member.uid == member.gid == 0
                assert "/" not in member.name and not member.name.startswith(".")
            keys += sorted({name.partition(".")[0] for name in opened.getnames()})
    assert len(keys) == len(set(keys)) == len(dataset)
    assert {"x%2E1", "x%2E2"} <= set(keys)
    assert {key_of(id_) for id_ in ("..", ".hidden", "a%2Eb", "a.b")} == {"%2E%2E", "%2Ehidden", "a%252Eb", "a%2Eb"}


def test_an_id_as_long_as_a_file_name_may_be_is_read_from_a_tar(tmp_path: Path) -> None:
    name = "é" * 100 + ".json"
    (tmp_path / "x.tar").write_bytes(header_of(name, size=2) + padded(b"{}") + END)
    with tarfile.open(tmp_path / "x.tar") as opened:
        assert opened.getnames() == [name]


@quietly
def loaded(folder: Path) -> Any:
    import datasets

    datasets.disable_progress_bars()
    return datasets.load_dataset(str(folder), cache_dir=str(folder.with_name("cache")))


def test_datasets_reads_every_column_with_its_type(dataset: Dataset, tmp_path: Path) -> None:
    folder = written(dataset, "hf", tmp_path / "out")
    found = loaded(folder)
    assert {name: len(rows) for name, rows in found.items()} == {
        "test": 1,
        "train": 3,
        "unassigned": 6,
        "unlabelled": 1,
        "validation": 2,
    }
    features = found["train"].features
    assert {name for name, feature in features.items() if type(feature).__name__ == "Image"} == {
        *("image", "mask", "alpha", "trimap", "ignore", "classes")
    }
    for rows in found.values():
        for one in rows:
            was = dataset[one["id"]].row
            names = set(dataset.table.column_names) - {"image", "mask", "alpha", "trimap", "ignore", "classes"}
            assert {name: one[name] for name in names} == {name: was[name] for name in names}


def test_the_card_tells_licences_splits_and_classes(dataset: Dataset, tmp_path: Path) -> None:
    folder = written(dataset, "hf", tmp_path / "out")
    _, top, text = (folder / "README.md").read_text().split("---\n", 2)
    told = yaml.safe_load(top)
    assert told["license"] == ["cc-by-2.0", "other", "unknown"]
    splits = {one["split"]: one["path"] for one in told["configs"][0]["data_files"]}
    assert splits["validation"] == "data/validation-*.parquet"
    for path in splits.values():
        assert list(folder.glob(path))
    assert "| CC0 | 1 |" in text and "| 2 | hair |" in text
    assert identifier_of("CC0 1.0") == "cc0-1.0"
    assert pq.ParquetFile(next((folder / "data").glob("train-*"))).metadata.num_rows == 3
