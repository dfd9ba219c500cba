"""What a round will need is looked up before it begins: what is missing is named, and no number is used up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from curation.errors import ConfigurationProblem, CurateError
from models.registry import WORKSPACE
from pipelines.workspace_checks import look_at_loop
from tests.pipelines.test_retrain import CONFIG, drawn

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
        ({"label": {"project": "portraits"}}, "Label Studio"),
        ({"workspace": "loop.yaml/in"}, "the workspace cannot be written: not a directory"),
    ],
)
def test_a_round_that_cannot_start_is_refused_by_explain_and_does_not_count_as_begun(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], named: str
) -> None:
    for name in (WORKSPACE, "LABEL_STUDIO_URL", "LABEL_STUDIO_API_KEY"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = drawn(tmp_path / "f")
    folder.write(**changes)
    for explain in (True, False):
        with pytest.raises(CurateError) as caught:
            folder.go(explain=explain)
        assert named in str(caught.value), caught.value
    assert folder.folders() == []


def test_all_that_stands_in_the_way_is_named_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(WORKSPACE, "")
    folder = drawn(tmp_path / "f")
    folder.write(train={**CONFIG["train"], "network": "none"}, mine={"second": ["other.onnx"]})
    with pytest.raises(ConfigurationProblem, match="2 things stand in the way") as caught:
        folder.go(explain=True)
    assert "'none'" in str(caught.value) and "other.onnx" in str(caught.value)
    found = look_at_loop(folder.config)
    assert [one.said for one in found] == ["there is no network 'none'", "no such model"]
