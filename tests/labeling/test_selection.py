from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from labeling.label_studio.prefill import Findings
from labeling.next_samples import features_of, next_samples
from labeling.selection import STRATEGIES, Strategy, k_centre, select


def row(id_: str, *, miou: float | None = 0.5, uncertain: float | None = 0.1, **more: Any) -> dict[str, Any]:
    finite = {"is_finite": True, "verdict": None, "contradicted": None}
    return {"id": id_, "miou": miou, "uncertainty_boundary": uncertain} | finite | more


ROWS = [
    row("a", miou=0.9, uncertain=0.9, verdict="ok"),
    row("b", miou=0.2, uncertain=0.1, verdict="model_error"),
    row("c", miou=0.6, uncertain=0.5, verdict="label_error", contradicted=0.2),
    row("d", miou=0.7, uncertain=0.2, verdict="label_error", contradicted=0.6),
    row("e", miou=None, uncertain=None, is_finite=False, verdict="model_error"),
    row("f", miou=None, uncertain=0.7),
]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("threshold", "ebcdaf"), ("uncertainty", "eafcdb"), ("verdict", "edcbaf")],
)
def test_orders_worked_by_hand(strategy: Strategy, expected: str) -> None:
    for rows in (ROWS, ROWS[::-1]):
        found = select(rows, strategy=strategy, budget=9, rng=np.random.default_rng(0))
        assert "".join(found) == expected


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_budget_and_seed_are_kept_by_every_strategy(strategy: Strategy) -> None:
    features = np.random.default_rng(1).normal(size=(len(ROWS), 3)).astype(np.float32)
    once, again = (
        select(ROWS, strategy=strategy, budget=4, rng=np.random.default_rng(5), features=features) for _ in range(2)
    )
    assert once == again and len(once) == len(set(once)) == 4
    assert select(ROWS, strategy=strategy, budget=0, rng=np.random.default_rng(5), features=features) == []
    assert select([], strategy=strategy, budget=3, rng=np.random.default_rng(5), features=features[:0]) == []


def test_k_centre_is_within_twice_of_the_best_cover() -> None:
    features = np.random.default_rng(3).normal(size=(12, 2)).astype(np.float32)
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)

    def radius(centres: tuple[int, ...] | list[int]) -> float:
        return float(distances[:, list(centres)].min(axis=1).max())

    best = min(radius(centres) for centres in combinations(range(12), 3))
    assert radius(k_centre(features, count=3, first=0)) <= 2 * best + 1e-6


def test_equal_features_are_still_chosen_once_each() -> None:
    assert sorted(k_centre(np.zeros((4, 2), np.float32), count=4, first=2)) == [0, 1, 2, 3]


def test_mixed_covers_first_and_fills_up_with_failures() -> None:
    rows = [row(f"{number:02}", miou=number / 20) for number in range(20)]
    features = np.float32([[number] for number in range(20)])
    found = select(rows, strategy="mixed", budget=10, rng=np.random.default_rng(0), features=features)
    assert found[:3] == ["00", "19", "09"] or found[:3] == ["00", "19", "10"]
    assert found[3:] == [f"{number:02}" for number in range(1, 8)]


def test_what_a_person_tagged_comes_first_or_never(tmp_path: Path) -> None:
    tags = {"a": "relabel", "b": "drop", "d": "relabel"}
    manifest = [{"id": one["id"], "review": tags.get(one["id"])} for one in ROWS]
    findings = Findings(folder=tmp_path, rows={one["id"]: one for one in ROWS}, model="m")
    for strategy in STRATEGIES:
        found = next_samples(manifest, findings=findings, strategy=strategy, budget=None, rng=np.random.default_rng(0))
        ids = [str(row["id"]) for row in found]
        assert ids[:2] == ["d", "a"] and sorted(ids) == ["a", "c", "d", "e", "f"]
    few = next_samples(manifest, findings=findings, strategy="verdict", budget=3, rng=np.random.default_rng(0))
    assert [row["id"] for row in few] == ["d", "a", "e"]


def test_features_are_the_predictions_made_small(tmp_path: Path) -> None:
    stored = np.zeros((32, 32), np.uint8)
    stored[:, 16:] = 255
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "a.png").write_bytes(cv2.imencode(".png", stored)[1].tobytes())
    findings = Findings(folder=tmp_path, rows={}, model="m")
    features = features_of([{"id": "a"}, {"id": "nobody"}], findings=findings).reshape(2, 16, 16)
    assert features[0, :, :8].max() == 0.0 and features[0, :, 8:].min() == 1.0 and not features[1].any()
