"""What an annotation means beside the mask that its task began with: nobody's click replaces a label."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import Dataset, read_dataset
from labeling.findings import findings_of
from labeling.label_tools.label_studio.project.golden import choose_golden
from labeling.label_tools.label_studio.project.label_config import CONFIG, CONFIG_HASH
from labeling.label_tools.label_studio.pull.pull import Pulled, pull
from labeling.label_tools.label_studio.pull.status import status_of
from labeling.label_tools.label_studio.push.push import push
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of, draw_dataset, person_mask, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import box, drawn_result

FORMER = "4dc5a604fc648c4f"  # the hash of the label config before answers were required


class Asked:
    """Two samples on a fake server: the labels are drawn persons, the predictions boxes."""

    def __init__(
        self,
        folder: Path,
        server: FakeServer,
        *,
        prefill: Any,
        prediction: np.ndarray | None = None,
        mask: np.ndarray | None = None,
    ) -> None:
        self.server = server
        self.dataset = with_predictions(draw_dataset(folder, samples=2))
        for name, first in (("masks", mask), ("predictions", prediction)):
            if first is not None:
                cv2.imwrite(str(self.dataset.path(f"{name}/0000.png")), first)
        with client_of(server.url) as client:
            push(self.plan(prefill=prefill), client=client)

    def plan(self, **values: Any) -> Any:
        return dataclasses.replace(push_of(self.dataset), findings=findings_of(self.dataset, scores=None), **values)

    def submit(self, mask: np.ndarray | None, *, verdict: str | None) -> None:
        result = drawn_result(*([] if mask is None else [mask]), verdict=verdict)
        self.server.annotate(min(self.server.tasks), result=result)

    def shown(self) -> list[dict[str, Any]]:
        """Return what the page of the first task begins with."""
        result: list[dict[str, Any]] = self.server.tasks[min(self.server.tasks)]["predictions"][-1]["result"]
        return result

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


def whole_frame() -> np.ndarray:
    return np.full(SIZE, 255, np.uint8)


def part_of(mask: np.ndarray, *, share: float) -> np.ndarray:
    """Return the first pixels of a mask, so many of all."""
    part = np.zeros_like(mask)
    part.flat[np.flatnonzero(mask)[: round(share * np.count_nonzero(mask))]] = 255
    return part


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
    shown = asked.shown()
    assert [region["value"]["brushlabels"] for region in shown] == [["person"], ["other mask"]]
    server.annotate(min(server.tasks), result=[*shown, *drawn_result(verdict="other right")])
    assert asked.pull().unanswered == []
    assert (asked.row()["label_version"], asked.row()["label_status"]) == (version, status)
    assert np.array_equal(asked.label(), box(3, 9) if version else person_mask(0))


@pytest.mark.parametrize("prefill", ["label", "prediction"])
@pytest.mark.parametrize("verdict", ["right", "other right"])
def test_a_mask_that_is_taken_as_shown_and_was_painted_on_is_set_aside_till_the_answer_fits(
    server: FakeServer, tmp_path: Path, verdict: str, prefill: str
) -> None:
    asked = Asked(tmp_path, server, prefill=prefill)
    start, stroke = (person_mask(0) if prefill == "label" else box(3, 9)), np.zeros(SIZE, np.uint8)
    stroke[0, 14:19] = 255
    result = drawn_result(start, stroke, verdict=verdict)
    server.annotate(min(server.tasks), result=result)
    pulled = asked.pull()
    assert (pulled.contradicted, pulled.unanswered) == (["0000"], [])
    assert (pulled.applied.written, pulled.applied.confirmed, pulled.applied.set_aside) == (0, 0, 0)
    (problem,) = pulled.broken
    assert problem.file.endswith(f"task {min(server.tasks)}") and problem.record_id == "0000"
    assert problem.reason == f"{verdict!r} takes a mask as it was shown, and 5 pixels were painted or erased"
    assert "answer `fixed`" in problem.hint
    assert (asked.row()["label_version"], asked.row().get("label_status")) == (0, None)
    assert asked.pull().contradicted == ["0000"]  # told until somebody mends it
    server.annotate(min(server.tasks), result=drawn_result(start, stroke, verdict="fixed"))
    assert (asked.pull().contradicted, asked.row()["label_status"]) == ([], "fixed")
    assert np.array_equal(asked.label(), start | stroke)


def test_what_the_eraser_took_away_contradicts_too(server: FakeServer, tmp_path: Path) -> None:
    asked = Asked(tmp_path, server, prefill="label")
    erased = person_mask(0)
    erased[:12] = 0
    asked.submit(erased, verdict="right")
    assert asked.pull().contradicted == ["0000"]


@pytest.mark.parametrize(("prefill", "verdict"), [("label", "other right"), ("prediction", "right")])
@pytest.mark.parametrize(("share", "is_taken"), [(0.09, False), (0.11, True)])
def test_one_key_does_not_replace_a_label_by_a_mask_with_hardly_a_pixel_of_it(
    server: FakeServer, tmp_path: Path, prefill: str, verdict: str, share: float, is_taken: bool
) -> None:
    asked = Asked(tmp_path, server, prefill=prefill, prediction=part_of(whole_frame(), share=share), mask=whole_frame())
    server.annotate(min(server.tasks), result=[*asked.shown(), *drawn_result(verdict=verdict)])
    pulled = asked.pull()
    assert (pulled.contradicted, pulled.applied.written) == (([], 1) if is_taken else (["0000"], 0))
    if not is_taken:
        assert "43 pixels for a label of 480, IoU 0.0" in pulled.broken[0].reason
        assert asked.row()["label_version"] == 0


@pytest.mark.parametrize(("share", "is_taken"), [(0.05, False), (0.11, True)])
def test_a_small_label_stays_where_the_answer_keeps_it_and_one_key_does_not_replace_it_by_a_huge_one(
    server: FakeServer, tmp_path: Path, share: float, is_taken: bool
) -> None:
    small = part_of(whole_frame(), share=share)
    asked = Asked(tmp_path / "kept", server, prefill="prediction", prediction=whole_frame(), mask=small)
    server.annotate(min(server.tasks), result=[*asked.shown(), *drawn_result(verdict="other right")])
    assert (asked.pull().contradicted, asked.row()["label_status"]) == ([], "right")
    with running(FakeServer()) as another:
        asked = Asked(tmp_path / "new", another, prefill="label", prediction=whole_frame(), mask=small)
        another.annotate(min(another.tasks), result=[*asked.shown(), *drawn_result(verdict="other right")])
        assert asked.pull().contradicted == ([] if is_taken else ["0000"])
        assert np.array_equal(asked.label(), whole_frame() if is_taken else small)


def test_what_an_earlier_answer_brought_counts_until_the_next_one_fits_and_that_is_told(
    server: FakeServer, tmp_path: Path
) -> None:
    asked = Asked(tmp_path, server, prefill="label")
    asked.submit(box(0, 5), verdict="fixed")
    assert (asked.pull().applied.standing, asked.row()["label_version"]) == ({}, 1)
    asked.submit(None, verdict="fixed")
    assert (asked.pull().applied.standing, asked.row()["label_version"]) == ({"0000": 1}, 1)


def test_who_deletes_the_start_and_takes_the_other_mask_is_believed(server: FakeServer, tmp_path: Path) -> None:
    small = part_of(whole_frame(), share=0.05)
    asked = Asked(tmp_path, server, prefill="label", prediction=small, mask=whole_frame())
    server.annotate(min(server.tasks), result=drawn_result(verdict="other right"))
    assert asked.pull().contradicted == []
    assert np.array_equal(asked.label(), small)


def test_the_outline_of_the_other_mask_is_of_nobody(server: FakeServer, tmp_path: Path) -> None:
    asked = Asked(tmp_path, server, prefill="label")
    outline = asked.shown()[1]
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
