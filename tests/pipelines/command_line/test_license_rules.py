"""`--licenses FILE` of merge, fuse, train and the loop: what is let through, what is flagged, faults in the file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from curation.dataset.dataset import read_dataset
from curation.dataset.licenses import FILTERED, LicenseRules
from curation.errors import ConfigurationProblem, InputRefused
from models.training.settings import Stage, TrainSettings, settings_from
from models.training.settings_text import settings_text, training_id
from pipelines.command_line.license_rules import read_license_rules
from pipelines.command_line.options import RunOptions
from pipelines.datasets.fuse import FuseFlags, fuse
from pipelines.datasets.merge import MergeFlags, merge
from pipelines.datasets.stats import StatsFlags, stats
from pipelines.loop.config import LoopConfig, loop_config_from
from pipelines.loop.rounds import Loop, configuration_of, inputs_of
from pipelines.loop.training_set import TrainingParts, plan_training_set
from pipelines.training.train import train
from pipelines.training.train_flags import TrainFlags
from reports.rounds.round_record import data_facts
from tests.curation.fusion.fusion_data import grounds, persons
from tests.models.data.discs import disc_dataset

QUIET = RunOptions(workers=0, device="cpu", quiet=True)
DRY = replace(QUIET, dry_run=True)
FREE, SHARED, BOUND = "CC BY 4.0", "CC BY-NC-SA 2.0", "CC BY-ND 2.0"


def allowing(folder: Path, text: str) -> Path:
    file = folder / "allow.yaml"
    file.write_text(text)
    return file


@pytest.mark.parametrize(
    ("text", "line", "named", "remedy"),
    [
        ("allow: [MIT]\nalow: [CC0]\n", 2, "unknown field `alow`", "allow, unknown"),
        ("unknown: true\n", 1, "missing required field `allow`", "allow, unknown"),
        ("allow:\n- MIT\n- 3\n", 3, "allow.1: expected a text, got 3", "allow, unknown"),
        ("\nallow: MIT\n", 2, "expected a list, got 'MIT'", "allow, unknown"),
        ("unknown: false\nallow: []\n", 2, "allow must name at least one licence", "allow, unknown"),
        ("- MIT\n", 1, "expected keys with values", "allow, unknown"),
    ],
)
def test_a_fault_in_the_file_is_told_with_its_line(
    tmp_path: Path, text: str, line: int, named: str, remedy: str
) -> None:
    file = allowing(tmp_path, text)
    with pytest.raises(ConfigurationProblem) as told:
        read_license_rules(file)
    assert told.value.where == f"{file}, line {line}"
    assert named in told.value.reason
    assert remedy in told.value.remedy


def test_a_file_that_is_not_there_is_asked_for_by_its_flag(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="does not exist") as told:
        read_license_rules(tmp_path / "none.yaml")
    assert "--licenses" in told.value.remedy
    assert read_license_rules(None) is None


def test_a_merge_keeps_what_is_allowed_and_flags_what_is_bound(tmp_path: Path) -> None:
    licenses = {"a": FREE, "b": SHARED, "c": BOUND, "d": None}
    persons(tmp_path / "p", list(licenses), rows={id_: {"license": text} for id_, text in licenses.items()})
    flags = MergeFlags(datasets=(tmp_path / "p",), out=tmp_path / "all")
    result = merge(flags, run=QUIET)
    assert (result.data["non_commercial"], result.data["no_derivatives"]) == (1, 1)
    assert "1 of 4 samples are under a licence that forbids commercial use (NC)" in result.warnings[0]
    assert "1 of 4 samples are under a licence that forbids derived pictures (ND)" in result.warnings[1]
    told = stats(StatsFlags(datasets=(tmp_path / "all",)), run=QUIET).summary
    assert "LICENCE      1 samples are under a licence that forbids commercial use (NC)" in told
    assert (data_facts(tmp_path / "all").non_commercial, data_facts(tmp_path / "all").no_derivatives) == (1, 1)

    allow = allowing(tmp_path, f"allow: ['{FREE}', CC BY-ND]\n")
    result = merge(replace(flags, out=tmp_path / "some", licenses=allow), run=QUIET)
    assert read_dataset(tmp_path / "some").table["id"].to_pylist() == ["a", "c"]
    assert result.data["counts"]["filtered"] == {FILTERED: 2}
    allow = allowing(tmp_path, f"allow: ['{FREE}']\nunknown: true\n")
    result = merge(replace(flags, out=tmp_path / "more", licenses=allow), run=QUIET)
    assert read_dataset(tmp_path / "more").table["id"].to_pylist() == ["a", "d"]
    assert result.warnings == ()


def fusion(tmp_path: Path, **more: Path) -> FuseFlags:
    fronts = {"a": FREE, "b": SHARED, "c": BOUND}
    persons(tmp_path / "p", list(fronts), rows={id_: {"license": text} for id_, text in fronts.items()})
    grounds(tmp_path / "g", ["x", "y"], rows={"x": {"license": "CC0"}, "y": {"license": BOUND}})
    folders = {"foregrounds": (tmp_path / "p",), "backgrounds": (tmp_path / "g",)}
    return FuseFlags(**folders, out=tmp_path / "f", keep_edges=True, **more)


def test_nothing_is_fused_of_which_no_picture_may_be_derived(tmp_path: Path) -> None:
    result = fuse(fusion(tmp_path), run=QUIET)
    rows = read_dataset(tmp_path / "f").table.to_pylist()
    assert {row["id"]: row["license"] for row in rows} == {
        "a-fused-1": f"{FREE} + CC0",
        "b-fused-1": f"{SHARED} + CC0",
    }
    assert result.data["counts"]["filtered"] == {"no_derivatives": 1}
    assert "not used because of their licence: no_derivatives 1" in result.summary
    assert (result.data["non_commercial"], result.data["no_derivatives"]) == (1, 0)


def test_a_list_decides_what_is_fused_of_whom_and_on_what(tmp_path: Path) -> None:
    result = fuse(fusion(tmp_path, licenses=allowing(tmp_path, f"allow: ['{FREE}', CC BY-ND]\n")), run=QUIET)
    rows = read_dataset(tmp_path / "f").table.to_pylist()
    assert [row["foreground_id"] for row in rows] == ["a", "c"]
    assert {row["background_license"] for row in rows} == {BOUND}
    assert result.data["counts"]["filtered"] == {FILTERED: 1}
    assert result.data["no_derivatives"] == 2, "allowed, and flagged all the same"
    flags = MergeFlags(datasets=(tmp_path / "f",), out=tmp_path / "m")
    merge(replace(flags, licenses=allowing(tmp_path, f"allow: ['{FREE}']\n")), run=QUIET)
    assert len(read_dataset(tmp_path / "m")) == 0, "the background of each is under another licence"


def test_where_licences_leave_nothing_to_fuse_that_is_said(tmp_path: Path) -> None:
    flags = fusion(tmp_path, licenses=allowing(tmp_path, "allow: [CC0]\n"))
    with pytest.raises(InputRefused, match="no foreground: the licence of each of the 3") as told:
        fuse(flags, run=QUIET)
    assert "--licenses" in told.value.remedy


def test_only_what_is_allowed_trains_and_what_judges_stays(tmp_path: Path) -> None:
    free = {"a": {"license": FREE}, "a2": {"license": FREE}}
    rows = free | {"b": {"license": SHARED}, "c": {}, "v": {"license": SHARED, "split": "val"}}
    disc_dataset(tmp_path / "d", list(rows), rows=rows)
    flags = TrainFlags(data=(tmp_path / "d",), out=tmp_path / "run", network="sinet")
    (stage,) = train(replace(flags, licenses=allowing(tmp_path, "allow: [CC BY]\n")), run=DRY).data["stages"]
    assert (stage["training"], stage["validation"]) == (2, 1)
    assert stage["left_out"][FILTERED] == 2
    assert "1 of 4 samples are under a licence that forbids commercial use" in train(flags, run=DRY).warnings[0]


def test_backgrounds_of_a_training_are_allowed_too(tmp_path: Path) -> None:
    disc_dataset(tmp_path / "d", ["a", "v"], rows={"a": {"license": FREE}, "v": {"split": "val"}})
    grounds(tmp_path / "g", ["x"], rows={"x": {"license": SHARED}})
    flags = TrainFlags(data=(tmp_path / "d",), backgrounds=(tmp_path / "g",), out=tmp_path / "run", network="sinet")
    with pytest.raises(InputRefused, match="under a licence that is not allowed"):
        train(replace(flags, licenses=allowing(tmp_path, "allow: [CC BY]\n")), run=DRY)


def test_the_settings_of_a_training_hold_the_list_itself() -> None:
    plain = TrainSettings(network="sinet", stages=(Stage(data=("d",)),))
    bound = TrainSettings(network="sinet", stages=plain.stages, licenses=LicenseRules(allow=("MIT",)))
    assert settings_from(settings_text(bound), where=Path("x.yaml")) == bound
    assert b"licenses" not in settings_text(plain), "trainings from before it was there go on"
    assert training_id(plain, data={}) != training_id(bound, data={})


def loop(tmp_path: Path, *, licenses: str = "") -> Loop:
    text = f"data:\n  train: [d]\n  test: [{{data: d}}]\n{licenses}"
    config: LoopConfig = loop_config_from(text.encode(), where=tmp_path / "loop.yaml")
    return Loop(config=config, file=tmp_path / "loop.yaml")


def test_the_loop_trains_on_what_its_list_allows_and_a_changed_list_is_a_reason_for_a_round(tmp_path: Path) -> None:
    rows = {"a": {"license": FREE}, "b": {"license": SHARED}}
    dataset = disc_dataset(tmp_path / "d", list(rows), rows=rows)
    allowing(tmp_path, "allow: [CC BY]\n")
    bound, free = loop(tmp_path, licenses="  licenses: allow.yaml\n"), loop(tmp_path)
    parts = TrainingParts(train=[dataset], pool=(), test=(), licenses=read_license_rules(bound.licenses))
    plan = plan_training_set(parts, hard={}, weight=2)
    assert [item.id for item in plan.items] == ["a"]
    assert plan.filtered == {FILTERED: 1}
    before = inputs_of(bound, champion="")
    allowing(tmp_path, "allow: [CC BY-NC-SA]\n")
    now = inputs_of(bound, champion="")
    assert {name for name in now if now[name] != before[name]} == {"allow.yaml"}
    assert free.licenses is None
    assert configuration_of(free)["data in the configuration"] != configuration_of(bound)["data in the configuration"]
