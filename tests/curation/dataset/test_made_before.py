"""What earlier versions may have left in a data set is named, and a data set of today has nothing of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curation.dataset.card import CARD
from curation.dataset.dataset import read_dataset
from curation.dataset.made_before import is_incomplete, made_before
from pipelines.command_line.options import RunOptions
from pipelines.datasets.stats import StatsFlags, stats
from tests.curation.fusion.fusion_data import grounds, persons


def as_made_before(folder: Path, **told: Any) -> None:
    """Write a card as there was before cards had a format."""
    card = {**json.loads((folder / CARD).read_text()), **told}
    card.pop("format", None)
    (folder / CARD).write_text(json.dumps(card))


def test_a_dataset_of_today_has_nothing(tmp_path: Path) -> None:
    assert made_before(persons(tmp_path / "p", ["a", "b"])) == []


@pytest.mark.parametrize(
    ("command", "records", "faults"),
    [
        ("coco-background", {"ORPHAN_ANN": 2, "POLY_SHAPE": 1}, ["broken links"]),
        ("coco-background", {"POLY_SHAPE": 1}, []),
        ("coco-person", {"ORPHAN_ANN": 2}, []),
        ("fuse", {}, ["colour profiles"]),
        ("matte", {}, ["colour profiles"]),
    ],
)
def test_commands_whose_results_hang_on_a_fault_are_named(
    tmp_path: Path, command: str, records: dict[str, int], faults: list[str]
) -> None:
    grounds(tmp_path / "g", ["a", "b"])
    as_made_before(tmp_path / "g", command=command, records=records)
    touched = made_before(read_dataset(tmp_path / "g"))
    assert [one.fault for one in touched if one.fault in {"broken links", "colour profiles"}] == faults
    assert all(one.samples == 2 and f"curate {command}" in one.remedy for one in touched if one.fault in faults)


@pytest.mark.parametrize(
    ("changes", "is_touched"),
    [
        ({"broken_parts": 1}, True),
        ({"broken_parts": 0}, False),
        ({"broken_parts": 1, "ignore": "ignores/a.png"}, False),
        ({"broken_parts": 1, "label_version": 1}, False),
        ({"broken_parts": 1, "mask": None}, False),
    ],
)
def test_a_mask_that_lacks_a_person_is_told(changes: dict[str, Any], is_touched: bool) -> None:
    assert is_incomplete({"mask": "masks/a.png", "label_version": 0, **changes}) is is_touched


def test_stats_tells_people_and_scripts_what_to_run(tmp_path: Path) -> None:
    grounds(tmp_path / "g", ["a"])
    as_made_before(tmp_path / "g", command="coco-background", records={"ORPHAN_ANN": 3})
    result = stats(StatsFlags(datasets=(tmp_path / "g",), verify=True), run=RunOptions(workers=0, quiet=True))
    assert "3 annotations of the file could not be read" in result.summary
    assert "curate coco-background` again with --overwrite" in result.summary
    assert "broken links" in [one["fault"] for one in result.data["datasets"][0]["made_before"]]
