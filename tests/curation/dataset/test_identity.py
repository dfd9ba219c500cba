"""Two exports that count from 0, COCO's own sets, folders of one name: what is one photograph, and what is not."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.sample import Plan
from curation.operations.leak_groups import leak_groups
from curation.operations.merge import plan_merge
from curation.sources.coco import PersonSelection, plan_persons
from curation.sources.image_label_folders import PairsSettings, plan_pairs
from curation.sources.portrait2000 import Portrait2000Settings, plan_portrait2000

SIZE = (24, 32)
PERSON = [4.0, 4.0, 20.0, 4.0, 20.0, 20.0, 4.0, 20.0]


def built(plan: Plan, out: Path) -> Dataset:
    build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0)))
    return read_dataset(out)


def picture(seed: int) -> bytes:
    image = cv2.resize(np.random.default_rng(seed).integers(0, 256, (3, 4, 3), dtype=np.uint8), SIZE[::-1])
    return cv2.imencode(".jpg", image)[1].tobytes()


def coco(folder: Path, images: Sequence[tuple[int, str, int]], *, file: str, **more: Any) -> Dataset:
    """Draw an export of images (id, file name, seed), each with one person, and import it."""
    (folder / "images").mkdir(parents=True)
    for _, name, seed in images:
        (folder / "images" / name).write_bytes(picture(seed))
    height, width = SIZE
    records = [
        {"id": id_, "file_name": name, "width": width, "height": height, "license": 1} for id_, name, _ in images
    ]
    people = [
        {"id": number, "image_id": id_, "category_id": 1, "iscrowd": 0, "segmentation": [PERSON]}
        for number, (id_, *_) in enumerate(images)
    ]
    content = {"images": records, "annotations": people, "categories": [{"id": 1, "name": "person"}], **more}
    (folder / file).write_text(json.dumps(content))
    selection = PersonSelection(annotations=(folder / file,), images=(folder / "images",))
    return built(plan_persons(selection), folder / "dataset")


def merged(*datasets: Dataset, out: Path) -> Dataset:
    return built(plan_merge(datasets, prefix=True), out)


def rename(dataset: Dataset, name: str) -> Dataset:
    """Move a dataset, so that a merge can tell the two by their folders."""
    return read_dataset(dataset.folder.rename(dataset.folder.parent.parent / name))


def test_two_exports_that_count_from_zero_are_of_other_photographs(tmp_path: Path) -> None:
    own, bought = (
        rename(coco(tmp_path / name, [(id_, f"{id_}.jpg", seed + id_) for id_ in range(6)], file="a.json"), f"d-{name}")
        for name, seed in (("own", 0), ("bought", 100))
    )
    result = merged(own, bought, out=tmp_path / "m")
    assert len(set(leak_groups(result.table))) == 12
    sources = result.table["source"].to_pylist()
    assert sources[:6] == [bought.table["source"][0].as_py()] * 6
    assert len(set(sources)) == 2 and all(source.startswith("coco/images@") for source in sources)
    assert {source.name for source in result.card.sources} == set(sources)


def test_one_file_that_is_imported_twice_is_one_source(tmp_path: Path) -> None:
    one = coco(tmp_path / "a", [(0, "0.jpg", 1)], file="a.json")
    again = coco(tmp_path / "b", [(0, "0.jpg", 1)], file="renamed.json")
    for column in ("source", "group"):
        assert one.table[column].to_pylist() == again.table[column].to_pylist()


def test_the_same_photograph_of_coco_is_one_in_2014_and_2017(tmp_path: Path) -> None:
    """Drawn anew with other pixels: only the number says that the two are one."""
    old = coco(tmp_path / "a", [(25, "COCO_train2014_000000000025.jpg", 1)], file="instances_train2014.json")
    new = coco(
        tmp_path / "b", [(25, "000000000025.jpg", 2), (30, "000000000030.jpg", 3)], file="instances_train2017.json"
    )
    result = merged(rename(old, "old"), rename(new, "new"), out=tmp_path / "m")
    found = {row["id"].split("_")[-1]: row for row in result.table.to_pylist()}
    assert {row["source"] for row in result.table.to_pylist()} == {"coco/train2014", "coco/train2017"}
    assert {row["group"] for row in result.table.to_pylist()} == {"coco/25", "coco/30"}
    assert found["000000000030"]["group"] == "coco/30"


@pytest.mark.parametrize(
    ("file", "images"),
    [
        ("my_train2017.json", [(25, "000000000025.jpg", 1)]),
        ("instances_train2017.json", [(25, "portrait25.jpg", 1)]),
        ("instances_train2017.json", [(25, "000000000025.jpg", 1), (26, "000000000062.jpg", 2)]),
        ("instances_train2017.json", [(1, "000000000001.jpg", 1), (25, "000000000025.jpg", 2)]),
    ],
)
def test_a_file_that_only_looks_like_cocos_numbers_its_own_images(
    tmp_path: Path, file: str, images: list[tuple[int, str, int]]
) -> None:
    real = coco(tmp_path / "real", [(25, "000000000025.jpg", 9)], file="instances_val2017.json")
    own = coco(tmp_path / "own", images, file=file)
    result = merged(rename(real, "r"), rename(own, "o"), out=tmp_path / "m")
    assert len(set(leak_groups(result.table))) == 1 + len(images)


def test_two_folders_called_images_are_two_sources_also_where_names_and_sizes_agree(tmp_path: Path) -> None:
    for name, shade in (("one", 40), ("two", 200)):
        for part in ("images", "masks"):
            (tmp_path / name / part).mkdir(parents=True)
        image, mask = np.full((*SIZE, 3), shade, np.uint8), np.zeros(SIZE, np.uint8)
        mask[4:12] = 255
        (tmp_path / name / "images" / "1.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
        (tmp_path / name / "masks" / "1.png").write_bytes(cv2.imencode(".png", mask)[1].tobytes())
    sizes = {(tmp_path / name / "images" / "1.png").stat().st_size for name in ("one", "two")}
    assert len(sizes) == 1, "names and sizes cannot tell the two"
    folders = [tmp_path / name for name in ("one", "two")]
    plans = [plan_pairs(PairsSettings(images=folder / "images", masks=folder / "masks")) for folder in folders]
    found = [built(plan, tmp_path / f"d{number}") for number, plan in enumerate(plans)]
    assert len(set(leak_groups(merged(*found, out=tmp_path / "m").table))) == 2
    sources = [dataset.table["source"][0].as_py() for dataset in found]
    assert len(set(sources)) == 2 and all(source.startswith("images@") for source in sources)
    assert sources == [dataset.card.sources[0].name for dataset in found]
    named = PairsSettings(images=folders[0] / "images", masks=folders[0] / "masks", source="street")
    assert plan_pairs(named).sources[0].name == "street"


def test_the_parts_of_portrait2000_that_train_and_test_both_count_from_one(tmp_path: Path) -> None:
    found = []
    for name, seed in (("a", 1), ("b", 2)):
        (tmp_path / name).mkdir()
        matte = np.zeros(SIZE, np.uint8)
        matte[6:18, 8:24] = 255
        image = cv2.imdecode(np.frombuffer(picture(seed), np.uint8), cv2.IMREAD_COLOR)
        (tmp_path / name / "00001.png").write_bytes(cv2.imencode(".png", image)[1].tobytes())
        (tmp_path / name / "00001_matte.png").write_bytes(cv2.imencode(".png", matte)[1].tobytes())
        settings = Portrait2000Settings(root=tmp_path / name, trimap_kernel="none")
        found.append(built(plan_portrait2000(settings), tmp_path / f"d{name}"))
    result = merged(*found, out=tmp_path / "m")
    assert set(result.table["source"].to_pylist()) == {"portrait2000"}
    assert len(set(leak_groups(result.table))) == 2


def test_one_id_of_two_files_stays_two_licences_through_a_merge(tmp_path: Path) -> None:
    datasets = [
        rename(coco(tmp_path / name, [(5, "5.jpg", seed)], file="a.json", licenses=[{"id": 1, **told}]), f"d-{name}")
        for name, seed, told in (
            ("free", 1, {"name": "CC BY 4.0", "url": "https://creativecommons.org/licenses/by/4.0/"}),
            ("bound", 2, {"name": "Studio", "url": ""}),
            ("nameless", 3, {"name": "", "url": ""}),
        )
    ]
    result = merged(*datasets, out=tmp_path / "m")
    by_source = dict(zip(result.table["source"].to_pylist(), result.table["license"].to_pylist(), strict=True))
    free, bound, nameless = (dataset.table["source"][0].as_py() for dataset in datasets)
    assert by_source[free] == "CC BY 4.0 https://creativecommons.org/licenses/by/4.0/"
    assert by_source[bound] == "Studio"
    assert by_source[nameless] == f"unknown (id 1 of {nameless})"
    assert result.card.licenses == dict.fromkeys(by_source.values(), 1)
    kept = built(plan_merge([result], query="license.str.startswith('CC BY')"), tmp_path / "kept")
    assert kept.table["source"].to_pylist() == [free]
