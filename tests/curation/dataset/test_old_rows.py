"""Datasets of the older form: what is read of them, where their card tells, and where it does not."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curation.dataset.card import CARD, Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset, read_dataset, write_dataset
from curation.dataset.sample import Source
from curation.operations.leak_groups import leak_groups
from curation.operations.merge import plan_merge
from curation.operations.split import SplitShares, split_dataset

Row = dict[str, Any]
CC = {"1": "CC BY 4.0 https://creativecommons.org/licenses/by/4.0/", "2": ""}


def source(name: str, *, path: str = "/x/a.json", print_: str = "f" * 64, **licenses: str) -> Source:
    return Source(name=name, path=path, fingerprint=print_, licenses=licenses or CC)


def row(id_: str, *, number: int | str = 1, of: str = "coco/images", sha: str = "a", **more: Any) -> Row:
    group = f"coco/{number}" if of.startswith("coco/") else f"{of}/{number}"
    told = {"id": id_, "image": f"images/{id_}.jpg", "width": 4, "height": 3, "label_version": 0}
    return {**told, "source": of, "source_id": str(number), "group": group, "license": "1", "sha256": sha * 64, **more}


def old(folder: Path, rows: Sequence[Row], *, sources: Sequence[Source]) -> Dataset:
    """Write a dataset, and take the format out of its card: so they were before there was one."""
    extra = sorted({name for one in rows for name in one} - set(SCHEMA.names))
    schema = pa.schema([*SCHEMA, *((name, pa.string()) for name in extra)])
    counts = Counts(considered=len(rows), selected=len(rows), filtered={}, quarantined={})
    card = Card(
        name=folder.name,
        command="merge",
        settings={},
        tool_version="1",
        run="r",
        sources=list(sources),
        licenses={},
        counts=counts,
    )
    folder.mkdir()
    write_dataset(folder, card=card, table=pa.Table.from_pylist(rows, schema=schema), quarantine=[])
    told: dict[str, Any] = json.loads((folder / CARD).read_text())
    del told["format"]
    (folder / CARD).write_text(json.dumps(told))
    return read_dataset(folder)


def by_id(dataset: Dataset) -> Mapping[str, Row]:
    return {one["id"]: one for one in dataset.table.to_pylist()}


def test_a_dataset_of_one_file_is_read_as_if_it_were_made_today(tmp_path: Path) -> None:
    rows = [row("a"), row("b", number=2, sha="b", license="2"), row("c", number=3, sha="c", license=None)]
    dataset = old(tmp_path / "d", rows, sources=[source("coco/images")])
    found = by_id(dataset)
    assert {one["source"] for one in found.values()} == {"coco/images@ffffffff"}
    assert [one["group"] for one in found.values()] == [
        f"coco/images/{n}@{s * 8}" for n, s in ((1, "a"), (2, "b"), (3, "c"))
    ]
    assert [one["license"] for one in found.values()] == [CC["1"], "unknown (id 2 of coco/images@ffffffff)", None]
    assert dataset.card.sources[0].name == "coco/images@ffffffff"
    assert dataset.card.licenses == {CC["1"]: 1, "unknown": 1, "unknown (id 2 of coco/images@ffffffff)": 1}
    assert dataset.reread == {"groups": 3, "licenses": 2, "sources": 3, "unknown_licenses": 1}


def test_of_two_files_with_one_name_the_photographs_are_told_apart_but_not_the_meaning_of_ids(tmp_path: Path) -> None:
    sources = [source("coco/images"), source("coco/images", print_="e" * 64, **{"1": "Studio"})]
    dataset = old(tmp_path / "d", [row("a"), row("b", sha="b")], sources=sources)
    found = by_id(dataset)
    assert [one["group"] for one in found.values()] == ["coco/images/1@aaaaaaaa", "coco/images/1@bbbbbbbb"]
    assert {one["license"] for one in found.values()} == {"unknown (id 1 of coco/images)"}
    assert {one["source"] for one in found.values()} == {"coco/images"}
    assert dataset.reread == {"groups": 2, "licenses": 2, "unknown_licenses": 2, "unknown_sources": 2}


def test_an_id_that_means_the_same_in_both_files_is_known(tmp_path: Path) -> None:
    sources = [source("coco/images"), source("coco/images", print_="e" * 64)]
    assert by_id(old(tmp_path / "d", [row("a")], sources=sources))["a"]["license"] == CC["1"]


@pytest.mark.parametrize(
    ("path", "id_", "is_own"),
    [
        ("/x/instances_train2017.json", "images_000000000025", True),
        ("/x/instances_train2014.json", "persons-COCO_train2014_000000000025", True),
        ("/x/export.json", "images_000000000025", False),
        ("/x/instances_train2017.json", "images_25", False),
    ],
)
def test_photographs_of_coco_keep_their_group(tmp_path: Path, path: str, id_: str, is_own: bool) -> None:
    dataset = old(tmp_path / "d", [row(id_, number=25)], sources=[source("coco/images", path=path)])
    (found,) = dataset.table.to_pylist()
    assert (found["group"] == "coco/25") is is_own
    assert found["source"] == (f"coco/train{path[-9:-5]}" if is_own else "coco/images@ffffffff")


def test_rows_of_public_data_sets_stay_as_they_are(tmp_path: Path) -> None:
    rows = [
        row("1", of="celebamask", license="CelebAMask-HQ"),
        row("x", of="aifenge", number="b/x", sha="b", license=None),
    ]
    dataset = old(tmp_path / "d", rows, sources=[source("celebamask"), source("aifenge")])
    assert [by_id(dataset)[one["id"]] for one in rows] == [dict.fromkeys(SCHEMA.names) | one for one in rows]
    assert not dataset.reread


def test_folders_of_one_name_hold_other_photographs(tmp_path: Path) -> None:
    one, two = (
        old(
            tmp_path / name,
            [row(f"{name}1", of="images", sha=sha, license="MIT")],
            sources=[source("images", path=f"/x/{name}/images", print_=sha * 64)],
        )
        for name, sha in (("a", "a"), ("b", "b"))
    )
    assert leak_groups(pa.concat_tables([one.table, two.table])) == ["images/1@aaaaaaaa", "images/1@bbbbbbbb"]
    assert [dataset.table["source"][0].as_py() for dataset in (one, two)] == ["images@aaaaaaaa", "images@bbbbbbbb"]
    assert one.table["license"][0].as_py() == "MIT"


def test_a_fused_sample_is_read_with_all_its_photographs(tmp_path: Path) -> None:
    parts = {"foreground": ("coco/images", "7", "f", "1"), "background": ("coco/own", "7", "b", "1")}
    told = {
        f"{part}_{name}": value
        for part, (of, number, sha, text) in parts.items()
        for name, value in {"id": part, "source": of, "source_id": number, "sha256": sha * 64, "license": text}.items()
    }
    fused = row("f-fused-1", of="fused", number=7, sha="c", **told, background_group="coco/7")
    fused |= {"group": "coco/7", "license": "1"}
    sources = [source("coco/images"), source("coco/own", print_="e" * 64, **{"1": "Studio"}), source("fused")]
    (found,) = old(tmp_path / "d", [fused], sources=sources).table.to_pylist()
    assert (found["group"], found["background_group"]) == ("coco/images/7@ffffffff", "coco/own/7@bbbbbbbb")
    assert (found["foreground_license"], found["background_license"]) == (CC["1"], "Studio")
    assert found["license"] == f"{CC['1']} + Studio"
    assert (found["foreground_source"], found["source"]) == ("coco/images@ffffffff", "fused")


def test_what_is_written_again_is_of_todays_form(tmp_path: Path) -> None:
    dataset = old(tmp_path / "d", [row("a"), row("b", number=2, sha="b")], sources=[source("coco/images")])
    split_dataset(dataset.folder, shares=SplitShares(val=0.5, test=0), seed=0)
    again = read_dataset(dataset.folder)
    assert not again.reread
    for column in ("source", "group", "license"):
        assert again.table[column] == dataset.table[column]
    assert plan_merge([again]).items[0].payload["row"]["license"] == CC["1"]
