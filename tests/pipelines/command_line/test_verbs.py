"""What the table of commands says of flags without effect is true: the verb never looks at them, and at all others."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, get_type_hints

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curation.sources.demo_sources import write_coco_sample
from pipelines.command_line.options import Result, RunOptions, flags_of
from pipelines.command_line.verbs import VERBS
from tests.curation.fusion.fusion_data import grounds as drawn_grounds
from tests.pipelines.commands import draw_aifenge

COMMON = {field.name for field in flags_of(RunOptions)}
SHOWN = {"json", "quiet"}
"""The command line itself looks at these."""
CURATION = (
    *("coco-person", "coco-background", "aifenge", "celebamask", "portrait2000", "pairs", "hf", "convert"),
    *("stats", "split", "merge", "fuse", "lineage", "gallery", "doctor"),
)
"""Verbs that need no more than a drawn source; the demo hands all flags on to others."""


@pytest.mark.parametrize("name", sorted(VERBS))
def test_examples_stand_in_lines_of_their_own(name: str) -> None:
    """A backslash before the b, which keeps lines as they are, is read as text where it is written twice."""
    assert "\\b" not in (VERBS[name].load().__doc__ or "")


def watched(seen: set[str], **values: Any) -> RunOptions:
    """Return flags that note in `seen` which of them are looked at."""

    class Watched(RunOptions):
        def __getattribute__(self, name: str) -> Any:
            if name in COMMON:
                seen.add(name)
            if name == "machines":  # those that the flag names
                seen.add("engine")
            return super().__getattribute__(name)

    run = Watched(workers=0, **values)
    seen.clear()
    return run


def draw(folder: Path) -> dict[str, dict[str, Any]]:
    """Draw a source for every verb and give the settings to call it with."""
    annotations, images = write_coco_sample(folder / "coco", images=8, seed=0)
    coco = {"annotations": (annotations,), "images": (images,)}
    photo = np.zeros((64, 64, 3), np.uint8)
    face = np.zeros((64, 64), np.uint8)
    face[16:48, 16:48] = 255
    files = {"own/images/a.png": photo, "own/masks/a.png": face, "matting/1.png": photo, "matting/1_matte.png": face}
    files |= {"faces/CelebA-HQ-img/0.jpg": photo, "faces/CelebAMask-HQ-mask-anno/0/00000_skin.png": face[::2, ::2]}
    for name, picture in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(cv2.imencode(Path(name).suffix, picture)[1].tobytes())
    (folder / "parquet").mkdir()
    pictures = {name: [cv2.imencode(".png", drawn)[1].tobytes()] for name, drawn in (("image", photo), ("mask", face))}
    pq.write_table(pa.table(pictures), folder / "parquet/train.parquet")
    persons, grounds = folder / "persons", folder / "grounds"
    drawn_grounds(grounds, ["drawn", "other"], scale=6)
    return {
        "coco-person": {**coco, "out": persons},
        "coco-background": {**coco, "out": folder / "backgrounds"},
        "aifenge": {"root": draw_aifenge(folder / "aifenge", samples=2), "out": folder / "cutouts"},
        "celebamask": {"root": folder / "faces", "out": folder / "celebamask"},
        "portrait2000": {"root": folder / "matting", "out": folder / "portrait2000"},
        "pairs": {"images": folder / "own/images", "masks": folder / "own/masks", "out": folder / "pairs"},
        "hf": {"root": folder / "parquet", "out": folder / "hf"},
        "convert": {"dataset": persons, "to": "hf", "out": folder / "converted"},
        "stats": {"datasets": (persons,), "verify": True},
        "split": {"dataset": persons},
        "merge": {"datasets": (persons,), "out": folder / "merged"},
        "fuse": {"foregrounds": (persons,), "backgrounds": (grounds,), "out": folder / "fused", "keep_edges": True},
        "lineage": {"datasets": (grounds,), "of": ("drawn",), "out": folder / "rest"},
        "gallery": {"datasets": (persons,)},
        "doctor": {},
    }


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("sources")
    drawn = draw(folder)
    call("coco-person", drawn["coco-person"], run=RunOptions(workers=0, quiet=True))
    return drawn


def call(verb: str, values: dict[str, Any], *, run: RunOptions) -> Result:
    entry = VERBS[verb]
    function: Callable[..., Result] = entry.load()
    return function(get_type_hints(function)["settings"](**values), run=run)


@pytest.mark.parametrize("verb", CURATION)
def test_a_verb_looks_at_every_flag_but_those_without_effect(verb: str, settings: dict[str, dict[str, Any]]) -> None:
    seen: set[str] = set()
    run = watched(seen, overwrite=verb == "coco-person")  # its dataset is there, for the verbs that read one
    assert call(verb, settings[verb], run=run).exit_code in {0, 3}
    assert seen | SHOWN == COMMON - set(VERBS[verb].idle) | SHOWN


def test_only_flags_that_every_command_has_can_be_without_effect() -> None:
    assert [name for name, entry in VERBS.items() if not set(entry.idle) <= COMMON - SHOWN] == []
