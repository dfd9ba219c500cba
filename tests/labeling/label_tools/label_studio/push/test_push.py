"""A push brings every sample to the server once, whatever the server does."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pytest

from curation.dataset.dataset import Dataset
from curation.dataset.rows import InMemory
from curation.errors import ConfigurationProblem, InputRefused, RemoteUnavailable
from labeling.findings import Findings, worst_first
from labeling.label_tools.label_studio.drawing.brush import decode_brush
from labeling.label_tools.label_studio.project.golden import choose_golden
from labeling.label_tools.label_studio.project.ledger import sent_journal
from labeling.label_tools.label_studio.project.project import IDENTITY
from labeling.label_tools.label_studio.push import push as pushing
from labeling.label_tools.label_studio.push.push import push
from labeling.label_tools.label_studio.server.client import Client
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of, draw_dataset, person_mask, push_of
from tests.labeling.label_tools.label_studio.fake_server import TOKEN, FakeServer, one_in, running

SAMPLES = 60


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return draw_dataset(tmp_path_factory.mktemp("push"), samples=SAMPLES)


def sent_ids(server: FakeServer) -> list[str]:
    return [uid.partition("@")[0] for uid in server.uids()]


def test_a_task_says_which_sample_it_is_and_shows_its_mask(drawn: Dataset) -> None:
    with running(FakeServer()) as server, client_of(server.url) as client:
        pushed = push(push_of(drawn), client=client)
        assert (pushed.considered, pushed.sent, pushed.there, pushed.broken) == (SAMPLES, SAMPLES, 0, [])
        task = next(iter(server.tasks.values()))
        row = drawn.table.to_pylist()[0]
        assert task["data"]["sample_uid"] == f"{row['id']}@{row['sha256'][:16]}"
        assert task["data"]["image"] == f"https://pictures.example.org/{row['image']}"
        (prediction,) = task["predictions"]
        (region,) = prediction["result"]
        assert (region["original_height"], region["original_width"]) == SIZE
        mask = decode_brush(region["value"]["rle"], height=SIZE[0], width=SIZE[1])
        assert np.array_equal(mask, person_mask(0))
        (project,) = server.projects.values()
        assert project["model_version"] == prediction["model_version"] == "start"


def test_the_second_push_and_one_from_another_machine_send_nothing(drawn: Dataset, tmp_path: Path) -> None:
    other = draw_dataset(tmp_path, samples=SAMPLES)
    with running(FakeServer()) as server, client_of(server.url) as client:
        push(push_of(drawn), client=client)
        for dataset in (drawn, other, drawn):
            again = push(push_of(dataset), client=client)
            assert (again.sent, again.there) == (0, SAMPLES)
        assert len(server.uids()) == SAMPLES
        assert len(server.projects) == 1


def test_what_another_machine_pushed_meanwhile_is_there_once(drawn: Dataset) -> None:
    server = FakeServer()

    def meanwhile(method: str, path: str) -> str:
        if path.endswith("/import") and not server.tasks:
            for row in drawn.table.to_pylist()[:10]:
                number = next(server.ids)
                data = {"sample_uid": f"{row['id']}@{row['sha256'][:16]}"}
                made = {"id": number, "data": data, "project": 1, "updated_at": "2029-01-01T00:00:00Z"}
                server.tasks[number] = made
        return ""

    server.fault = meanwhile
    with running(server), client_of(server.url) as client:
        push(push_of(drawn), client=client)
        assert len(server.uids()) == len(set(server.uids())) == SAMPLES


def test_a_double_that_somebody_worked_on_is_never_deleted(drawn: Dataset) -> None:
    server = FakeServer()
    with running(server), client_of(server.url) as client:
        push(dataclasses.replace(push_of(drawn), rows=push_of(drawn).rows[:1]), client=client)
        (first,) = server.tasks.values()
        double = next(server.ids)
        server.tasks[double] = {**first, "id": double}
        server.annotate(double, result=[])
        push(push_of(drawn), client=client)
        assert double in server.tasks


@pytest.mark.parametrize("seed", range(3))
def test_no_task_is_lost_and_none_doubled_where_requests_fail(
    drawn: Dataset, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pushing, "CHUNK_TASKS", 1)  # one request for each task: the most that can go wrong
    server = FakeServer(fault=one_in(5, seed=seed), delay_s=0.3)
    with running(server), client_of(server.url, limit_s=600, timeout_s=0.2) as client:
        pushed = push(push_of(drawn), client=client)
    assert sorted(sent_ids(server)) == [f"{number:04d}" for number in range(SAMPLES)]
    assert pushed.sent == SAMPLES
    assert len(server.projects) == 1


def test_a_partial_import_is_completed(drawn: Dataset) -> None:
    with running(FakeServer(drops=3)) as server, client_of(server.url) as client:
        push(push_of(drawn), client=client)
        assert len(server.uids()) == len(set(server.uids())) == SAMPLES


def test_what_was_sent_before_the_server_was_lost_is_kept_and_the_next_push_sends_the_rest(
    drawn: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = draw_dataset(tmp_path, samples=SAMPLES)
    monkeypatch.setattr(pushing, "CHUNK_TASKS", 20)
    server = FakeServer()
    server.fault = lambda method, path: "500 before" if len(server.tasks) >= 40 else ""
    with running(server):
        with client_of(server.url) as client, pytest.raises(RemoteUnavailable) as caught:
            push(push_of(dataset), client=client)
        assert caught.value.exit_code == 6
        (project,) = server.projects.values()
        found = IDENTITY.search(project["description"])
        assert found is not None
        assert len(sent_journal(dataset.folder, identity=found.group(1)).done) == 40
        server.fault = lambda method, path: ""
        with client_of(server.url) as client:
            again = push(push_of(dataset), client=client)
        assert (again.sent, again.there) == (20, 40)
        assert sorted(sent_ids(server)) == [f"{number:04d}" for number in range(SAMPLES)]


def test_a_revoked_token_is_told_after_one_request_and_never_shown(drawn: Dataset) -> None:
    with running(FakeServer()) as server, client_of(server.url, token="secret-canary-7731") as client:
        with pytest.raises(ConfigurationProblem) as caught:
            push(push_of(drawn), client=client)
        assert len(server.requests) == 1
        assert caught.value.exit_code == 7
        assert "secret-canary" not in f"{caught.value} {client.access!r} {client.access}"


def test_too_many_requests_wait_as_long_as_the_server_says(drawn: Dataset) -> None:
    server = FakeServer()
    answered = iter(["status 429 7"])
    server.fault = lambda method, path: next(answered, "") if path.endswith("/import") else ""
    with running(server), client_of(server.url) as client:
        before = client.patience.clock()
        push(push_of(drawn), client=client)
        assert client.patience.clock() - before >= 7
        assert len(server.uids()) == SAMPLES


def test_a_server_that_is_down_is_waited_for_and_then_told(drawn: Dataset) -> None:
    with client_of("http://127.0.0.1:9") as client, pytest.raises(RemoteUnavailable, match="unavailable"):
        push(push_of(drawn), client=client)


def test_a_project_that_somebody_else_made_is_not_touched(drawn: Dataset) -> None:
    server = FakeServer()
    server.projects[1] = {"id": 1, "title": "drawn", "description": "mine"}
    with running(server), client_of(server.url) as client, pytest.raises(InputRefused, match="not made by curate"):
        push(push_of(drawn), client=client)
    assert not server.tasks


def test_a_broken_picture_is_set_aside_and_the_rest_goes(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, samples=3)
    dataset.path("masks/0001.png").write_bytes(b"no mask")
    with running(FakeServer()) as server, client_of(server.url) as client:
        pushed = push(push_of(dataset), client=client)
        assert sent_ids(server) == ["0000", "0002"]
    assert [(str(one.code), one.record_id) for one in pushed.broken] == [("NOT_IMAGE", "0001")]
    assert pushed.considered == pushed.sent + pushed.there + len(pushed.broken)


def test_known_masks_are_mixed_in_evenly(drawn: Dataset) -> None:
    plan = push_of(drawn)
    plan = dataclasses.replace(plan, rows=plan.rows[:20])
    golden = choose_golden(drawn, number=4, besides=plan.rows, seed=1)
    with running(FakeServer()) as server, client_of(server.url) as client:
        pushed = push(dataclasses.replace(plan, golden=golden), client=client)
        ids = sent_ids(server)
        places = [ids.index(one.row["id"]) for one in golden]
        assert pushed.golden == 4
        assert max(np.diff([-1, *places, len(ids)])) <= 6
        assert "golden" not in msgspec.json.encode([task["data"] for task in server.tasks.values()]).decode()
    with pytest.raises(ConfigurationProblem, match="only 40"):
        choose_golden(drawn, number=41, besides=plan.rows, seed=1)


def test_a_push_without_masks_to_start_from_asks_for_none_to_be_shown(drawn: Dataset) -> None:
    with running(FakeServer()) as server, client_of(server.url) as client:
        pushed = push(dataclasses.replace(push_of(drawn), prefill="none"), client=client)
        (project,) = server.projects.values()
        assert (pushed.sent, pushed.prefilled, project["model_version"]) == (SAMPLES, set(), "")


def test_a_mask_with_ignored_pixels_judges_no_annotator(drawn: Dataset) -> None:
    ignores = pa.array([None if number < 3 else "ignores/x.png" for number in range(SAMPLES)], pa.string())
    unsure = dataclasses.replace(drawn, rows=InMemory(drawn.table.append_column("ignore", ignores)))
    golden = choose_golden(unsure, number=3, besides=[], seed=1)
    assert [one.row["ignore"] for one in golden] == [None] * 3
    with pytest.raises(ConfigurationProblem, match="only 3"):
        choose_golden(unsure, number=4, besides=[], seed=1)


def test_the_worst_comes_first_and_what_the_model_failed_on_before_all() -> None:
    rows = [{"id": id_} for id_ in "abcd"]
    found = {"a": {"miou": 0.9}, "b": {"miou": 0.2}, "c": {"miou": None}, "d": {"miou": 0.2, "uncertainty": 0.5}}
    findings = Findings(folder=Path(), rows=found, model="m")
    assert [row["id"] for row in worst_first(rows, findings=findings)] == ["c", "d", "b", "a"]
    ranked = Findings(folder=Path(), rows={"a": {"hard_rank": 1}, "c": {"hard_rank": 2}}, model="m")
    assert [row["id"] for row in worst_first(rows, findings=ranked)][:2] == ["a", "c"]


def test_the_token_goes_to_the_server_alone() -> None:
    with client_of("http://127.0.0.1:9") as client:
        assert isinstance(client, Client)
        assert TOKEN not in repr(client.access)
