"""What an annotation means beside the mask that its task began with: nobody's click replaces a label."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset import Dataset, read_dataset
from labeling.label_studio.config import CONFIG, CONFIG_HASH
from labeling.label_studio.golden import choose_golden
from labeling.label_studio.prefill import findings_of
from labeling.label_studio.pulling import Pulled, pull
from labeling.label_studio.pushing import push
from labeling.label_studio.status import status_of
from tests.labeling.label_studio.drawn import client_of, draw_dataset, person_mask, push_of
from tests.labeling.label_studio.fake_server import FakeServer, running
from tests.labeling.label_studio.rounds import box, drawn_result

FORMER = "4dc5a604fc648c4f"
"""The hash of the label config before answers were required."""


class Asked:
    """Two samples on a fake server: the labels are drawn persons, the predictions boxes."""

    def __init__(self, folder: Path, server: FakeServer, *, prefill: Any) -> None:
        self.server = server
        self.dataset = with_predictions(draw_dataset(folder, samples=2))
        with client_of(server.url) as client:
            push(self.plan(prefill=prefill), client=client)

    def plan(self, **values: Any) -> Any:
        return dataclasses.replace(push_of(self.dataset), findings=findings_of(self.dataset, scores=None), **values)

    def submit(self, mask: np.ndarray | None, *, verdict: str | None) -> None:
        result = drawn_result(*([] if mask is None else [mask]), verdict=verdict)
        self.server.annotate(min(self.server.tasks), result=result)

    def pull(self, dataset: Dataset | None = None) -> Pulled:
        with client_of(self.server.url) as client:
            return pull(read_dataset((dataset or self.dataset).folder), client=client, title="drawn")

    def row(self) -> dict[str, Any]:
        row: dict[str, Any] = read_dataset(self.dataset.folder).table.to_pylist()[0]
        return row

    def label(self) -> np.ndarray:
        return np.asarray(cv2.imread(str(self.dataset.path(self.row()["mask"])), cv2.IMREAD_GRAYSCALE))


def with_predictions(dataset: Dataset) -> Dataset:
    dataset.path("predictions").mkdir()
    for number in range(len(dataset)):
        cv2.imwrite(str(dataset.path(f"predictions/{number:04d}.png")), box(3, 9 + number))
    return dataset


@pytest.fixture
def server() -> Any:
    with running(FakeServer()) as server:
        yield server


def as_of_before(server: FakeServer) -> None:
    """Make the tasks those of an earlier version: one mask, nothing told of it, and a page that asks for no answer."""
    for task in server.tasks.values():
        task["data"] = {k: v for k, v in task["data"].items() if k not in {"with_start", "mark"}} | {"config": FORMER}
        task["predictions"] = [one | {"model_version": "m1"} for one in task["predictions"][-1:]]
        for one in task["predictions"]:
            one["result"] = one["result"][:1]


@pytest.mark.parametrize("is_old", [False, True], ids=["now", "pushed by an earlier version"])
@pytest.mark.parametrize("verdict", [None, "fixed"])
@pytest.mark.parametrize("prefill", ["prediction", "label"])
def test_a_start_that_nobody_changed_is_no_label(
    server: FakeServer, tmp_path: Path, verdict: str | None, prefill: str, is_old: bool
) -> None:
    asked = Asked(tmp_path, server, prefill=prefill)
    if is_old:
        as_of_before(server)
    asked.submit(box(3, 9) if prefill == "prediction" else person_mask(0), verdict=verdict)
    pulled = asked.pull()
    assert (pulled.unanswered, pulled.applied.written, pulled.applied.confirmed) == (["0000"], 0, 0)
    assert (asked.row()["label_version"], asked.row().get("label_status")) == (0, None)
    assert "submit it again" in pulled.broken[0].hint
    assert asked.pull().unanswered == ["0000"]  # told until somebody answers
    asked.submit(box(0, 5), verdict="fixed")
    assert (asked.pull().unanswered, asked.row()["label_version"]) == ([], 1)


def test_a_prediction_that_is_right_is_a_new_version_and_a_label_that_is_right_is_confirmed(
    server: FakeServer, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, server, prefill="prediction")
    asked.submit(box(3, 9), verdict="right")
    assert asked.pull().applied.written == 1
    assert np.array_equal(asked.label(), box(3, 9))
    with running(FakeServer()) as another:
        asked = Asked(tmp_path / "label", another, prefill="label")
        asked.submit(person_mask(0), verdict="right")
        applied = asked.pull().applied
    assert (applied.written, applied.confirmed) == (0, 1)
    assert (asked.row()["label_version"], asked.row()["label_status"]) == (0, "right")


@pytest.mark.parametrize(("prefill", "version", "status"), [("label", 1, "fixed"), ("prediction", 0, "right")])
def test_the_other_mask_is_taken_by_one_answer(
    server: FakeServer, tmp_path: Path, prefill: str, version: int, status: str
) -> None:
    asked = Asked(tmp_path, server, prefill=prefill)
    shown = server.tasks[min(server.tasks)]["predictions"][-1]["result"]
    assert [region["value"]["brushlabels"] for region in shown] == [["person"], ["other mask"]]
    server.annotate(min(server.tasks), result=[*shown, *drawn_result(verdict="other right")])
    assert asked.pull().unanswered == []
    assert (asked.row()["label_version"], asked.row()["label_status"]) == (version, status)
    assert np.array_equal(asked.label(), box(3, 9) if version else person_mask(0))


def test_the_outline_of_the_other_mask_is_of_nobody(server: FakeServer, tmp_path: Path) -> None:
    asked = Asked(tmp_path, server, prefill="label")
    outline = server.tasks[min(server.tasks)]["predictions"][-1]["result"][1]
    assert outline["readonly"]
    server.annotate(min(server.tasks), result=[*drawn_result(box(0, 4), verdict="fixed"), outline])
    asked.pull()
    assert np.array_equal(asked.label(), box(0, 4))


def test_a_change_without_an_answer_counts_only_where_the_page_asked_for_none(
    server: FakeServer, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, server, prefill="prediction")
    asked.submit(box(0, 4), verdict=None)
    assert asked.pull().unanswered == ["0000"]
    with running(FakeServer()) as another:
        asked = Asked(tmp_path / "old", another, prefill="prediction")
        as_of_before(another)
        asked.submit(box(0, 4), verdict=None)
        assert (asked.pull().unanswered, asked.row()["label_status"]) == ([], "fixed")
    assert np.array_equal(asked.label(), box(0, 4))


def test_a_start_that_the_server_lost_is_told(server: FakeServer, tmp_path: Path) -> None:
    asked = Asked(tmp_path, server, prefill="prediction")
    asked.submit(box(0, 4), verdict="fixed")
    server.tasks[min(server.tasks)]["predictions"] = []
    pulled = asked.pull()
    assert pulled.unanswered == ["0000"]
    assert pulled.broken[0].reason.startswith("the answer is 'fixed', and the mask to start from is gone")


def test_known_masks_stay_where_one_pulls_into_the_dataset_that_they_come_from(
    server: FakeServer, tmp_path: Path
) -> None:
    whole = draw_dataset(tmp_path / "whole", samples=6)
    fewer = draw_dataset(tmp_path / "fewer", samples=6)  # as one that was mined from it
    plan = push_of(fewer)
    golden = choose_golden(whole, number=2, besides=plan.rows[:2], seed=1)
    with client_of(server.url) as client:
        push(dataclasses.replace(plan, rows=plan.rows[:2], golden=golden), client=client)
        for task in server.tasks:
            server.annotate(task, result=drawn_result(box(0, 4), verdict="fixed"))
        for dataset in (whole, fewer):
            pulled = pull(read_dataset(dataset.folder), client=client, title="drawn")
            assert (pulled.golden, pulled.applied.written, pulled.unmarked) == (2, 2, 0)
            rows = {row["id"]: row for row in read_dataset(dataset.folder).table.to_pylist()}
            assert {rows[one.row["id"]]["label_version"] for one in golden} == {0}
            found = status_of(read_dataset(dataset.folder), client=client, title="drawn")
            assert (found.tasks, found.golden) == (2, 2)
        for task in server.tasks.values():
            task["data"].pop("mark")
        third = draw_dataset(tmp_path / "third", samples=6)
        assert pull(third, client=client, title="drawn").unmarked == 4


def test_a_project_of_an_earlier_version_gets_the_page_that_asks_for_an_answer(
    server: FakeServer, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, server, prefill="label")
    (project,) = server.projects.values()
    assert 'required="true"' in project["label_config"]
    project["label_config"] = former = (Path(__file__).parent / "former_config.xml").read_text()
    with client_of(server.url) as client:
        push(asked.plan(), client=client)
        assert (project["label_config"], project["show_instruction"]) == (CONFIG, True)
        project["label_config"] = mine = former.replace("</View>", "<Rating name='r' toName='image'/></View>")
        push(asked.plan(), client=client)
        assert project["label_config"] == mine
    assert server.tasks[min(server.tasks)]["data"]["config"] == CONFIG_HASH
