"""A disk that is full or broken ends a run with exit 5; nothing is torn, and the next run completes it (faults D1)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.pipelines.commands import aifenge_command, count_changes, difference, draw_aifenge, go_on, run, spread, tree

SAMPLES = 12
POINTS = {"main": 8, "worker": 12}
ENVIRONMENT = 5
AT_ONCE = 2


def check_fault(*, plan: str, root: Path, out: Path, expected: dict[str, bytes]) -> tuple[int, str]:
    """Run with a fault, look at what it left, go on without; give the exit code and what was said."""
    failed = run(*aifenge_command(root, out), plan=plan, below=out)
    left = tree(out) if out.exists() else {}
    final = {name: data for name, data in left.items() if name in expected and not name.endswith((".json", ".jsonl"))}
    assert [name for name, data in final.items() if data != expected[name]] == [], f"torn by {plan}"
    assert "Traceback" not in failed.stderr
    assert ("manifest.parquet" in left) == (failed.returncode == 0), f"{plan}: {failed.stderr}"
    if failed.returncode != 0:
        assert not any(".writing-" in name for name in left), plan
    assert go_on(root, out) == 0, plan
    assert difference(tree(out), expected) == [], plan
    return failed.returncode, failed.stderr


def check_faults(kind: str, *, points: dict[str, int], base: Path) -> list[tuple[int, str]]:
    root = draw_aifenge(base / "R", samples=SAMPLES)
    plans = []
    for process, number in points.items():
        out = base / f"of_{process}" / "D"
        command = aifenge_command(root, out)
        changes = count_changes(command, process=process, below=out, counts=base / process)
        plans += [f"{process}:{kind}:{point}" for point in spread(changes, number=number)]
    expected = tree(out)

    def check(plan: str) -> tuple[int, str]:
        return check_fault(plan=plan, root=root, out=base / plan.replace(":", "-") / "D", expected=expected)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(check, plans))


def test_a_disk_that_is_full_from_any_of_20_points_on_ends_the_run_with_exit_5(tmp_path: Path) -> None:
    results = check_faults("full", points=POINTS, base=tmp_path)
    failed = [said for code, said in results if code == ENVIRONMENT]
    # The last changes of a run only delete; they need no space
    assert len(failed) >= 18
    assert {code for code, _ in results} <= {0, ENVIRONMENT}
    for said in failed:
        assert "the disk is full" in said
        assert str(tmp_path) in said
        assert "free some space" in said


def test_an_input_output_error_at_any_point_ends_the_run_with_exit_5_or_does_no_harm(tmp_path: Path) -> None:
    results = check_faults("fault", points={"main": 7, "worker": 5}, base=tmp_path)
    assert {code for code, _ in results} <= {0, ENVIRONMENT}
    failed = [said for code, said in results if code == ENVIRONMENT]
    assert len(failed) >= 6
    for said in failed:
        assert "input/output error" in said
        assert str(tmp_path) in said


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=256k", "none", folder], capture_output=True, text=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"mounting a small disk is not permitted here: {mounted.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def test_a_really_full_disk_is_told_with_path_and_bytes_and_the_run_goes_on_when_there_is_room(
    tmp_path: Path, small_disk: Path
) -> None:
    root = draw_aifenge(tmp_path / "R", samples=SAMPLES)
    assert go_on(root, tmp_path / "elsewhere" / "D") == 0
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(180_000))
    full = run(*aifenge_command(root, small_disk / "D"))
    assert full.returncode == ENVIRONMENT
    assert "the disk is full" in full.stderr
    assert "bytes needed" in full.stderr
    assert str(small_disk / "D") in full.stderr
    assert not (small_disk / "D" / "manifest.parquet").exists()
    ballast.unlink()
    assert go_on(root, small_disk / "D") == 0
    assert difference(tree(small_disk / "D"), tree(tmp_path / "elsewhere" / "D")) == []
