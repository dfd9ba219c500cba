from __future__ import annotations

import json
from pathlib import Path

from reports.rounds.dead_filters import dead_filters_told


def test_layers_in_which_something_died_are_listed_beside_the_optimizer(tmp_path: Path) -> None:
    dead = {"filters": 1200, "dead_filters": 3, "scales": 900, "dead_scales": 0}
    dead |= {"filters_of_layers": {"a.0": {"all": 24, "dead": 3}, "b": {"all": 8, "dead": 0}}, "scales_of_layers": {}}
    (tmp_path / "metrics.json").write_text(json.dumps({"optimizer": "sgd", "dead": dead}))
    told = dead_filters_told(tmp_path)
    assert told is not None
    assert "with sgd: 3 of 1,200 filters, 0 of 900 scales" in told["line"]
    assert told["layers"] == [("a.0", 3, 24)]


def test_without_numbers_nothing_is_said(tmp_path: Path) -> None:
    assert dead_filters_told(None) is None
    assert dead_filters_told(tmp_path) is None
    (tmp_path / "metrics.json").write_text("{}")
    assert dead_filters_told(tmp_path) is None
    (tmp_path / "metrics.json").write_text("[1]")
    assert dead_filters_told(tmp_path) is None
