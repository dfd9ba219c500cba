"""Rounds that are killed at any moment: the next start ends with the same model and the same decision."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from curation.storage.files import fingerprint_file
from tests.pipelines.commands import count_changes, run, spread
from tests.pipelines.loop.test_retrain import Folder, drawn

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages
KILLS = int(os.environ.get("CURATE_ROUND_KILLS", "1"))
"""20 is the goal; each kill costs two starts of about ten seconds."""


@pytest.mark.nightly
def test_killed_at_any_moment_a_round_ends_with_the_same_model_and_decision(tmp_path: Path) -> None:
    """SIGKILL at changes on disk spread over a round; then a plain start. Nothing is registered twice."""
    unbroken = drawn(tmp_path / "unbroken")
    command = ["retrain", "--config", unbroken.config, "--workers", "0", "--device", "cpu", "--quiet"]
    changes = count_changes(command, process="main", below=unbroken.path, counts=tmp_path / "counts")
    expected = outcome(unbroken)
    codes = []
    for point in spread(changes, number=KILLS + 2)[1:-1]:
        folder = drawn(tmp_path / f"at{point}")
        command[2] = folder.config
        codes.append(run(*command, plan=f"main:kill:{point}", below=folder.path).returncode)
        done = run(*command)
        assert done.returncode == 0, done.stderr
        assert outcome(folder) == expected, point
    assert codes == [-9] * KILLS


def outcome(folder: Folder) -> dict[str, Any]:
    told = folder.round(1)
    rounds = folder.path / "loop" / "rounds"
    return {
        "weights": fingerprint_file(rounds / "0001" / "challenger" / "model.safetensors"),
        "rounds": sorted(path.name for path in rounds.iterdir()),
        "champion": (told.champion, folder.champion(), folder.versions()),
        "miou": told.miou,
        "hard": fingerprint_file(rounds / "0001" / "hard-cases" / "scores.parquet"),
    }
