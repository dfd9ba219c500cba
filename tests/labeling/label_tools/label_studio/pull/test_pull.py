"""A pull brings what was submitted into the dataset: once, all or nothing, and never over a newer label."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from curation.building.workers import RunnerOptions
from curation.errors import InputRefused, RemoteUnavailable
from curation.images.pixels import encode_mask
from curation.operations.verify import verify
from labeling.label_tools.label_studio.pull import pull as pulling
from labeling.label_tools.label_studio.pull.pull import pull
from labeling.label_tools.label_studio.pull.read_annotations import mask_iou
from labeling.label_tools.label_studio.pull.status import status_of
from pipelines.command_line.options import RunOptions
from pipelines.labels.pull import PullFlags
from pipelines.labels.pull import pull as pull_command
from tests.labeling.label_tools.label_studio.drawn import SIZE, client_of, draw_dataset
from tests.labeling.label_tools.label_studio.fake_server import TOKEN, FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import SAMPLES, Round, box, drawn_result


@pytest.fixture
def pushed(tmp_path: Path) -> Any:
    with running(FakeServer()) as server:
        yield Round(tmp_path, server)


def test_a_corrected_mask_becomes_a_new_version_and_the_old_one_stays(pushed: Round) -> None:
    before = pushed.dataset.path("masks/0001.png").read_bytes()
    pushed.submit("0001", box(3, 9), verdict="fixed", completed_by=7, lead_time=90.0)
    pulled = pushed.pull()
    row = pushed.row("0001")
    assert (pulled.applied.written, pulled.submitted) == (1, 1)
    assert (row["mask"], row["label_version"]) == ("masks/0001.v1.png", 1)
    assert np.array_equal(pushed.mask("0001"), box(3, 9))
    assert row["person_area"] == 60 / (SIZE[0] * SIZE[1])
    assert (row["label_status"], row["label_annotator"], row["label_seconds"]) == ("fixed", "7", 90.0)
    assert pushed.dataset.path("masks/0001.png").read_bytes() == before
    assert verify(pushed.now(), runner=RunnerOptions(workers=0)).problems == []


def test_the_second_pull_changes_nothing_and_asks_for_no_annotation(pushed: Round) -> None:
    pushed.submit("0001", box(3, 9))
    pushed.pull()
    manifest = pushed.dataset.path("manifest.parquet").read_bytes()
    again = pushed.pull()
    assert (again.applied.written, again.applied.already, again.read) == (0, 1, 0)
    assert pushed.dataset.path("manifest.parquet").read_bytes() == manifest
    assert not pushed.dataset.path("masks/0001.v2.png").exists()


def test_several_regions_are_united(pushed: Round) -> None:
    pushed.submit("0002", box(0, 4), box(3, 6), box(20, 22))
    pushed.pull()
    assert np.array_equal(pushed.mask("0002"), box(0, 6) | box(20, 22))


def test_a_mask_that_was_right_is_confirmed_without_a_new_version(pushed: Round) -> None:
    pushed.submit("0003", pushed.mask("0003"), verdict="right")
    pulled = pushed.pull()
    row = pushed.row("0003")
    assert (pulled.applied.written, pulled.applied.confirmed) == (0, 1)
    assert (row["label_version"], row["mask"], row["label_status"]) == (0, "masks/0003.png", "right")


@pytest.mark.parametrize("verdict", ["ambiguous", "unusable"])
def test_a_picture_that_cannot_be_labelled_keeps_its_label_and_says_so(pushed: Round, verdict: str) -> None:
    pushed.submit("0003", verdict=verdict)
    assert pushed.pull().applied.set_aside == 1
    assert (pushed.row("0003")["label_version"], pushed.row("0003")["label_status"]) == (0, verdict)


def test_a_draft_and_a_skipped_task_change_nothing_and_are_told(pushed: Round) -> None:
    pushed.server.drafts |= {pushed.tasks["0000"], pushed.tasks["0003"]}
    pushed.submit("0001", was_cancelled=True)
    pushed.submit("0003", pushed.mask("0003"), verdict="right")  # and changed again, but not submitted again
    pushed.submit("0004", verdict="ambiguous")
    pushed.pull()
    manifest = pushed.dataset.path("manifest.parquet").read_bytes()
    pulled = pushed.pull()
    assert (pulled.submitted, pulled.skipped, pulled.broken) == (2, 1, [])
    assert pulled.answers == {"right": 1, "ambiguous": 1}
    assert pulled.drafts == sorted(pushed.server.drafts)
    assert pushed.dataset.path("manifest.parquet").read_bytes() == manifest
    (ledger,) = pushed.dataset.path("labeling").glob("came-*.jsonl")
    lines = [line.partition(" ")[2] for line in ledger.read_text().splitlines() if "sample_id" in line]
    noted = [json.loads(line) for line in lines]
    told = sorted((one["sample_id"], one.get("verdict"), one.get("annotation") is None) for one in noted)
    assert told == [("0001", "skipped", True), ("0003", "right", False), ("0004", "ambiguous", False)]


def test_the_command_tells_in_one_line_which_drafts_are_left_out(
    pushed: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LABEL_STUDIO_URL", pushed.server.url)
    monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
    task, (project,) = pushed.tasks["0002"], pushed.server.projects
    pushed.server.drafts.add(task)
    pushed.submit("0001", verdict="unusable")
    flags = PullFlags(dataset=pushed.dataset.folder, project="drawn")
    result = pull_command(flags, run=RunOptions(quiet=True))
    (line,) = [line for line in result.summary.splitlines() if "draft" in line]
    assert line.strip() == (
        f"1 draft is left out, since nobody submitted it: {pushed.server.url}/projects/{project}/data, task {task}"
    )
    assert "  answers: 1 unusable" in result.summary.splitlines()
    pushed.submit("0002", box(0, 4), verdict="fixed")
    pushed.server.drafts.clear()
    assert "draft" not in pull_command(flags, run=RunOptions(quiet=True)).summary


def test_an_empty_mask_counts_only_where_somebody_says_that_nobody_is_there(pushed: Round) -> None:
    pushed.submit("0001", verdict="no person")
    pushed.submit("0002")
    pushed.submit("0003", verdict="right")
    pushed.submit("0004", box(1, 5), verdict="no person")
    pulled = pushed.pull()
    assert not pushed.mask("0001").any()
    assert pushed.row("0001")["label_version"] == 1
    assert sorted((str(one.code), one.record_id) for one in pulled.broken) == [
        ("AMBIGUOUS_EMPTY", "0002"),
        ("AMBIGUOUS_EMPTY", "0003"),
        ("AMBIGUOUS_EMPTY", "0004"),
    ]
    assert {pushed.row(id_)["label_version"] for id_ in ("0002", "0003", "0004")} == {0}
    assert len(pushed.dataset.path("labeling/quarantine.jsonl").read_text().splitlines()) == 3


def test_of_three_annotators_the_newest_counts_and_the_disagreement_is_told(pushed: Round) -> None:
    pushed.submit("0001", box(0, 10), completed_by=1, updated_at="2030-01-01T00:00:01Z")
    pushed.submit("0001", box(0, 5), completed_by=2, updated_at="2030-01-01T00:00:03Z")
    pushed.submit("0001", box(0, 8), completed_by=3, updated_at="2030-01-01T00:00:02Z")
    pulled = pushed.pull()
    assert np.array_equal(pushed.mask("0001"), box(0, 5))
    assert pulled.disagreeing == [("0001", 0.5)]  # 5 of 10 rows; 5 of 8 with the other
    assert pushed.row("0001")["label_agreement"] == 0.5
    with client_of(pushed.server.url) as client:
        assert status_of(pushed.now(), client=client, title="drawn").agreement == 0.5


@pytest.mark.parametrize("broken", ["size", "rotation", "format", "bytes"])
def test_a_malformed_region_is_set_aside_and_the_others_come(pushed: Round, broken: str) -> None:
    bad = pushed.submit("0001", box(0, 10))["result"][0]
    change = {"size": {"original_width": 21}, "rotation": {"image_rotation": 90}}.get(broken, {})
    bad.update(change)
    if not change:
        bad["value"] |= {"format": {"format": "png"}, "bytes": {"rle": [1, 2, 3]}}[broken]
    pushed.submit("0002", box(0, 10))
    pulled = pushed.pull()
    assert [(str(one.code), one.record_id) for one in pulled.broken] == [("BRUSH_RLE", "0001")]
    assert pulled.applied.written == 1


def test_a_renamed_label_is_refused_with_a_hint_and_nothing_is_half_applied(
    pushed: Round, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pulling, "PAGE", 1)
    for number in range(3):
        pushed.submit(f"000{number}", box(0, 5))
    pushed.submit("0003", box(0, 5), label="human")
    manifest = pushed.dataset.path("manifest.parquet").read_bytes()
    with pytest.raises(InputRefused, match="'human'") as caught:
        pushed.pull()
    assert "--person-label 'human'" in caught.value.remedy
    assert pushed.dataset.path("manifest.parquet").read_bytes() == manifest
    assert list(pushed.dataset.path("masks").glob("*.v*")) == []
    for project in pushed.server.projects.values():  # renamed in the project as well
        project["parsed_label_config"] = {"mask": {"labels": ["human"]}}
    with pytest.raises(InputRefused, match="'human'"):
        pushed.pull()
    assert pushed.pull(accepted=("human",)).applied.written == 4


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({}, "no brush"),
        ({"mask": {"labels": ["person"]}, "verdict": {"labels": ["good"]}}, "choices that are not ours"),
    ],
)
def test_a_project_without_our_controls_is_refused(pushed: Round, labels: dict[str, Any], said: str) -> None:
    for project in pushed.server.projects.values():
        project["parsed_label_config"] = labels
    with pytest.raises(InputRefused, match=said):
        pushed.pull()


def test_a_label_that_is_newer_here_is_never_replaced(pushed: Round) -> None:
    pushed.submit("0001", box(0, 5), updated_at="2030-01-01T00:00:09Z")
    pushed.pull()
    pushed.submit("0001", box(0, 9), updated_at="2030-01-01T00:00:05Z")  # restored from an older backup
    pushed.server.annotations[pushed.tasks["0001"]].pop(0)
    pulled = pushed.pull()
    assert (pulled.applied.written, pulled.applied.newer_here) == (0, 1)
    assert np.array_equal(pushed.mask("0001"), box(0, 5))


def test_an_annotation_that_was_edited_after_the_pull_becomes_the_next_version(pushed: Round) -> None:
    made = pushed.submit("0001", box(0, 5), updated_at="2030-01-01T00:00:01Z")
    pushed.pull()
    made |= {"result": drawn_result(box(0, 7), verdict="fixed"), "updated_at": "2030-01-01T00:00:02Z"}
    pushed.server.tasks[pushed.tasks["0001"]]["updated_at"] = made["updated_at"]
    pushed.pull()
    assert pushed.row("0001")["label_version"] == 2
    assert np.array_equal(pushed.mask("0001"), box(0, 7))
    assert sorted(path.name for path in pushed.dataset.path("masks").glob("0001*")) == [
        "0001.png",
        "0001.v1.png",
        "0001.v2.png",
    ]


def test_tasks_are_known_by_their_sample_and_not_by_their_number(pushed: Round) -> None:
    """A restore gives ids anew: the same samples come back under other numbers."""
    old = dict(pushed.server.tasks)
    pushed.server.tasks.clear()
    for number, task in zip(sorted(old, reverse=True), old.values(), strict=True):
        pushed.server.tasks[number] = {**task, "id": number}
        pushed.tasks[task["data"]["sample_id"]] = number
    pushed.submit("0004", box(0, 5))
    pushed.pull()
    assert np.array_equal(pushed.mask("0004"), box(0, 5))


def test_a_version_that_stands_there_already_is_never_written_over(pushed: Round) -> None:
    other = encode_mask(box(9, 12))
    pushed.dataset.path("masks/0001.v1.png").write_bytes(other)
    pushed.submit("0001", box(0, 5))
    pushed.pull()
    assert pushed.dataset.path("masks/0001.v1.png").read_bytes() == other
    assert pushed.row("0001")["mask"] == "masks/0001.v2.png"


def test_a_pull_that_lost_the_server_goes_on(pushed: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulling, "PAGE", 1)
    for number in range(4):
        pushed.submit(f"000{number}", box(0, 5 + number))
    asked = [0]

    def dies_at_the_third_page(method: str, path: str) -> str:
        asked[0] += path == "/api/tasks"
        return "500 before" if asked[0] > 4 else ""

    pushed.server.fault = dies_at_the_third_page
    with pytest.raises(RemoteUnavailable):
        pushed.pull()
    pushed.server.fault = lambda method, path: ""
    assert pushed.pull().applied.written == 4


def test_the_dataset_that_was_mined_from_takes_the_labels_too(pushed: Round, tmp_path: Path) -> None:
    other = draw_dataset(tmp_path / "other", samples=SAMPLES)
    pushed.submit("0001", box(3, 9))
    with client_of(pushed.server.url) as client:
        assert pull(other, client=client, title="drawn").applied.written == 1
    fewer = draw_dataset(tmp_path / "fewer", samples=2)
    with client_of(pushed.server.url) as client:
        assert pull(fewer, client=client, title="drawn").elsewhere >= 4


def test_the_status_counts_each_task_once(pushed: Round) -> None:
    pushed.server.drafts |= {pushed.tasks["0000"], pushed.tasks["0002"]}
    pushed.submit("0001", was_cancelled=True)
    pushed.submit("0002", box(0, 5), lead_time=120.0)
    pushed.submit("0003", box(0, 5), lead_time=60.0)
    pushed.pull()
    del pushed.server.tasks[pushed.tasks["0005"]]
    with client_of(pushed.server.url) as client:
        found = status_of(pushed.now(), client=client, title="drawn")
    assert (found.tasks, found.waiting, found.in_progress, found.submitted, found.skipped) == (5, 1, 1, 2, 1)
    assert (found.pulled, found.lost, found.minutes_median, found.minutes_total) == (2, 1, 1.5, 3.0)


def test_masks_agree_by_hand_worked_numbers() -> None:
    assert mask_iou(box(0, 4), second=box(2, 8)) == 2 / 8
    assert mask_iou(box(0, 0), second=box(0, 0)) == 1.0


def test_there_is_no_pull_before_a_push(tmp_path: Path) -> None:
    dataset = draw_dataset(tmp_path, samples=1)
    with (
        running(FakeServer()) as server,
        client_of(server.url) as client,
        pytest.raises(InputRefused, match="no project"),
    ):
        pull(dataset, client=client, title="drawn")
