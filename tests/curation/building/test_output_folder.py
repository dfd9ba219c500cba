"""The output folder of a run: nothing foreign is touched, nothing finished is lost, nothing is left lying (D2, D4)."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.building.output_folder import WORKSPACE, finished_card, make_folders, working_in
from curation.building.workers import RunnerOptions, set_aside
from curation.dataset.dataset import read_dataset
from curation.dataset.manifest_files import MANIFEST
from curation.dataset.sample import Item, Outcome, Plan, Sample
from curation.errors import EnvironmentProblem, InputRefused
from curation.quarantine import BadRecord, Code
from curation.storage.lock import exclusive


def make_sample(item: Item, folder: Path) -> Outcome:
    (folder / "images" / f"{item.id}.jpg").write_bytes(b"x")
    return Outcome(
        id=item.id,
        sample=Sample(
            id=item.id,
            image=f"images/{item.id}.jpg",
            width=1,
            height=1,
            source="test",
            source_id=item.id,
            group=item.id,
            sha256="0" * 64,
            label_version=item.payload,
        ),
    )


def build(
    out: Path, *, samples: int = 2, label_version: int = 0, overwrite: bool = False, inputs: Sequence[Path] = ()
) -> str:
    """Make a dataset and give the id of its run."""
    plan = Plan(
        command="test",
        settings={"samples": samples, "label_version": label_version},
        sources=[],
        considered=samples,
        items=[Item(id=str(number), payload=label_version) for number in range(samples)],
        work=make_sample,
        inputs=inputs,
    )
    return build_dataset(plan, out=out, options=BuildOptions(runner=RunnerOptions(workers=0), overwrite=overwrite)).run


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@contextmanager
def stopped() -> Iterator[None]:
    """Stop the run inside the block, as a full disk would."""
    with pytest.raises(EnvironmentProblem, match="stopped"):
        yield


def stop() -> None:
    raise EnvironmentProblem("stopped")


@pytest.mark.parametrize("left", ["lock", "journal.jsonl"])
def test_what_a_kill_in_the_last_step_left_is_tidied_up_by_the_next_run(tmp_path: Path, left: str) -> None:
    run = build(tmp_path / "D")
    (tmp_path / "D" / WORKSPACE).mkdir()
    (tmp_path / "D" / WORKSPACE / left).write_bytes(b'{"run":"x"}\n')
    card = finished_card(tmp_path / "D", run=run)
    assert card is not None
    assert card.run == run
    assert WORKSPACE not in names(tmp_path / "D")


def test_the_finished_dataset_of_a_running_run_is_not_touched(tmp_path: Path) -> None:
    run = build(tmp_path / "D")
    with (
        exclusive(tmp_path / "D" / WORKSPACE / "lock"),
        pytest.raises(EnvironmentProblem, match="another run works in"),
    ):
        finished_card(tmp_path / "D", run=run)


def test_a_dataset_that_appeared_after_the_first_look_is_not_worked_over(tmp_path: Path) -> None:
    assert finished_card(tmp_path / "D", run="mine") is None
    run = build(tmp_path / "D")
    with (
        pytest.raises(EnvironmentProblem, match="a moment ago"),
        working_in(tmp_path / "D", run="mine", overwrite=False),
    ):
        pass
    assert read_dataset(tmp_path / "D").card.run == run
    assert WORKSPACE not in names(tmp_path / "D")


def test_unfinished_work_of_another_run_is_refused_and_dropped_only_with_overwrite(tmp_path: Path) -> None:
    out = tmp_path / "D"
    with stopped(), working_in(out, run="other", overwrite=False) as journal:
        (out / "images").mkdir()
        (out / "images" / "half.jpg").write_bytes(b"half")
        journal.add(make_sample(Item(id="done", payload=0), out))
        journal.commit()
        stop()
    with (
        pytest.raises(InputRefused, match="unfinished work of another command"),
        working_in(out, run="mine", overwrite=False),
    ):
        pass
    assert (out / "images" / "half.jpg").exists()
    with working_in(out, run="mine", overwrite=True):
        assert names(out) == [WORKSPACE]


@pytest.mark.parametrize("fate", ["nothing", "filtered", "broken"])
def test_unfinished_work_of_another_run_that_made_no_sample_is_in_nobodys_way(tmp_path: Path, fate: str) -> None:
    out = tmp_path / "D"
    with stopped(), working_in(out, run="other", overwrite=False) as journal:
        (out / "trimaps").mkdir()
        (out / "trimaps" / "half.png").write_bytes(b"half")
        (out / "quarantine.jsonl").write_bytes(b"")
        if fate == "filtered":
            journal.add(Outcome(id="x", filtered="too_small"))
        elif fate == "broken":
            journal.add(set_aside(BadRecord(Code.MISSING_FILE, "gone"), item=Item(id="x", payload=0), stage="test"))
        journal.commit()
        stop()
    with working_in(out, run="mine", overwrite=False) as journal:
        assert names(out) == [WORKSPACE]
        assert journal.done == set()


def test_a_journal_whose_header_is_damaged_is_begun_anew(tmp_path: Path) -> None:
    out = tmp_path / "D"
    with stopped(), working_in(out, run="mine", overwrite=False) as journal:
        journal.add(Outcome(id="x", filtered="too_small"))
        journal.commit()
        stop()
    path = out / WORKSPACE / "journal.jsonl"
    path.write_bytes(b"\x00" + path.read_bytes()[1:])
    with working_in(out, run="mine", overwrite=False) as journal:
        assert journal.done == set()


@pytest.mark.parametrize("inner", [".", "images", "images/1.jpg"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_dataset_is_not_made_in_place_of_what_is_read(tmp_path: Path, inner: str, overwrite: bool) -> None:
    build(tmp_path / "D")
    (tmp_path / "link").symlink_to(tmp_path / "D")
    for out in (tmp_path / "D", tmp_path / "link", tmp_path):
        with pytest.raises(InputRefused, match="is read"):
            build(out, samples=3, overwrite=overwrite, inputs=[tmp_path / "D" / inner])
    build(tmp_path / "D" / "deeper", inputs=[tmp_path / "D" / "images"])
    assert len(read_dataset(tmp_path / "D")) == 2


def test_overwrite_through_a_link_replaces_the_dataset_that_it_leads_to(tmp_path: Path) -> None:
    build(tmp_path / "D")
    (tmp_path / "link").symlink_to(tmp_path / "D")
    build(tmp_path / "link", samples=3, overwrite=True)
    assert (tmp_path / "link").is_symlink()
    assert len(read_dataset(tmp_path / "D")) == 3
    assert names(tmp_path) == ["D", "link"]


def test_a_link_where_a_folder_of_the_dataset_belongs_is_refused_and_what_is_behind_it_stays(tmp_path: Path) -> None:
    with stopped(), working_in(tmp_path / "D", run="other", overwrite=False):
        stop()
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "mine.jpg").write_bytes(b"mine")
    (tmp_path / "D" / "images").symlink_to(tmp_path / "photos")
    with pytest.raises(InputRefused, match="a symbolic link"):
        make_folders(tmp_path / "D", ("images",))
    assert names(tmp_path / "photos") == ["mine.jpg"]


def test_a_name_that_no_file_system_holds_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentProblem, match="file name too long"):
        build(tmp_path / ("x" * 300))


def test_a_kill_while_unfinished_work_is_dropped_leaves_a_folder_that_is_still_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "D"
    with stopped(), working_in(out, run="other", overwrite=False):
        (out / "images").mkdir()
        (out / "masks").mkdir()
        stop()

    def remove_nothing(path: Path) -> None:
        stop()

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", remove_nothing)
        with stopped(), working_in(out, run="mine", overwrite=True):
            pass
    with working_in(out, run="mine", overwrite=True):
        assert names(out) == [WORKSPACE]


@pytest.mark.parametrize("kept", [["manifest.parquet", "dataset.json", "masks"], ["manifest.parquet"], []])
def test_a_replaced_dataset_whose_removal_was_killed_is_removed_by_the_next_overwrite(
    tmp_path: Path, kept: list[str]
) -> None:
    build(tmp_path / "D", samples=1)
    shutil.copytree(tmp_path / "D", tmp_path / "D.replaced")
    (tmp_path / "D.replaced" / "masks").mkdir()
    for path in (tmp_path / "D.replaced").iterdir():
        if path.name not in kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    build(tmp_path / "D", samples=3, overwrite=True)
    assert len(read_dataset(tmp_path / "D")) == 3
    assert names(tmp_path) == ["D"]


def test_labels_drawn_by_a_person_are_kept_through_overwrite_and_block_a_second_one(tmp_path: Path) -> None:
    build(tmp_path / "D", label_version=1)
    build(tmp_path / "D", samples=3, overwrite=True)
    assert len(read_dataset(tmp_path / "D.replaced")) == 2
    with pytest.raises(InputRefused, match="labels drawn by a person"):
        build(tmp_path / "D", samples=4, overwrite=True)
    assert len(read_dataset(tmp_path / "D")) == 3
    assert WORKSPACE not in names(tmp_path / "D")


def test_a_replaced_folder_that_cannot_be_read_is_never_deleted(tmp_path: Path) -> None:
    (tmp_path / "D.replaced").mkdir()
    (tmp_path / "D.replaced" / "thesis.txt").write_text("years of work")
    build(tmp_path / "D")
    with pytest.raises(InputRefused):
        build(tmp_path / "D", samples=3, overwrite=True)
    assert (tmp_path / "D.replaced" / "thesis.txt").read_text() == "years of work"


def test_overwrite_while_another_run_is_at_work_moves_nothing(tmp_path: Path) -> None:
    build(tmp_path / "D")
    with (
        exclusive(tmp_path / "D" / WORKSPACE / "lock"),
        pytest.raises(EnvironmentProblem, match="another run works in"),
    ):
        build(tmp_path / "D", samples=3, overwrite=True)
    assert names(tmp_path) == ["D"]
    assert (tmp_path / "D" / MANIFEST).exists()
