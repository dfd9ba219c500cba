"""Which persons may be fused."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import InputRefused
from curation.fusion.plan_fusion import FusionSettings, plan_fusion
from tests.curation.fusion.fusion_data import grounds, persons
from tests.curation.fusion.test_plan_fusion import QUICK, build


def test_persons_who_touch_other_things_are_left_out_unless_they_are_wanted(tmp_path: Path) -> None:
    touched = {"a": {"touched": 0.16}, "b": {"touched": 0.15}, "c": {"touched": None}}
    fronts, backs = persons(tmp_path / "p", list(touched), rows=touched), grounds(tmp_path / "g", ["x"])
    card = build(plan_fusion([fronts], backgrounds=[backs], settings=FusionSettings(rules=QUICK)), tmp_path / "f")
    assert (card.counts.selected, card.counts.filtered) == (2, {"cut_by_others": 1})
    told = FusionSettings(rules=QUICK, keep_cut=True)
    assert build(plan_fusion([fronts], backgrounds=[backs], settings=told), tmp_path / "k").counts.selected == 3
    alone = persons(tmp_path / "q", ["a"], rows=touched)
    with pytest.raises(InputRefused, match="--keep-cut allows"):
        plan_fusion([alone], backgrounds=[backs], settings=FusionSettings(rules=QUICK))
