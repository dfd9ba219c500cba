"""The numbers of a dataset, against numbers worked out by hand."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from curation.dataset.card import Card, Counts
from curation.dataset.dataset import SCHEMA, Dataset
from curation.dataset.rows import InMemory
from curation.operations.statistics import Range, area_spread, describe


def test_numbers_of_a_small_dataset_are_those_counted_by_hand() -> None:
    rows: list[dict[str, object]] = [
        {"id": "a", "source": "coco", "split": "train", "license": "1", "persons": 1, "person_area": 0.1, "width": 640},
        {"id": "b", "source": "coco", "split": "test", "license": None, "persons": 2, "person_area": 0.3, "width": 480},
        {"id": "c", "source": "pairs", "split": None, "license": "1", "person_area": None, "width": 600},
    ]
    common = {"height": 400, "label_version": 0, "group": "g", "sha256": None, "image": "i", "mask": "m"}
    table = pa.Table.from_pylist([{**row, **common} for row in rows], schema=SCHEMA)
    table = table.append_column("miou", pa.array([0.1, 0.2, 0.3]))
    counts = Counts(considered=5, selected=3, filtered={"small": 1}, quarantined={"TRUNCATED": 1})
    card = Card(
        name="d", command="merge", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    numbers = describe(Dataset(folder=Path("d"), card=card, rows=InMemory(table)))
    assert numbers.samples == 3
    assert numbers.by_source == {"coco": 2, "pairs": 1}
    assert numbers.by_split == {"none": 1, "test": 1, "train": 1}
    assert numbers.by_license == {"1": 2, "none": 1}
    assert numbers.by_persons == {"1": 1, "2": 1, "none": 1}
    assert numbers.by_label_version == {"0": 3}
    assert numbers.width_px == Range(low=480, median=600, high=640)
    assert (numbers.groups, numbers.groups_across_splits) == (1, 1)
    assert (numbers.with_mask, numbers.with_alpha, numbers.with_trimap) == (3, 0, 0)
    assert numbers.columns_added == {"miou": "double"}
    assert numbers.counts == counts


def test_samples_under_licences_with_restrictions_are_counted_once_each() -> None:
    licenses = ["CC BY 4.0", "CC BY-NC-ND 2.0", "CC BY-NC-ND 2.0", "Attribution-NoDerivs License", None]
    table = pa.Table.from_pylist([{"id": str(number), "license": text} for number, text in enumerate(licenses)], SCHEMA)
    counts = Counts(considered=5, selected=5, filtered={}, quarantined={})
    card = Card(
        name="d", command="merge", settings={}, tool_version="1", run="r", sources=[], licenses={}, counts=counts
    )
    numbers = describe(Dataset(folder=Path("d"), card=card, rows=InMemory(table)))
    assert (numbers.non_commercial, numbers.no_derivatives) == (2, 3)
    assert numbers.by_license["CC BY-NC-ND 2.0"] == 2


def test_quantiles_are_linear_between_neighbours() -> None:
    spread = area_spread([0.0, 0.1, 0.2, 0.3, 0.4])
    assert (spread.p5, spread.p50, spread.p95) == pytest.approx((0.02, 0.2, 0.38))


def test_a_dataset_without_areas_has_no_quantiles() -> None:
    spread = area_spread([None, None])
    assert (spread.p5, spread.p50, spread.p95, spread.unknown) == (None, None, None, 2)
    assert sum(spread.histogram) == 0


def test_every_known_area_is_in_one_bin() -> None:
    spread = area_spread([0.0, 0.1, 0.99, 1.0, None])
    assert sum(spread.histogram) == 4
    assert spread.histogram[0] == 1
    assert spread.histogram[1] == 1
    assert spread.histogram[9] == 2
