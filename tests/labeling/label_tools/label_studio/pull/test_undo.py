"""A pull that was wrong can be taken back: the labels before it count again, and every file stays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from curation.building.workers import RunnerOptions
from curation.dataset.dataset import Dataset, read_dataset, read_quarantine, write_dataset
from curation.dataset.table import with_columns
from curation.errors import InputRefused
from curation.operations.verify import verify
from labeling.label_tools.label_studio.pull import apply as applying
from labeling.label_tools.label_studio.pull import undo as undoing
from labeling.label_tools.label_studio.pull.undo import batches_of, take_back
from pipelines.command_line.options import RunOptions
from pipelines.labels.pull import PullFlags
from pipelines.labels.push import PushFlags
from pipelines.labels.status import StatusFlags
from pipelines.labels.undo import UndoFlags, undo
from tests.labeling.label_tools.label_studio.drawn import person_mask
from tests.labeling.label_tools.label_studio.fake_server import FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import Round, box, drawn_result


@pytest.fixture
def pushed(tmp_path: Path) -> Any:
    with running(FakeServer()) as server:
        yield Round(tmp_path, server)


def listed(pushed: Round) -> list[tuple[int, int, int, bool]]:
    return [(one.number, len(one.changes), n, one.is_taken_back) for one, n in batches_of(pushed.now())]


def without_numbers(dataset: Dataset) -> None:
    """Leave a dataset as an earlier version left it after its pulls."""
    for path in dataset.path("labeling/batches").glob("*.json"):
        path.unlink()


def test_a_batch_that_was_taken_back_leaves_the_dataset_as_it_was(pushed: Round) -> None:
    before = pushed.now().table
    for number in range(3):
        pushed.submit(f"000{number}", box(0, 5 + number))
    pushed.submit("0003", verdict="ambiguous")
    assert pushed.pull().applied.batch == 1
    done = take_back(pushed.dataset.folder, number=1)
    assert (done.restored, done.changed_since) == (4, 0)
    after = pushed.now().table
    assert after.select(before.column_names).equals(before)
    assert np.array_equal(pushed.mask("0001"), person_mask(1))
    assert pushed.dataset.path("masks/0001.v1.png").exists()
    assert verify(pushed.now(), runner=RunnerOptions(workers=0)).problems == []


def test_a_label_of_teachers_is_theirs_until_a_person_draws_it_anew(pushed: Round) -> None:
    """One that was found right stays theirs: their licence counts still. An undo gives it back."""
    table = pushed.now().table
    for name, text in (("label_source", "teacher"), ("label_license", "CC BY-NC 4.0")):
        table = table.append_column(name, pa.array([text] * len(table)))
    write_dataset(pushed.dataset.folder, card=pushed.now().card, table=table, quarantine=[])
    pushed.submit("0001", box(0, 5))
    pushed.submit("0002", person_mask(2), verdict="right")
    pushed.pull()
    told = [(pushed.row(id_)["label_source"], pushed.row(id_)["label_license"]) for id_ in ("0001", "0002")]
    assert told == [(None, None), ("teacher", "CC BY-NC 4.0")]
    take_back(pushed.dataset.folder, number=1)
    assert (pushed.row("0001")["label_source"], pushed.row("0001")["label_license"]) == ("teacher", "CC BY-NC 4.0")
    assert pushed.now().table.select(table.column_names).equals(table)


def test_what_was_taken_back_comes_in_again_only_when_somebody_submits_it_anew(pushed: Round) -> None:
    made = pushed.submit("0001", box(0, 5), updated_at="2030-01-01T00:00:01Z")
    pushed.submit("0002", verdict="ambiguous")
    pushed.pull()
    take_back(pushed.dataset.folder, number=1)
    again = pushed.pull().applied
    assert (again.written, again.set_aside, again.taken_back, again.batch) == (0, 0, 2, None)
    made |= {"result": drawn_result(box(0, 7), verdict="fixed"), "updated_at": "2030-01-01T00:00:02Z"}
    pushed.server.tasks[pushed.tasks["0001"]]["updated_at"] = made["updated_at"]
    applied = pushed.pull().applied
    assert (applied.written, applied.batch) == (1, 2)
    assert pushed.row("0001")["mask"] == "masks/0001.v2.png"  # the first stays under its name
    assert listed(pushed) == [(1, 2, 0, True), (2, 1, 1, False)]


def test_an_undo_that_is_repeated_changes_nothing(pushed: Round) -> None:
    pushed.submit("0001", box(0, 5))
    pushed.pull()
    take_back(pushed.dataset.folder, number=1)
    manifest = pushed.dataset.path("manifest.parquet").read_bytes()
    assert take_back(pushed.dataset.folder, number=1).restored == 0
    assert pushed.dataset.path("manifest.parquet").read_bytes() == manifest


def test_a_label_that_a_later_pull_brought_stays(pushed: Round) -> None:
    made = pushed.submit("0001", box(0, 5), updated_at="2030-01-01T00:00:01Z")
    pushed.submit("0002", box(0, 5))
    pushed.pull()
    made |= {"result": drawn_result(box(0, 7), verdict="fixed"), "updated_at": "2030-01-01T00:00:02Z"}
    pushed.server.tasks[pushed.tasks["0001"]]["updated_at"] = made["updated_at"]
    pushed.pull()
    done = take_back(pushed.dataset.folder, number=1)
    assert (done.restored, done.changed_since) == (1, 1)
    assert np.array_equal(pushed.mask("0001"), box(0, 7))
    take_back(pushed.dataset.folder, number=2)
    # the first is taken back too: what it brought does not come into force again
    assert (pushed.row("0001")["label_version"], pushed.row("0002")["label_version"]) == (0, 0)
    assert np.array_equal(pushed.mask("0001"), person_mask(1))
    assert [in_force for _, _, in_force, _ in listed(pushed)] == [0, 0]


def test_the_last_of_two_pulls_that_is_taken_back_leaves_what_the_first_brought(pushed: Round) -> None:
    made = pushed.submit("0001", box(0, 5), updated_at="2030-01-01T00:00:01Z")
    pushed.pull()
    made |= {"result": drawn_result(box(0, 7), verdict="fixed"), "updated_at": "2030-01-01T00:00:02Z"}
    pushed.server.tasks[pushed.tasks["0001"]]["updated_at"] = made["updated_at"]
    pushed.pull()
    take_back(pushed.dataset.folder, number=2)
    assert np.array_equal(pushed.mask("0001"), box(0, 5))
    take_back(pushed.dataset.folder, number=1)
    assert np.array_equal(pushed.mask("0001"), person_mask(1))


@pytest.mark.parametrize("dies", ["before the mark", "before the rows"])
def test_an_undo_that_was_killed_goes_on(pushed: Round, monkeypatch: pytest.MonkeyPatch, dies: str) -> None:
    pushed.submit("0001", box(0, 5))
    pushed.pull()
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(undoing, {"before the mark": "write_batch", "before the rows": "write_rows"}[dies], _killed)
        take_back(pushed.dataset.folder, number=1)
    assert pushed.row("0001")["label_version"] == 1
    assert pushed.pull().applied.written == 0
    assert take_back(pushed.dataset.folder, number=1).restored == 1
    assert pushed.row("0001")["label_version"] == 0


def test_a_pull_that_was_killed_takes_the_same_number_again(pushed: Round, monkeypatch: pytest.MonkeyPatch) -> None:
    pushed.submit("0001", box(0, 5))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(applying, "write_rows", _killed)
        pushed.pull()
    pushed.submit("0002", box(0, 6))
    assert (pushed.pull().applied.batch, listed(pushed)) == (1, [(1, 2, 2, False)])


def _killed(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def test_what_an_earlier_version_pulled_is_batch_zero(pushed: Round) -> None:
    before = pushed.now().table
    pushed.submit("0001", box(0, 5))
    pushed.submit("0003", pushed.mask("0003"), verdict="right")
    pushed.pull()
    without_numbers(pushed.dataset)
    assert listed(pushed) == [(0, 1, 1, False)]
    take_back(pushed.dataset.folder, number=0)
    assert pushed.now().table.select(before.column_names).equals(before)
    assert (take_back(pushed.dataset.folder, number=0).restored, pushed.pull().applied.written) == (0, 0)
    pushed.submit("0002", box(0, 6))
    assert pushed.pull().applied.batch == 1


def test_every_verb_of_a_labelled_dataset_takes_the_folder_of_the_server() -> None:
    for flags in (PushFlags, PullFlags, StatusFlags, UndoFlags):
        assert flags(dataset=Path("d"), folder=Path("server")).folder == Path("server")


def test_the_command_lists_the_pulls_and_takes_one_back(pushed: Round) -> None:
    pushed.submit("0001", box(0, 5))
    pushed.pull()
    told = undo(UndoFlags(dataset=pushed.dataset.folder, folder=Path("of-no-server")), run=RunOptions())
    assert [(one["batch"], one["rows"], one["taken_back"]) for one in told.data["batches"]] == [(1, 1, False)]
    trial = undo(UndoFlags(dataset=pushed.dataset.folder, batch=1), run=RunOptions(dry_run=True))
    assert (trial.data["restored"], pushed.row("0001")["label_version"]) == (1, 1)
    done = undo(UndoFlags(dataset=pushed.dataset.folder, batch=1), run=RunOptions())
    assert (done.data["restored"], pushed.row("0001")["label_version"]) == (1, 0)
    with pytest.raises(InputRefused, match="no pull has the number 7"):
        undo(UndoFlags(dataset=pushed.dataset.folder, batch=7), run=RunOptions())


@pytest.mark.parametrize("name", [None, "masks/gone.png", "../../secret.png"])
def test_a_record_that_names_what_is_not_there_changes_nothing(pushed: Round, name: str | None) -> None:
    pushed.submit("0001", box(0, 5))
    pushed.pull()
    (file,) = pushed.dataset.path("labeling/batches").iterdir()
    record = json.loads(file.read_text())
    record["changes"][0]["before"]["mask"] = name
    file.write_text("{" if name is None else json.dumps(record))
    manifest = pushed.dataset.path("manifest.parquet").read_bytes()
    with pytest.raises(InputRefused):
        take_back(pushed.dataset.folder, number=1)
    assert pushed.dataset.path("manifest.parquet").read_bytes() == manifest


def test_alphas_that_a_new_label_made_untrue_come_back(pushed: Round) -> None:
    dataset = pushed.now()
    dataset.path("alphas").mkdir()
    dataset.path("alphas/0001.png").write_bytes(dataset.path("masks/0001.png").read_bytes())
    rows = with_columns(dataset.table, types={}).to_pylist()
    index = dataset.table.column_names.index("alpha")
    alphas = ["alphas/0001.png" if row["id"] == "0001" else None for row in rows]
    table = dataset.table.set_column(index, dataset.table.schema.field("alpha"), [alphas])
    write_dataset(dataset.folder, card=dataset.card, table=table, quarantine=read_quarantine(dataset.folder))
    pushed.submit("0001", box(0, 5))
    pushed.pull()
    assert pushed.row("0001")["alpha"] is None
    take_back(pushed.dataset.folder, number=1)
    assert read_dataset(dataset.folder).table.select(table.column_names).equals(table)


@pytest.fixture
def packed(tmp_path: Path) -> Any:
    """The same, of a data set whose labels lie in a tar file."""
    with running(FakeServer()) as server:
        yield Round(tmp_path, server, shards=True)


def test_a_new_label_lies_beside_a_tar_file_of_labels_and_can_be_taken_back(packed: Round) -> None:
    before, mask = packed.now().table, packed.row("0001")["mask"]
    shard = packed.dataset.path("labels/part-00000.tar").read_bytes()
    assert mask.startswith("labels/part-00000.tar/")
    packed.submit("0001", box(0, 5))
    packed.submit("0002", person_mask(2), verdict="right")
    assert packed.pull().applied.written == 1
    assert packed.row("0001")["mask"] == "masks/0001.v1.png"
    assert np.array_equal(packed.mask("0001"), box(0, 5))
    assert packed.dataset.path("labels/part-00000.tar").read_bytes() == shard
    assert verify(packed.now(), runner=RunnerOptions(workers=0)).problems == []
    assert take_back(packed.dataset.folder, number=1).restored == 2
    assert packed.now().table.select(before.column_names).equals(before)
    assert verify(packed.now(), runner=RunnerOptions(workers=0)).problems == []
    without_numbers(packed.dataset)
    assert batches_of(packed.now()) == [], "what is not noted cannot be guessed"


def test_a_label_before_the_pull_that_its_tar_file_has_no_more_is_told(packed: Round) -> None:
    packed.submit("0001", box(0, 5))
    packed.pull()
    shard = packed.dataset.path("labels/part-00000.tar")
    shard.write_bytes(shard.read_bytes()[:600])
    with pytest.raises(InputRefused, match="gone"):
        take_back(packed.dataset.folder, number=1)
    assert packed.row("0001")["label_version"] == 1
