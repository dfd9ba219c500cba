"""The mask that an annotator starts from: the label, unless the models agree against it; the other one beside it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import Dataset
from curation.quarantine import BadRecord
from labeling.findings import Findings, findings_of
from labeling.label_tools.label_studio.drawing.brush import decode_brush
from labeling.label_tools.label_studio.push.prefill import least_repair, score_of, start_of
from labeling.label_tools.label_studio.push.push import push
from labeling.selection.select import Prefill
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of, draw_dataset, person_mask, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import box

WRONG = {"verdict": "label_error", "model_disagreement": 0.05}


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    made = draw_dataset(tmp_path, samples=2)
    made.path("predictions").mkdir()
    cv2.imwrite(str(made.path("predictions/0000.png")), box(3, 9))
    return made


def findings(dataset: Dataset, **found: Any) -> Findings:
    return Findings(folder=dataset.folder, rows={"0000": found}, model="m1")


@pytest.mark.parametrize(
    ("found", "start"),
    [
        (WRONG, "prediction"),
        (WRONG | {"model_disagreement": None}, "label"),  # one model alone said so
        (WRONG | {"model_disagreement": 0.9}, "label"),
        (WRONG | {"verdict": "model_error"}, "label"),
        (WRONG | {"verdict": "boundary_only"}, "label"),
        (WRONG | {"verdict": "ambiguous"}, "label"),
        ({}, "label"),
    ],
)
def test_the_label_is_the_start_unless_the_models_agree_that_it_is_wrong(
    dataset: Dataset, found: dict[str, Any], start: str
) -> None:
    row, other = dataset.table.to_pylist()
    known = findings(dataset, **found)
    assert least_repair(row, findings=known) == start
    assert least_repair(other, findings=known) == "label"  # nobody predicted it
    assert least_repair(row | {"mask": None}, findings=known) == "prediction"


def test_a_verdict_on_an_older_label_says_nothing_of_the_new_one(dataset: Dataset) -> None:
    row = dataset.table.to_pylist()[0]
    known = dataclasses.replace(findings(dataset, miou=0.4, **WRONG), outdated=frozenset({"0000"}))
    assert least_repair(row, findings=known) == "label"
    assert (score_of(row, findings=known), score_of(row, findings=findings(dataset, miou=0.4))) == (None, 0.4)


@pytest.mark.parametrize(
    ("prefill", "mask", "other"),
    [
        ("label", person_mask(0), box(3, 9)),
        ("auto", person_mask(0), box(3, 9)),
        ("prediction", box(3, 9), person_mask(0)),
    ],
)
def test_what_is_not_the_start_is_offered_beside_it(
    dataset: Dataset, prefill: Prefill, mask: np.ndarray, other: np.ndarray
) -> None:
    row, alone = dataset.table.to_pylist()
    start = start_of(row, dataset=dataset, findings=findings(dataset), prefill=prefill)
    assert start is not None and start.other is not None
    assert np.array_equal(start.mask, mask) and np.array_equal(start.other, other)
    if prefill != "prediction":
        second = start_of(alone, dataset=dataset, findings=findings(dataset), prefill=prefill)
        assert second is not None and second.other is None
    assert start_of(row, dataset=dataset, findings=findings(dataset), prefill="none") is None


def test_another_mask_that_cannot_be_read_or_is_the_same_is_not_offered(dataset: Dataset) -> None:
    row = dataset.table.to_pylist()[0]
    for content in (b"no picture", cv2.imencode(".png", person_mask(0))[1].tobytes()):
        dataset.path("predictions/0000.png").write_bytes(content)
        start = start_of(row, dataset=dataset, findings=findings(dataset), prefill="label")
        assert start is not None and start.other is None
    dataset.path("predictions/0000.png").write_bytes(b"no picture")
    with pytest.raises(BadRecord):
        start_of(row, dataset=dataset, findings=findings(dataset), prefill="prediction")


def test_a_task_holds_both_masks_and_the_page_begins_with_the_start(dataset: Dataset) -> None:
    plan = dataclasses.replace(push_of(dataset), findings=findings_of(dataset, scores=None), model_version="sinet")
    with running(FakeServer()) as server, client_of(server.url) as client:
        push(plan, client=client)
        first, second = server.tasks.values()
        (project,) = server.projects.values()
        assert project["model_version"] == "start"
        assert [one["model_version"] for one in first["predictions"]] == ["other: sinet", "start"]
        assert [one["model_version"] for one in second["predictions"]] == ["start"]
        other, start = (one["result"] for one in first["predictions"])
        size = {"height": SIZE[0], "width": SIZE[1]}
        assert np.array_equal(decode_brush(other[0]["value"]["rle"], **size), box(3, 9))
        assert np.array_equal(decode_brush(start[0]["value"]["rle"], **size), person_mask(0))
        line = decode_brush(start[1]["value"]["rle"], **size) > 0
        assert start[1]["value"]["brushlabels"] == ["other mask"]
        rim = cv2.morphologyEx(box(3, 9), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)) > 0
        assert np.array_equal(line, rim)


def test_a_project_of_earlier_tasks_goes_on_with_its_version_and_one_without_the_label_gets_no_outline(
    dataset: Dataset,
) -> None:
    plan = dataclasses.replace(push_of(dataset), findings=findings_of(dataset, scores=None))
    with running(FakeServer()) as server, client_of(server.url) as client:
        push(dataclasses.replace(plan, rows=[]), client=client)
        (project,) = server.projects.values()
        project |= {"model_version": "m0", "parsed_label_config": {"mask": {"labels": ["person"]}}}
        push(plan, client=client)
        predictions = next(iter(server.tasks.values()))["predictions"]
        assert [one["model_version"] for one in predictions] == ["other: m1", "m0"]
        assert [len(one["result"]) for one in predictions] == [1, 1]
        assert project["model_version"] == "m0"
