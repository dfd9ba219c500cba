"""What a round will need is looked up before it begins: what is missing is named, and no number is used up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import ConfigurationProblem, CurateError, RemoteUnavailable
from models.registry.registry import WORKSPACE
from pipelines.loop.retrain import RetrainFlags, retrain
from pipelines.loop.workspace_checks import look_at_loop
from tests.pipelines.loop.test_retrain import CONFIG, HERE, drawn

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages
STAGE: dict[str, Any] = CONFIG["train"]["stages"][0]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"train": {**CONFIG["train"], "network": "none"}}, "there is no network 'none'"),
        ({"train": {**CONFIG["train"], "stages": [STAGE, {**STAGE}]}}, "stages must have different names"),
        ({"train": {**CONFIG["train"], "stages": [{**STAGE, "losses": {"dize": 1}}]}}, "there is no loss 'dize'"),
        ({"train": {**CONFIG["train"], "stages": [{**STAGE, "augmentation": "odd"}]}}, "no augmentation 'odd'"),
        ({"train": {**CONFIG["train"], "stages": [{**STAGE, "frozen": ["nothing"]}]}}, "nothing"),
        ({"train": {**CONFIG["train"], "stages": [{**STAGE, "where": "miou >"}]}}, "miou >"),
        ({"mine": {"second": ["other.onnx"]}}, "other.onnx"),
        ({"data": {**CONFIG["data"], "test": [{"data": "test", "split": "val"}]}}, "test"),
        ({"workspace": "loop.yaml/in"}, "the workspace cannot be written: not a directory"),
    ],
)
def test_a_round_that_cannot_start_is_refused_by_explain_and_does_not_count_as_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], named: str
) -> None:
    monkeypatch.setenv(WORKSPACE, "")
    folder = drawn(tmp_path / "f")
    folder.write(**changes)
    for explain in (True, False):
        with pytest.raises(CurateError) as caught:
            folder.go(explain=explain)
        assert named in str(caught.value), caught.value
    assert folder.folders() == []


@pytest.fixture
def no_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No Label Studio, neither one that is named nor one of ours."""
    for name in (WORKSPACE, "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.mark.usefixtures("no_server")
def test_without_a_server_the_steps_are_told_and_what_is_missing_for_them(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "f")
    folder.write(label={"project": "portraits"})
    told = retrain(RetrainFlags(config=folder.config, explain=True), run=HERE)
    assert told.exit_code == 6
    assert list(told.data["steps"]) == ["pull", "build", "train", "evaluate", "gate", "mine", "push", "report"]
    assert "unet_shufflenet from random weights" in told.summary
    (line,) = told.warnings  # shown with --quiet, too
    assert "no Label Studio is up" in line and "curate label serve" in line and "LABEL_STUDIO_URL" in line
    with pytest.raises(RemoteUnavailable, match="no Label Studio is up"):
        folder.go()
    assert folder.folders() == []


@pytest.mark.usefixtures("no_server")
def test_a_server_that_is_away_does_not_hide_what_else_is_wrong(tmp_path: Path) -> None:
    folder = drawn(tmp_path / "f")
    folder.write(label={"project": "portraits"}, train={**CONFIG["train"], "network": "none"})
    with pytest.raises(ConfigurationProblem, match=r"(?s)2 problems prevent a round.*'none'.*Label Studio"):
        folder.go(explain=True)


def test_all_that_stands_in_the_way_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, "")
    folder = drawn(tmp_path / "f")
    folder.write(train={**CONFIG["train"], "network": "none"}, mine={"second": ["other.onnx"]})
    with pytest.raises(ConfigurationProblem, match="2 problems prevent a round") as caught:
        folder.go(explain=True)
    assert "'none'" in str(caught.value) and "other.onnx" in str(caught.value)
    found = look_at_loop(folder.config)
    assert [one.said for one in found] == ["there is no network 'none'", "no such model"]
