"""Known masks are pushed as tasks like all others, never show themselves, and score what annotators made of them."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from labeling.findings import findings_of
from labeling.label_tools.label_studio.drawing.brush import decode_brush
from labeling.label_tools.label_studio.project.golden import choose_golden, sketch_of
from labeling.label_tools.label_studio.pull.status import status_of
from labeling.label_tools.label_studio.push.push import Push, push
from labeling.selection.select import Prefill
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of, draw_dataset, person_mask, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import box, drawn_result
from tests.labeling.label_tools.label_studio.server.test_responses import with_predictions

OWN = 3


def plan_of(folder: Path, *, prefill: Prefill, is_predicted: bool, is_elsewhere: bool) -> Push:
    """Plan to push three samples and two known masks, of the same dataset or of another one."""
    dataset = draw_dataset(folder / "own", samples=6)
    pool = draw_dataset(folder / "pool", samples=8) if is_elsewhere else dataset
    if is_predicted:
        with_predictions(dataset)
    rows = push_of(dataset).rows[:OWN]
    golden = choose_golden(pool, number=2, besides=rows if not is_elsewhere else pool.table.to_pylist()[:6], seed=1)
    findings = findings_of(dataset, scores=None)
    return dataclasses.replace(push_of(dataset), rows=rows, golden=golden, prefill=prefill, findings=findings)


def masks_of(task: dict[str, Any]) -> list[np.ndarray]:
    """Return all masks, and insides of outlines, that a task shows or holds."""
    regions = [region for one in task["predictions"] for region in one["result"]]
    return [decode_brush(region["value"]["rle"], height=SIZE[0], width=SIZE[1]) for region in regions]


def form_of(task: dict[str, Any]) -> Any:
    """Return what an annotator sees of a task but for picture, name and pixels."""
    shown = [
        (one["model_version"], "score" in one, [r["value"]["brushlabels"] for r in one["result"]])
        for one in task["predictions"]
    ]
    return shown, sorted(task["data"]), task["data"]["with_start"], task["data"]["config"]


@pytest.mark.parametrize("is_elsewhere", [False, True], ids=["own", "elsewhere"])
@pytest.mark.parametrize(
    ("prefill", "is_predicted"),
    [("auto", False), ("auto", True), ("label", False), ("label", True), ("prediction", True), ("none", True)],
)
def test_a_known_mask_is_pushed_like_any_other_sample_and_is_never_shown(
    tmp_path: Path, prefill: Prefill, is_predicted: bool, is_elsewhere: bool
) -> None:
    plan = plan_of(tmp_path, prefill=prefill, is_predicted=is_predicted, is_elsewhere=is_elsewhere)
    with running(FakeServer()) as server, client_of(server.url) as client:
        assert push(plan, client=client).golden == 2
        known = {one.row["id"]: person_mask(int(one.row["id"])) for one in plan.golden}
        hidden = [task for task in server.tasks.values() if task["data"]["sample_id"] in known]
        others = [task for task in server.tasks.values() if task["data"]["sample_id"] not in known]
        assert (len(hidden), len(others)) == (2, OWN)
        assert len({str(form_of(task)) for task in server.tasks.values()}) == 1
        for task in hidden:
            truth = known[task["data"]["sample_id"]]
            rim = cv2.morphologyEx(truth, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
            assert not any(np.array_equal(mask, one) for mask in masks_of(task) for one in (truth, rim))
            assert bool(masks_of(task)) == (prefill != "none")


def test_a_prediction_that_is_the_known_mask_to_the_pixel_is_not_shown(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, prefill="label", is_predicted=True, is_elsewhere=False)
    for one in plan.golden:
        cv2.imwrite(str(plan.dataset.path(f"predictions/{one.row['id']}.png")), person_mask(int(one.row["id"])))
    with running(FakeServer()) as server, client_of(server.url) as client:
        push(plan, client=client)
        tasks = {task["data"]["sample_id"]: task for task in server.tasks.values()}
        for one in plan.golden:
            other, start, _ = masks_of(tasks[one.row["id"]])
            assert not np.array_equal(other, person_mask(int(one.row["id"])))
            assert not np.array_equal(other, start)


def test_annotators_are_scored_by_the_mask_that_their_answer_takes(tmp_path: Path) -> None:
    plan = plan_of(tmp_path, prefill="label", is_predicted=True, is_elsewhere=False)
    first, second = (one.row["id"] for one in plan.golden)
    with running(FakeServer()) as server, client_of(server.url) as client:
        push(plan, client=client)
        tasks = {task["data"]["sample_id"]: task for task in server.tasks.values()}
        truth, predicted = person_mask(int(first)), box(3, 9 + int(second))
        server.annotate(tasks[first]["id"], result=drawn_result(truth, verdict="fixed"), completed_by=1)
        shown = tasks[second]["predictions"][-1]["result"]
        server.annotate(tasks[second]["id"], result=[*shown, *drawn_result(verdict="other right")], completed_by=2)
        server.annotate(tasks[second]["id"], result=[*shown, *drawn_result(verdict="right")], completed_by=3)
        scores = {one.annotator: one.iou for one in status_of(plan.dataset, client=client, title="drawn").golden_scores}
    both, either = predicted & person_mask(int(second)), predicted | person_mask(int(second))
    assert scores["1"] == 1.0
    assert scores["2"] == pytest.approx(np.count_nonzero(both) / np.count_nonzero(either))
    assert 0 < scores["3"] <= 0.9


@pytest.mark.parametrize(
    "mask",
    [person_mask(3), np.full((40, 30), 255, np.uint8), box(3, 5), np.pad(person_mask(1), 60)],
    ids=["person", "whole frame", "line", "far away"],
)
def test_a_sketch_looks_like_its_mask_and_differs_from_it(mask: np.ndarray) -> None:
    for seed in range(5):
        sketch = sketch_of(mask, rng=np.random.default_rng(seed))
        assert set(np.unique(sketch)) <= {0, 255} and sketch.shape == mask.shape
        both, either = np.count_nonzero(sketch & mask), np.count_nonzero(sketch | mask)
        assert 0.4 < both / either <= 0.9
        assert np.array_equal(sketch, sketch_of(mask, rng=np.random.default_rng(seed)))


def test_a_picture_of_nobody_has_an_empty_sketch() -> None:
    nothing = np.zeros((5, 7), np.uint8)
    assert np.array_equal(sketch_of(nothing, rng=np.random.default_rng(0)), nothing)
