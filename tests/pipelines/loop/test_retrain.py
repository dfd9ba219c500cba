"""Rounds of the loop on drawn discs: what is trained, promoted or kept, and when nothing is to do."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest
import yaml

from curation.dataset.dataset import read_dataset, read_quarantine, write_dataset
from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused
from curation.storage.claimed_folder import lock_file
from curation.storage.files import fingerprint_file
from curation.storage.lock import exclusive
from models.registry.registry import WORKSPACE, place_of, tracker_of
from pipelines.command_line.options import RunOptions
from pipelines.loop.retrain import RetrainFlags, retrain
from pipelines.loop.workspace_checks import look_at_loop
from reports.rounds.round_record import Round, read_round, write_round
from tests.models.data.discs import disc_dataset
from tests.pipelines.commands import difference, tree
from tests.pipelines.loop.webhook import listening

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages
HERE = RunOptions(workers=0, device="cpu", quiet=True)
CONFIG: dict[str, Any] = {
    "model": "disc",
    "data": {"train": ["train"], "test": [{"data": "test", "split": "all"}]},
    "train": {"input_size": [64, 64], "ema": 0, "stages": [{"epochs": 6, "batch_size": 8, "learning_rate": 0.01}]},
    "gate": {"min_images": 4},
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """A loop on discs, in a folder of its own."""

    path: Path

    @property
    def config(self) -> Path:
        """Its configuration."""
        return self.path / "loop.yaml"

    def write(self, **changes: Any) -> None:
        """Write the configuration."""
        told = {**CONFIG, **changes}
        self.config.write_text(yaml.safe_dump(told))

    def go(self, *, explain: bool = False) -> dict[str, Any]:
        """Do a round, or tell of it."""
        return retrain(RetrainFlags(config=self.config, explain=explain), run=HERE).data

    def round(self, number: int) -> Round:
        """Return the record of a round."""
        return read_round(self.path / "loop" / "rounds" / f"{number:04}")

    def folders(self) -> list[str]:
        """Return the folders of rounds."""
        return sorted(path.name for path in (self.path / "loop" / "rounds").glob("*/"))

    def champion(self) -> int | None:
        """Return the version that is the champion."""
        version = tracker_of(place_of(self.path / "loop")).version("disc", alias="champion")
        return None if version is None else version.number

    def versions(self) -> int:
        """Return how many versions there are."""
        return len(tracker_of(place_of(self.path / "loop")).versions("disc"))


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Folder:
    folder = drawn(tmp_path_factory.mktemp("first") / "f")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(WORKSPACE, "")
        told = folder.go()
    assert (told["outcome"], told["round"], told["champion"]) == ("first", 1, "models:/disc/1")
    return folder


@pytest.fixture
def loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, first: Folder) -> Folder:
    """A loop whose first round is over, moved to a place of its own."""
    monkeypatch.setenv(WORKSPACE, "")
    shutil.copytree(first.path, tmp_path / "f")
    return Folder(path=tmp_path / "f")


def drawn(path: Path) -> Folder:
    splits = {f"{n:02}": {"split": "val" if n % 5 == 0 else "train"} for n in range(20)}
    disc_dataset(path / "train", list(splits), rows=splits)
    disc_dataset(path / "test", [f"{n:02}" for n in range(8)])
    folder = Folder(path=path)
    folder.write()
    return folder


def relabelled(folder: Path, *ids: str) -> None:
    """Note of some samples that a person labelled them, in 30 seconds each, as a pull does."""
    dataset = read_dataset(folder)
    table = dataset.table
    for name, value, kind in (("label_status", "fixed", pa.string()), ("label_seconds", 30.0, pa.float64())):
        column = [value if id_ in ids else None for id_ in table["id"].to_pylist()]
        table = table.append_column(name, pa.array(column, kind))
    keys = [f"p/1/{id_}" if id_ in ids else None for id_ in table["id"].to_pylist()]
    table = table.append_column("label_annotation", pa.array(keys, pa.string()))
    write_dataset(folder, card=dataset.card, table=table, quarantine=read_quarantine(folder))


def test_the_first_round_makes_a_champion_a_report_and_hard_cases_and_a_second_start_does_nothing(loop: Folder) -> None:
    told = loop.round(1)
    assert (told.champion, told.challenger, told.decision) == ("models:/disc/1", "models:/disc/1", None)
    assert told.miou is not None
    assert 0 < told.miou.low <= told.miou.value <= told.miou.high <= 1
    assert list(told.lineage) == ["1. train", "2. evaluate", "3. mine"]
    assert (loop.champion(), loop.versions()) == (1, 1)
    rounds = loop.path / "loop" / "rounds"
    for page in (rounds / "index.html", rounds / "0001" / "report.html"):
        assert page.stat().st_size > 5_000
    before = tree(loop.path)
    again = loop.go()
    assert (again["outcome"], again["round"]) == ("nothing_to_do", None)
    assert difference(tree(loop.path), before) == []


def test_new_labels_begin_a_round_whose_decision_and_champion_fit_together(loop: Folder) -> None:
    relabelled(loop.path / "train", "01", "02")
    first = loop.round(1)
    assert first.miou is not None
    as_before = replace(first.miou, value=first.miou.value - 0.05)  # as an earlier version measured it
    write_round(loop.path / "loop" / "rounds" / "0001", told=msgspec.structs.replace(first, miou=as_before, colours=""))
    told = loop.go()
    after = loop.round(2)
    assert f"mIoU {first.miou.value:.4f} on the same test sets. Round 1 told {as_before.value:.4f}" in after.rescored
    assert "read in sRGB since" in after.rescored
    assert "is measured again" in (loop.path / "loop" / "rounds" / "0002" / "report.html").read_text()
    assert after.decision is not None
    assert after.decision.is_promoted == (told["outcome"] == "promoted")
    assert loop.champion() == (2 if after.decision.is_promoted else 1)
    assert after.labels is not None
    assert (after.labels.relabeled, after.labels.minutes) == (2, 1.0)
    assert [facts.manifest_sha256 for facts in after.before] == [facts.manifest_sha256 for facts in loop.round(1).data]
    settings = yaml.safe_load((loop.path / "loop" / "rounds" / "0002" / "challenger" / "config.yaml").read_text())
    assert settings["settings"]["weights"] == "models:/disc/1"


def test_doctor_names_what_earlier_versions_left_in_a_loop(loop: Folder) -> None:
    file = loop.path / "loop.yaml"
    assert look_at_loop(file) == []
    card = loop.path / "train" / "dataset.json"
    whole = card.read_bytes()
    older = {**msgspec.json.decode(whole), "command": "fuse"}
    del older["format"]
    card.write_bytes(msgspec.json.encode(older))
    try:
        found = look_at_loop(file)
    finally:
        card.write_bytes(whole)
    assert [one.place for one in found if "colour profile" in one.said] == [str(loop.path / "train")]


def test_a_challenger_that_learned_nothing_is_kept_out_and_the_images_are_named(loop: Folder) -> None:
    nothing = {"epochs": 1, "batch_size": 8, "learning_rate": 1e-9}
    loop.write(train={**CONFIG["train"], "start": "random", "stages": [nothing]})
    told = loop.go()
    after = loop.round(2)
    assert told["outcome"] == "kept"
    assert after.decision is not None
    assert after.decision.offences
    assert (loop.champion(), loop.versions()) == (1, 2)
    assert (after.champion, after.challenger) == ("models:/disc/1", "models:/disc/2")
    assert "--model models:/disc/1 " in after.lineage["3. mine"]


def test_a_changed_test_set_is_refused_naming_the_sample(loop: Folder) -> None:
    dataset = read_dataset(loop.path / "test")
    rows = [row | ({"mask": "masks/04.png"} if row["id"] == "03" else {}) for row in dataset.table.to_pylist()]
    table = pa.Table.from_pylist(rows, schema=dataset.table.schema)
    write_dataset(loop.path / "test", card=dataset.card, table=table, quarantine=[])
    with pytest.raises(InputRefused, match="test set changed; another label, image or group: 03"):
        loop.go()
    assert (loop.champion(), loop.versions()) == (1, 1)
    assert loop.folders() == ["0001"]


@contextmanager
def without_masks(folder: Path) -> Iterator[None]:
    """Take the masks of a dataset away for a while: what names it is sound, and the work on it fails."""
    (folder / "masks").rename(folder / "away")
    yield
    (folder / "away").rename(folder / "masks")


def test_a_mask_of_a_test_set_that_was_replaced_on_disk_is_refused_and_named(loop: Folder) -> None:
    mask = loop.path / "test" / "masks" / "03.png"
    before = fingerprint_file(mask)
    mask.write_bytes((loop.path / "test" / "masks" / "04.png").read_bytes())
    relabelled(loop.path / "train", "01")
    with pytest.raises(InputRefused, match=f"{fingerprint_file(mask)}, frozen was {before}") as caught:
        loop.go()
    assert str(mask) in str(caught.value)
    assert (loop.champion(), loop.versions()) == (1, 1)


def test_a_step_that_fails_is_told_of_and_a_mended_configuration_begins_the_round_anew(loop: Folder) -> None:
    loop.write(seed=1)
    with without_masks(loop.path / "train"), pytest.raises(InputRefused, match="broken"):
        loop.go()
    assert "broken" in loop.round(2).problems[0]
    loop.write(seed=2)
    told = loop.go()
    assert (told["round"], loop.round(2).problems) == (2, [])
    assert loop.versions() == 2


def test_of_a_round_that_fails_the_webhook_is_told_once_its_number_and_its_page(
    loop: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    section = {"webhooks": ["CURATE_WEBHOOK_URL"]}
    with listening() as hook, without_masks(loop.path / "train"):
        monkeypatch.setenv("CURATE_WEBHOOK_URL", f"{hook.url}/secret")
        loop.write(seed=1, notify=section)
        for _ in range(2):
            with pytest.raises(InputRefused, match="broken"):
                loop.go()
        (body,) = hook.bodies
        loop.write(seed=1, notify=section, train={**CONFIG["train"], "network": "none"})
        with pytest.raises(ConfigurationProblem, match="none"):
            loop.go()
    assert (body["event"], body["outcome"], body["round"]) == ("failure", "failed", 2)
    assert Path(body["report"]).read_bytes().startswith(b"<!doctype html>")
    assert body["text"].startswith("disc, round 2: failed. ")
    assert "\n" in body["text"]  # the line that says what to do
    assert len(hook.bodies) == 2  # another fault is told


def test_a_configuration_that_failed_and_was_taken_back_leaves_nothing_to_do(loop: Folder) -> None:
    loop.write(train={**CONFIG["train"], "network": "none"})
    with pytest.raises(ConfigurationProblem, match="none"):
        loop.go()
    assert loop.folders() == ["0001"]
    loop.write()
    assert loop.go()["outcome"] == "nothing_to_do"


def test_a_second_round_in_the_workspace_is_refused_saying_who_is_at_work(loop: Folder) -> None:
    with (
        exclusive(lock_file(loop.path / "loop")),
        pytest.raises(EnvironmentProblem, match=f"process {os.getpid()}"),
    ):
        loop.go()


def test_to_explain_is_to_change_nothing(loop: Folder) -> None:
    assert loop.go(explain=True)["reasons"] == []
    relabelled(loop.path / "train", "01")
    loop.write(gate={"min_images": 5})
    before = tree(loop.path)
    told = loop.go(explain=True)
    assert told["reasons"] == ["gate in the configuration changed", "train changed"]
    assert difference(tree(loop.path), before) == []


def test_a_dataset_that_is_not_there_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, "")
    folder = drawn(tmp_path / "f")
    folder.write(data={**CONFIG["data"], "pool": ["nowhere"]})
    with pytest.raises(InputRefused, match="nowhere: not a dataset"):
        folder.go()
