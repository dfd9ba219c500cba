from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.loop.config import LabelSection, MineSection
from pipelines.loop.steps import mining


def work(*, select: Any, teachers: tuple[str, ...] = ()) -> Any:
    config = SimpleNamespace(
        data=SimpleNamespace(test=[]),
        mine=MineSection(teachers=teachers),
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


def test_a_round_mines_with_the_teachers_of_its_file() -> None:
    step = mining(work(select="verdict", teachers=("selfie.onnx", "sinet.onnx")), winner="model")
    assert step.flags.teacher == (Path("selfie.onnx"), Path("sinet.onnx"))
    assert "--teacher selfie.onnx sinet.onnx" in step.command
    assert "--teacher" not in mining(work(select="verdict"), winner="model").command
