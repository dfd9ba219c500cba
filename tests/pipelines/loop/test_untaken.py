"""What annotators left that a pull did not take: a round says so, wherever one may look."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from models.registry.registry import WORKSPACE
from pipelines.loop.retrain import RetrainFlags, retrain
from reports.rounds.round_record import Untaken
from tests.labeling.label_tools.label_studio.fake_server import TOKEN, FakeServer, running
from tests.labeling.label_tools.label_studio.rounds import Round as Pushed
from tests.labeling.label_tools.label_studio.rounds import box
from tests.pipelines.loop.test_retrain import CONFIG, HERE, drawn

pytestmark = pytest.mark.filterwarnings("default")  # those of MLflow's own packages


def test_what_a_pull_sets_aside_is_told_on_the_terminal_in_the_record_and_on_the_pages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(WORKSPACE, "")
    loop = drawn(tmp_path / "f")
    with running(FakeServer()) as server:
        monkeypatch.setenv("LABEL_STUDIO_URL", server.url)
        monkeypatch.setenv("LABEL_STUDIO_API_KEY", TOKEN)
        pushed = Pushed(tmp_path, server)
        pushed.submit("0001", box(3, 9))
        pushed.submit("0002", pushed.mask("0002"), verdict="fixed")
        pushed.submit("0003", pushed.mask("0003"), verdict="fixed")
        pushed.submit("0004", verdict="no person", was_cancelled=True)
        pushed.submit("0005", verdict="right")
        server.drafts.add(pushed.tasks["0000"])
        data = {**CONFIG["data"], "pool": [str(pushed.dataset.folder)]}
        loop.write(data=data, label={"project": "drawn", "budget": 1})
        flags = RetrainFlags(config=loop.config)
        result = retrain(flags, run=HERE)
        again = retrain(flags, run=HERE)
    file = f"{pushed.dataset.folder}/labeling/quarantine.jsonl"
    codes = Counter(str(json.loads(line)["code"]) for line in Path(file).read_text().splitlines())
    assert codes == {"UNANSWERED": 2, "AMBIGUOUS_EMPTY": 1}
    told = loop.round(1)
    assert told.labels is not None
    assert (told.labels.relabeled, told.labels.confirmed) == (1, 0)
    assert told.labels.untaken == Untaken(set_aside={file: dict(codes)}, drafts=1, skipped=1)
    line = f"set aside at the pull: AMBIGUOUS_EMPTY 1, UNANSWERED 2; each with its reason: {file}"
    for one in (result, again):
        assert (one.exit_code, one.data["set_aside"]) == (3, {file: dict(codes)})
        assert f"\n  {line}\n  left out as drafts: 1, skipped: 1" in one.summary
    assert again.data["outcome"] == "nothing_to_do"
    rounds = loop.path / "loop" / "rounds"
    page = (rounds / "0001" / "report.html").read_text()
    assert line in page and "<dt>set aside</dt><dd>3</dd>" in page and "<dt>skipped</dt><dd>1</dd>" in page
    assert "<td>1</td><td>3</td>" in (rounds / "index.html").read_text()
