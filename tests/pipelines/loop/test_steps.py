from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.loop.config import LabelSection, MineSection
from pipelines.loop.steps import mining


def work(*, select: Any) -> Any:
    config = SimpleNamespace(
        data=SimpleNamespace(test=[]),
        mine=MineSection(),
        label=LabelSection(select=select),
        train=SimpleNamespace(network="unet_shufflenet"),
    )
    loop = SimpleNamespace(config=config, train=[Path("train")], pool=[], model=Path)
    return SimpleNamespace(loop=loop, folder=Path("round"))


@pytest.mark.parametrize(("select", "with_scales"), [("views", True), ("verdict", False)])
def test_a_round_that_selects_by_views_mines_with_views(select: str, with_scales: bool) -> None:
    step = mining(work(select=select), winner="model")
    assert step.flags.with_scales is with_scales and not step.flags.with_flips
    assert ("--with-scales" in step.command) is with_scales
