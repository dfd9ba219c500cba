"""`curate fuse` and `curate lineage` as a user types them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem, InputRefused
from curation.matting import pymatting_door as matting_library
from pipelines.command_line.options import RunOptions
from pipelines.datasets.fuse import FuseFlags, fuse
from pipelines.datasets.lineage import LineageFlags, lineage
from tests.curation.fusion.fusion_data import grounds, persons
from tests.pipelines.commands import run

QUIET = RunOptions(workers=0, quiet=True)


@pytest.fixture
def flags(tmp_path: Path) -> FuseFlags:
    persons(tmp_path / "p", ["a", "b"], rows={"a": {"alpha": None}})
    grounds(tmp_path / "g", ["x", "y"], rows={"y": {"persons": 2}})
    return FuseFlags(
        foregrounds=(tmp_path / "p",),
        backgrounds=(tmp_path / "g",),
        out=tmp_path / "f",
        keep_edges=True,
        per_foreground=2,
    )


def test_the_summary_tells_what_was_guessed(flags: FuseFlags) -> None:
    result = fuse(flags, run=QUIET)
    assert result.data["counts"]["selected"] == 4
    assert "2 of 4 foregrounds have no alpha" in result.summary
    assert "4 of 4 foregrounds have no split: their fused samples are train" in result.summary
    assert "1 rows of the backgrounds show a person" in result.summary
    assert set(read_dataset(flags.out).table["split"].to_pylist()) == {"train"}


def test_a_dry_run_writes_nothing_and_needs_no_compiler(flags: FuseFlags, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(matting_library, "compile_once")
    estimated = FuseFlags(foregrounds=flags.foregrounds, backgrounds=flags.backgrounds, out=flags.out)
    result = fuse(estimated, run=RunOptions(workers=0, quiet=True, dry_run=True))
    assert result.data["samples"] == ["a-fused-1", "b-fused-1"]
    assert not flags.out.exists()


def test_a_seed_decides_and_the_same_run_is_left_as_it_is(flags: FuseFlags) -> None:
    fuse(flags, run=QUIET)
    before = (flags.out / "manifest.parquet").read_bytes()
    fuse(flags, run=QUIET)
    assert (flags.out / "manifest.parquet").read_bytes() == before
    with pytest.raises(InputRefused, match="other settings"):
        fuse(flags, run=RunOptions(workers=0, quiet=True, seed=1))
    fuse(flags, run=RunOptions(workers=0, quiet=True, seed=1, overwrite=True))
    assert (flags.out / "manifest.parquet").read_bytes() != before


def test_the_summary_tells_how_many_got_a_second_person(tmp_path: Path) -> None:
    persons(tmp_path / "p", ["a", "b"])
    grounds(tmp_path / "g", ["x"])
    common = ["--foregrounds", tmp_path / "p", "--backgrounds", tmp_path / "g", "--out", tmp_path / "f"]
    done = run("fuse", *common, "--keep-edges", "--per-foreground", 6, "--second-person", 1, "--workers", 0)
    assert done.returncode == 0, done.stderr
    shown = [name for name in read_dataset(tmp_path / "f").table["second_id"].to_pylist() if name is not None]
    assert shown
    assert f"{len(shown)} samples show a second person; 12 were to" in done.stdout
    refused = run("fuse", *common, "--second-person", 2)
    assert refused.returncode == 7 and "--second-person 2" in refused.stderr


def test_the_commands_as_typed(tmp_path: Path) -> None:
    persons(tmp_path / "p", ["a", "b"])
    grounds(tmp_path / "g", ["x", "y"])
    common = ["--foregrounds", tmp_path / "p", "--backgrounds", tmp_path / "g", "--out", tmp_path / "f"]
    done = run("fuse", *common, "--keep-place", "--workers", 1)
    assert done.returncode == 0, done.stderr
    listed = run("lineage", tmp_path / "p", tmp_path / "f", "--of", "a", "--json")
    assert listed.returncode == 0, listed.stderr
    assert [one["id"] for one in json.loads(listed.stdout)["samples"]] == ["a", "a-fused-1"]


def test_a_photograph_is_removed_from_a_dataset(flags: FuseFlags, tmp_path: Path) -> None:
    fuse(flags, run=QUIET)
    result = lineage(LineageFlags(datasets=(flags.out,), of=("a",), out=tmp_path / "rest"), run=QUIET)
    assert [row["id"] for row in read_dataset(tmp_path / "rest").table.to_pylist()] == ["b-fused-1", "b-fused-2"]
    assert result.data["made"]["counts"]["filtered"] == {"query": 2}
    with pytest.raises(InputRefused, match="nothing here is called 'a'"):
        lineage(LineageFlags(datasets=(tmp_path / "rest",), of=("a",)), run=QUIET)


def test_a_name_of_two_photographs_is_a_warning(tmp_path: Path) -> None:
    persons(tmp_path / "p", ["a"])
    grounds(tmp_path / "g", ["a"])
    result = lineage(LineageFlags(datasets=(tmp_path / "p", tmp_path / "g"), of=("a",)), run=QUIET)
    assert "2 photographs" in result.warnings[0]


def test_a_dataset_without_a_photograph_is_made_of_one_dataset(tmp_path: Path) -> None:
    persons(tmp_path / "p", ["a"])
    grounds(tmp_path / "g", ["b"])
    flags = LineageFlags(datasets=(tmp_path / "p", tmp_path / "g"), of=("a",), out=tmp_path / "rest")
    with pytest.raises(ConfigurationProblem, match="takes one dataset"):
        lineage(flags, run=QUIET)
