from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.errors import InputRefused
from labeling.findings import Findings
from labeling.selection.next_samples import next_samples, predicted_features
from labeling.selection.select import STRATEGIES, Features, Strategy, k_centre, select


def row(id_: str, *, miou: float | None = 0.5, uncertain: float | None = 0.1, **more: Any) -> dict[str, Any]:
    finite = {"is_finite": True, "verdict": None, "contradicted": None}
    return {"id": id_, "miou": miou, "uncertainty_boundary": uncertain, "view_disagreement": None} | finite | more


ROWS = [
    row("a", miou=0.9, uncertain=0.9, verdict="ok", view_disagreement=0.3),
    row("b", miou=0.2, uncertain=0.1, verdict="model_error", view_disagreement=0.0),
    row("c", miou=0.6, uncertain=0.5, verdict="label_error", contradicted=0.2, view_disagreement=0.4),
    row("d", miou=0.7, uncertain=0.2, verdict="label_error", contradicted=0.6),
    row("e", miou=None, uncertain=None, is_finite=False, verdict="model_error"),
    row("f", miou=None, uncertain=0.7),
]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [("threshold", "ebcdaf"), ("uncertainty", "eafcdb"), ("verdict", "edcbaf"), ("views", "ecabdf")],
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


def test_views_are_refused_where_one_view_alone_was_predicted(tmp_path: Path) -> None:
    rows = [row("a"), row("b"), row("c", is_finite=False)]
    known = {one["id"]: one for one in rows}
    for found in (known, {id_: {"is_finite": one["is_finite"]} for id_, one in known.items()}):
        findings = Findings(folder=tmp_path, rows=found, model="m")
        with pytest.raises(InputRefused, match="view_disagreement is missing or empty"):
            next_samples(rows, findings=findings, strategy="views", budget=1, rng=np.random.default_rng(0))
    known["b"]["view_disagreement"] = 0.5
    findings = Findings(folder=tmp_path, rows=known, model="m")
    found = next_samples(rows, findings=findings, strategy="views", budget=None, rng=np.random.default_rng(0))
    assert [one["id"] for one in found] == ["c", "b", "a"]
    assert next_samples([], findings=findings, strategy="views", budget=1, rng=np.random.default_rng(0)) == []


def test_the_model_looks_at_those_that_may_be_chosen_where_a_strategy_covers(tmp_path: Path) -> None:
    rows = [row("a", review="relabel"), row("b"), row("c"), row("d", review="drop"), row("e")]
    findings = Findings(folder=tmp_path, rows={one["id"]: one for one in rows}, model="m")
    seen: list[str] = []

    def features_of(asked: Sequence[Mapping[str, Any]]) -> Features:
        seen.append("".join(one["id"] for one in asked))
        return np.float32([[0], [1], [9]])

    for strategy in STRATEGIES:
        if strategy == "views":
            continue
        asked = {"strategy": strategy, "budget": 3, "rng": np.random.default_rng(0), "features_of": features_of}
        found = next_samples(rows, findings=findings, **asked)
        if strategy == "diverse":
            assert [one["id"] for one in found] == ["a", "b", "e"]
    assert seen == ["bce", "bce"]
    asked = {"strategy": "diverse", "budget": 3, "rng": np.random.default_rng(0), "features_of": features_of}
    assert next_samples([], findings=findings, **asked) == [] and len(seen) == 2


def test_features_are_the_predictions_made_small(tmp_path: Path) -> None:
    stored = np.zeros((32, 32), np.uint8)
    stored[:, 16:] = 255
    (tmp_path / "predictions").mkdir()
    (tmp_path / "predictions" / "a.png").write_bytes(cv2.imencode(".png", stored)[1].tobytes())
    findings = Findings(folder=tmp_path, rows={}, model="m")
    features = predicted_features([{"id": "a"}, {"id": "nobody"}], findings=findings).reshape(2, 16, 16)
    assert features[0, :, :8].max() == 0.0 and features[0, :, 8:].min() == 1.0 and not features[1].any()
