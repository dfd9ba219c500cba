from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.operations.leak_groups import batches_of
from models.evaluation.score_table import columns_of, table_of_scores
from models.evaluation.slices import SliceName
from models.evaluation.summaries import compare, describe
from models.metrics.comparison import compare_paired
from models.metrics.summary import summarise
from tests.models.drawn import score_row


def table(miou: Sequence[float | None], *, dataset: str = "d", **columns: Sequence[object]) -> pa.Table:
    rows = [
        score_row(
            f"{number:02}",
            dataset=dataset,
            miou=value,
            is_finite=value is not None,
            **({"tp": 5, "fp": 1, "fn": 1, "tn": 5, "iou_person": value, "iou_background": value} if value else {}),
            **{name: values[number] for name, values in columns.items()},
        )
        for number, value in enumerate(miou)
    ]
    return table_of_scores(rows)


def described(scores: pa.Table, *, slices: Sequence[SliceName]) -> dict[str, Any]:
    return describe(batches_of(scores), slices=slices)


def compared(first: pa.Table, *, second: pa.Table, slices: Sequence[SliceName], seed: int) -> dict[str, Any]:
    return compare(batches_of(first), second=batches_of(second), slices=slices, seed=seed)


def test_a_set_is_described_as_a_whole_and_by_slice() -> None:
    found = described(table([0.2, 0.9, None], source=["a", "b", "b"]), slices=["source"])
    assert found["summary"]["miou_image"] == pytest.approx(0.55)
    assert found["slices"]["source"]["a"] == {
        "images": 1,
        "not_finite": 0,
        "miou_image": 0.2,
        "std": 0.0,
        "share_under": 1.0,
        "boundary_iou": None,
    }
    assert (found["slices"]["source"]["b"]["images"], found["slices"]["source"]["b"]["not_finite"]) == (2, 1)


def test_slices_are_summaries_of_their_rows() -> None:
    whole = table([0.1, 0.5, 0.9, 0.7], person_area=[0.02, 0.6, 0.02, 0.1])
    found = described(whole, slices=["size"])["slices"]["size"]
    tiny = asdict(summarise(columns_of(whole.take([0, 2]))))
    assert found["tiny"] == {name: tiny[name] for name in found["tiny"]}


def test_the_description_is_json_whatever_is_missing() -> None:
    for miou in ([], [None], [0.5]):
        assert json.dumps(described(table(miou), slices=["size", "holes"]), allow_nan=False)


def test_two_models_are_compared_sample_by_sample_whatever_the_order_of_rows() -> None:
    first, second = table([0.5, 0.6, 0.7]), table([0.6, 0.6, 0.5])
    expected = compare_paired(np.array([0.5, 0.6, 0.7]), second=np.array([0.6, 0.6, 0.5]), rng=np.random.default_rng(4))
    found = compared(first.take([2, 0, 1]), second=second, slices=[], seed=4)
    assert found == {"overall": asdict(expected), "slices": {}}


def test_samples_of_one_model_alone_are_counted_and_left_out() -> None:
    first, second = table([0.5, 0.6, None, 0.4]), table([0.7, None, 0.5]).slice(0, 3)
    found = compared(first, second=second, slices=[], seed=0)["overall"]
    assert (found["images"], found["left_out"]) == (1, 2)


def test_samples_of_two_sets_with_one_id_are_not_mixed_up() -> None:
    first = pa.concat_tables([table([0.1], dataset="a"), table([0.9], dataset="b")])
    second = pa.concat_tables([table([0.9], dataset="b"), table([0.1], dataset="a")])
    assert compared(first, second=second, slices=[], seed=0)["overall"]["equal"] == 1.0


def test_each_slice_is_compared_by_itself() -> None:
    source = ["a", "a", "b"]
    first, second = table([0.5, 0.5, 0.5], source=source), table([0.6, 0.6, 0.2], source=source)
    found = compared(first, second=second, slices=["source"], seed=0)["slices"]["source"]
    assert found["a"]["difference"] == pytest.approx(0.1)
    assert found["b"]["difference"] == pytest.approx(-0.3)


def test_samples_of_one_group_count_as_one_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    change = rng.normal(0.02, 0.1, 12)
    miou = [0.5] * 48

    def width(groups: list[str]) -> float:
        after = (0.5 + np.repeat(change, 4)).tolist()
        found = compared(table(miou, group=groups), second=table(after, group=groups), slices=[], seed=0)["overall"]
        return float(found["high"] - found["low"])

    photographs = [f"g{number // 4}" for number in range(48)]
    alone = [f"g{number}" for number in range(48)]
    assert width(photographs) > 1.5 * width(alone)


def test_samples_without_a_group_stand_for_themselves() -> None:
    first, second = table([0.5, 0.5], group=[None, None]), table([0.6, 0.8], group=[None, None])
    found = compared(first, second=second, slices=[], seed=0)["overall"]
    assert found["low"] < found["high"]
