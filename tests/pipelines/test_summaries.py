"""What split, merge, gallery, demo and empty results tell: what was kept, what is missing, and what to do about it."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pytest

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, read_dataset, write_dataset
from curation.errors import ConfigurationProblem
from pipelines.command_line.options import Result, RunOptions
from pipelines.datasets.gallery import GalleryFlags, gallery
from pipelines.datasets.merge import MergeFlags, merge
from pipelines.datasets.split import SplitFlags, split
from pipelines.demonstration.demo import DemoFlags, demo
from pipelines.sources.make_dataset import DECIDED_BY, empty_warning
from pipelines.sources.pairs import PairsFlags, pairs
from tests.pipelines.commands import run, tree

HERE = RunOptions(workers=0, quiet=True)
DRY = RunOptions(workers=0, quiet=True, dry_run=True)


def dataset(folder: Path, *splits: str | None) -> Path:
    """Write a dataset with one sample for each of some splits; its images are there, but hold no picture."""
    (folder / "images").mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(splits):
        id_ = f"{folder.name}{number:02}"
        (folder / "images" / f"{id_}.jpg").write_bytes(id_.encode())
        row = {"id": id_, "image": f"images/{id_}.jpg", "split": name, "group": id_, "label_version": 0}
        row |= {"width": 4, "height": 3, "source": folder.name, "source_id": id_}
        rows.append(row | {"sha256": sha256(id_.encode()).hexdigest()})
    counts = Counts(considered=len(rows), selected=len(rows), filtered={}, quarantined={})
    card = Card(
        name="d", command="pairs", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    write_dataset(folder, card=card, table=pa.Table.from_pylist(rows, schema=SCHEMA), quarantine=[])
    return folder


def test_a_second_split_says_what_it_kept_and_how_to_split_anew(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "d", *[None] * 20)
    first = split(SplitFlags(dataset=folder), run=HERE)
    assert first.data["kept"] == 0
    assert "--overwrite" not in first.summary
    before = tree(folder)
    second = split(SplitFlags(dataset=folder, val=0.5), run=HERE)
    assert "0 samples split" in second.summary
    assert "20 of them had a split already and keep it; --overwrite splits all again" in second.summary
    assert (second.data["kept"], second.data["counts"]) == (20, first.data["counts"])
    assert tree(folder) == before
    anew = split(SplitFlags(dataset=folder, val=0.5), run=RunOptions(workers=0, overwrite=True))
    assert (anew.data["kept"], anew.data["counts"]) == (0, {"train": 8, "val": 10, "test": 2})


@pytest.mark.parametrize("flags", [HERE, DRY], ids=["written", "dry run"])
def test_a_split_of_a_dataset_that_grew_tells_the_kept_from_the_new(tmp_path: Path, flags: RunOptions) -> None:
    folder = dataset(tmp_path / "d", "train", "test", *[None] * 8)
    result = split(SplitFlags(dataset=folder), run=flags)
    assert result.data["kept"] == 2
    assert "8 samples split with seed 0" in result.summary
    assert read_dataset(folder).table["split"].null_count == (8 if flags.dry_run else 0)


def test_splitting_nothing_is_warned_of(tmp_path: Path) -> None:
    (warning,) = split(SplitFlags(dataset=dataset(tmp_path / "d")), run=HERE).warnings
    assert "holds no sample" in warning


def test_counts_that_select_something_are_not_warned_of() -> None:
    counts = Counts(considered=3, selected=1, filtered={"query": 2}, quarantined={})
    assert empty_warning(counts, out=Path("D")) == ()


def test_a_dataset_that_holds_nothing_is_warned_of_with_what_left_everything_out() -> None:
    counts = Counts(considered=24, selected=0, filtered={"no_supercategory": 8, "person": 15}, quarantined={"MODE": 1})
    (warning,) = empty_warning(counts, out=Path("D"))
    assert warning == (
        "D holds no sample. Of 24 inputs all were left out: person 15, no_supercategory 8, MODE 1; "
        "see --supercategories"
    )
    (warning,) = empty_warning(Counts(considered=0, selected=0, filtered={}, quarantined={}), out=Path("D"))
    assert warning == "D holds no sample: there was no input"


def test_flags_that_are_named_for_a_reason_exist() -> None:
    known = set()
    for verb in ("coco-person", "coco-background", "merge", "mine"):
        known |= set(run(verb, "-h").stdout.split())
    assert {flag for flags in DECIDED_BY.values() for flag in flags.split(", ")} <= known


def test_a_merge_that_selects_nothing_warns_on_stderr_and_in_json(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "d", "train")
    arguments = ["merge", folder, "--out", tmp_path / "out", "--where", "id == 'nobody'", "--workers", "0"]
    done = run(*arguments, "--json")
    assert done.returncode == 0
    assert done.stderr.startswith(f"curate: warning: {tmp_path / 'out'} holds no sample")
    (warning,) = json.loads(done.stdout)["warnings"]
    assert warning in done.stderr
    assert "--where" in warning


@pytest.mark.parametrize("flags", [HERE, DRY], ids=["written", "dry run"])
def test_a_merge_says_how_many_have_no_split_while_others_do(tmp_path: Path, flags: RunOptions) -> None:
    one, two = dataset(tmp_path / "one", "train", "val"), dataset(tmp_path / "two", None, None, None)

    def merged(out: str, *folders: Path) -> Result:
        return merge(MergeFlags(datasets=folders, out=tmp_path / out), run=flags)

    mixed = merged("mixed", one, two)
    assert mixed.data["without_split"] == 3
    assert "no split            3   of 5; curate split" in mixed.summary
    assert "no split" not in merged("all", one).summary + merged("none", two).summary


def test_a_gallery_without_samples_says_so(tmp_path: Path) -> None:
    folder = dataset(tmp_path / "d", "train")
    for flags in (HERE, DRY):
        (warning,) = gallery(GalleryFlags(datasets=(folder,), where="split == 'val'"), run=flags).warnings
        assert "no sample matches --where \"split == 'val'\"" in warning
    (warning,) = gallery(GalleryFlags(datasets=(dataset(tmp_path / "e"),)), run=HERE).warnings
    assert "there is no sample to show" in warning


def test_a_dry_run_of_the_demo_writes_nothing(tmp_path: Path) -> None:
    result = demo(DemoFlags(out=tmp_path / "demo"), run=DRY)
    assert "dry run" in result.summary
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("images", [-1, 0, 7])
def test_a_demo_of_too_few_images_is_refused(tmp_path: Path, images: int) -> None:
    with pytest.raises(ConfigurationProblem, match="too few"):
        demo(DemoFlags(out=tmp_path / "demo", images=images), run=HERE)
    assert list(tmp_path.iterdir()) == []


def test_a_limited_demo_shows_all_that_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    result = demo(DemoFlags(out=tmp_path / "demo", images=8, no_loop=True), run=RunOptions(workers=0, limit=1))
    assert capsys.readouterr().err.startswith(
        f"curate: {tmp_path / 'demo'}: drawing sample data and curating it, about"
    )
    assert result.warnings == ()
    assert "3 of 3 samples" in result.summary


@pytest.mark.parametrize(("value", "told"), [("15", "3   75.0%"), ("255", "1   25.0%"), ("15-255", None)])
def test_pairs_tell_what_share_of_the_masks_does_not_hold_the_person_value(
    tmp_path: Path, value: str, told: str | None
) -> None:
    for number in range(4):
        image = np.random.default_rng(number).integers(0, 256, (40, 30, 3), dtype=np.uint8)
        mask = np.zeros((40, 30), np.uint8)
        mask[10:30, 5:25] = 15 if number == 0 else 255
        for folder, array in (("i", image), ("m", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / f"{number}.png").write_bytes(cv2.imencode(".png", array)[1].tobytes())
    flags = PairsFlags(images=tmp_path / "i", masks=tmp_path / "m", out=tmp_path / "D", person_value=value)
    summary = pairs(flags, run=HERE).summary
    assert (
        f"{told} of the selected: no pixel has the --person-value {value}" in summary
        if told
        else ("show nobody" not in summary)
    )
