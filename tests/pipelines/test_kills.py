"""Killed at any moment, a run leaves nothing that the next, plain run does not put right (faults D2)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import InputRefused
from tests.pipelines.commands import aifenge_command, count_changes, difference, draw_aifenge, go_on, run, spread, tree

SAMPLES = 50
KILLED = -9
POINTS = {"main": 12, "worker": 18}
AT_ONCE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Unbroken:
    """A run that nobody disturbed: its source, its files, and how many changes on disk each process made."""

    root: Path
    files: dict[str, bytes]
    changes: dict[str, int]


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> Unbroken:
    base = tmp_path_factory.mktemp("unbroken")
    root = draw_aifenge(base / "R", samples=SAMPLES)
    changes = {}
    for process in POINTS:
        out = base / f"of_{process}" / "D"
        command = aifenge_command(root, out)
        changes[process] = count_changes(command, process=process, below=out, counts=base / process)
    return Unbroken(root=root, files=tree(out), changes=changes)


def test_an_unbroken_run_changes_the_disk_often_enough_to_be_worth_killing(unbroken: Unbroken) -> None:
    # At the least: lock, journal, folders, three files of the dataset; and per sample three labels and a link
    assert unbroken.changes["main"] >= 12
    assert unbroken.changes["worker"] >= 4 * 2 * SAMPLES
    assert len([name for name in unbroken.files if name.startswith("masks/")]) == SAMPLES


def test_after_a_kill_at_any_of_30_points_the_next_run_ends_with_the_same_bytes(
    unbroken: Unbroken, tmp_path: Path
) -> None:
    def kill_and_go_on(plan: str) -> int:
        out = tmp_path / plan.replace(":", "-") / "D"
        killed = run(*aifenge_command(unbroken.root, out), plan=plan, below=out)
        refuse_what_is_unfinished(out, killed.returncode)
        assert go_on(unbroken.root, out) == 0, plan
        assert difference(tree(out), unbroken.files) == [], plan
        return killed.returncode

    plans = [
        f"{process}:kill:{point}"
        for process, number in POINTS.items()
        for point in spread(unbroken.changes[process], number=number)
    ]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        codes = list(pool.map(kill_and_go_on, plans))
    assert len(codes) == 30
    # The journal is written every 2 s, so that a quick run may end before the last point of a slow one
    assert codes.count(KILLED) >= 28


def refuse_what_is_unfinished(out: Path, code: int) -> None:
    """Whatever can be read after a kill is whole; what is not whole is refused."""
    try:
        dataset = read_dataset(out)
    except InputRefused:
        assert code == KILLED
        return
    assert len(dataset) == SAMPLES
    for name in dataset.table["mask"].to_pylist():
        assert dataset.path(name).stat().st_size > 0


def test_a_worker_that_is_killed_alone_is_replaced_and_nothing_is_lost(unbroken: Unbroken, tmp_path: Path) -> None:
    out = tmp_path / "alone" / "D"
    done = run(
        *aifenge_command(unbroken.root, out),
        plan=f"worker:alone:{unbroken.changes['worker'] // 2}",
        below=out,
        variables={"FAULT_ONCE": tmp_path / "mark"},
    )
    assert (tmp_path / "mark").exists()
    assert done.returncode == 0, done.stderr
    assert tree(out) == unbroken.files


def test_after_a_kill_during_overwrite_the_old_dataset_or_the_new_one_is_whole(tmp_path: Path) -> None:
    root = draw_aifenge(tmp_path / "R", samples=4)
    first = tmp_path / "first" / "D"
    overwrite = [*aifenge_command(root, first, workers=0), "--overwrite"]
    assert run(*overwrite, "--threshold", 90).returncode == 0
    old = tree(first)
    changes = count_changes(overwrite, process="main", below=first.parent, counts=tmp_path / "counts")
    new = tree(first)

    def overwrite_and_kill(number: int) -> None:
        out = tmp_path / str(number) / "D"
        restore(old, out)
        command = [*aifenge_command(root, out, workers=0), "--overwrite"]
        assert run(*command, plan=f"main:kill:{number}", below=out.parent).returncode == KILLED
        kept = [tree(folder) for folder in (out, out.with_name("D.replaced")) if folder.is_dir()]
        assert any(each.items() >= whole.items() for each in kept for whole in (old, new)), number
        assert go_on(root, out, overwrite=True) == 0
        assert difference(tree(out), new) == []
        assert [path.name for path in out.parent.iterdir()] == ["D"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(overwrite_and_kill, spread(changes, number=8)))


def restore(files: dict[str, bytes], folder: Path) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
