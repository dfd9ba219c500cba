"""A sample that became a task twice: nothing that anybody touched is deleted, and nothing counts twice."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.dataset.dataset import Dataset
from labeling.label_tools.label_studio.project.tasks import by_sample, list_tasks
from labeling.label_tools.label_studio.pull.status import status_of, submitted_since
from labeling.label_tools.label_studio.push.doubles import settle_doubles
from labeling.label_tools.label_studio.push.push import Pushed, push
from tests.labeling.label_tools.label_studio.drawn import client_of, draw_dataset, push_of
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import SAMPLES, Round, box

SENT = 4


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_dataset(tmp_path_factory.mktemp("doubles"), samples=SENT)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    with running(FakeServer()) as found:
        yield found


Touch = Callable[[FakeServer, int], Any]
TOUCHES: dict[str, Touch] = {
    "a draft": lambda server, task: server.drafts.add(task),
    "an annotation": lambda server, task: server.annotate(task, result=[]),
    "a skip": lambda server, task: server.annotate(task, result=[], was_cancelled=True),
    "a comment": lambda server, task: server.comments.add(task),
    "a change": lambda server, task: server.tasks[task].update(updated_at="2029-02-02T00:00:00Z"),
}


def doubled_push(drawn: Dataset, server: FakeServer, *, touch: Touch, when: str) -> tuple[Pushed, list[int]]:
    """Push while another machine pushes the same; each of its tasks is touched, `when`: early, or before the deletion.

    "listed": before the doubles are listed. "fetched": after that, before the task is looked at alone. "deleted":
    in the moment between that look and the deletion.
    """
    others: list[int] = []

    def fault(method: str, path: str) -> str:
        if path.endswith("/import") and not others:
            for row in drawn.table.to_pylist():
                number = next(server.ids)
                data = {"sample_uid": f"{row['id']}@{row['sha256'][:16]}", "sample_id": row["id"]}
                server.tasks[number] = {"id": number, "data": data, "project": 1, "updated_at": "2029-01-01T00:00:00Z"}
                others.append(number)
        doubles = [number for number in server.tasks if number > max(others, default=0)]
        moment = {
            "listed": (method, path) == ("GET", "/api/tasks"),
            "fetched": method == "GET" and path.startswith("/api/tasks/"),
            "deleted": path == "/api/dm/actions",
        }[when]
        if moment and doubles and not server.touched:
            server.touched = doubles
            for number in doubles:
                touch(server, number)
        return ""

    server.fault = fault
    with client_of(server.url) as client:
        return push(push_of(drawn), client=client), others


@pytest.mark.parametrize("when", ["listed", "fetched", "deleted"])
@pytest.mark.parametrize("touched", TOUCHES)
def test_a_double_that_somebody_touched_stays(drawn: Dataset, server: FakeServer, touched: str, when: str) -> None:
    pushed, others = doubled_push(drawn, server, touch=TOUCHES[touched], when=when)
    assert len(others) == len(server.touched) == SENT
    assert set(server.tasks) == {*others, *server.touched}
    assert pushed.doubled == SENT
    assert not [path for method, path in server.requests if method == "DELETE"]


def test_an_untouched_double_is_deleted_and_the_oldest_stays(drawn: Dataset, server: FakeServer) -> None:
    pushed, others = doubled_push(drawn, server, touch=lambda server, task: None, when="listed")
    assert sorted(server.tasks) == others
    assert pushed.doubled == 0


@pytest.mark.parametrize("status", [400, 403, 404, 405])
def test_a_server_that_cannot_delete_with_a_condition_deletes_nothing(
    drawn: Dataset, server: FakeServer, status: int
) -> None:
    _, others = doubled_push(drawn, server, touch=TOUCHES["a draft"], when="listed")
    server.drafts.clear()
    server.fault = lambda method, path: f"status {status}" if path == "/api/dm/actions" else ""
    with client_of(server.url) as client:
        settled = settle_doubles(client, project=1, known={}, after=0)
    assert settled.doubled == SENT
    assert len(server.tasks) == 2 * SENT
    assert [settled.kept[uid].id for uid in sorted(settled.kept)] == others


def test_nothing_is_deleted_where_the_other_one_is_gone_by_then(drawn: Dataset, server: FakeServer) -> None:
    _, others = doubled_push(drawn, server, touch=TOUCHES["a draft"], when="listed")
    server.drafts.clear()
    known = {f"{row['id']}@{row['sha256'][:16]}": id_ for row, id_ in zip(drawn.table.to_pylist(), others, strict=True)}
    for number in others:
        del server.tasks[number]
    with client_of(server.url) as client:
        settle_doubles(client, project=1, known=known, after=max(others))
    assert len(server.tasks) == SENT


@pytest.mark.parametrize(
    "hidden", ["drafts", "draft_exists", "annotations", "comment_count", "updated_by", "created_at"]
)
def test_a_trace_that_the_server_does_not_tell_of_counts_as_one(
    drawn: Dataset, server: FakeServer, hidden: str
) -> None:
    doubled_push(drawn, server, touch=TOUCHES["a draft"], when="listed")
    server.drafts.clear()
    server.twist = lambda method, path, content: content.replace(f'"{hidden}"'.encode(), b'"other"')
    with client_of(server.url) as client:
        settle_doubles(client, project=1, known={}, after=0)
    assert len(server.tasks) == 2 * SENT


def double(round_: Round, sample: str) -> int:
    """Let a sample be there twice."""
    number = next(round_.server.ids) + 1000
    round_.server.tasks[number] = {**round_.server.tasks[round_.tasks[sample]], "id": number}
    return number


def test_of_two_tasks_of_a_sample_the_newest_label_counts_once(tmp_path: Path, server: FakeServer) -> None:
    made = Round(tmp_path, server)
    second = double(made, "0001")
    made.submit("0001", box(0, 5), completed_by=1, updated_at="2030-01-01T00:00:05Z")
    server.annotate(second, result=made.result(box(0, 10)), completed_by=2, updated_at="2030-01-01T00:00:09Z")
    pulled = made.pull()
    assert (pulled.tasks, pulled.doubled, pulled.submitted, pulled.applied.written) == (SAMPLES, 1, 1, 1)
    assert np.array_equal(made.mask("0001"), box(0, 10))
    assert made.row("0001")["label_version"] == 1
    assert pulled.disagreeing == [("0001", 0.5)]  # as two annotators of one task
    again = made.pull()
    assert (again.applied.written, again.applied.already, again.applied.newer_here) == (0, 1, 0)
    with client_of(server.url) as client:
        found = status_of(made.now(), client=client, title="drawn")
        assert (found.tasks, found.doubled, found.submitted, found.waiting) == (SAMPLES, 1, 1, SAMPLES - 1)
        assert submitted_since(None, client=client, title="drawn") == 1
        assert list(map(len, by_sample(list_tasks(client, project=1)).values())) == [1, 2, 1, 1, 1, 1]


def test_the_second_task_of_a_pulled_sample_brings_its_newer_label(tmp_path: Path, server: FakeServer) -> None:
    made = Round(tmp_path, server)
    made.submit("0001", box(0, 5), updated_at="2030-01-01T00:00:05Z")
    made.pull()
    second = double(made, "0001")
    server.annotate(second, result=made.result(box(0, 9)), updated_at="2030-01-01T00:00:01Z")
    assert made.pull().applied.written == 0
    server.annotations[second][0]["updated_at"] = server.tasks[second]["updated_at"] = "2030-01-01T00:00:08Z"
    assert made.pull().applied.written == 1
    assert np.array_equal(made.mask("0001"), box(0, 9))


def test_a_sample_that_is_told_to_be_submitted_and_comes_without_a_label_is_asked_for_again(
    tmp_path: Path, server: FakeServer
) -> None:
    made = Round(tmp_path, server)
    made.submit("0001", box(0, 5))
    server.twist = lambda method, path, content: (
        content.replace(b'"result"', b'"other"') and (b'{"tasks": []}' if b'"annotations"' in content else content)
    )
    pulled = made.pull()
    assert (pulled.unsent, pulled.applied.written) == (1, 0)
    server.twist = lambda method, path, content: content
    assert made.pull().applied.written == 1


def test_a_project_that_is_pushed_twice_at_once_is_told_of_what_stays(drawn: Dataset, server: FakeServer) -> None:
    pushed, _ = doubled_push(drawn, server, touch=TOUCHES["a draft"], when="fetched")
    with client_of(server.url) as client:
        again = push(dataclasses.replace(push_of(drawn)), client=client)
    assert (pushed.doubled, again.sent, again.there) == (SENT, 0, SENT)
