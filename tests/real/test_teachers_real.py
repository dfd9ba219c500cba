"""Teachers whose cards mislead, on real portraits: refused before anything is learnt from them."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

import pipelines as curate
from curation.errors import InputRefused
from tests.places import REAL_DATA

PORTRAITS = REAL_DATA / "data" / "portraits"
SINET = REAL_DATA / "models" / "sinet.onnx"
pytestmark = pytest.mark.skipif(not SINET.exists(), reason="needs the real portraits and models, see CURATE_REAL_DATA")


def portraits(folder: Path, *, first: int) -> Path:
    """Make a data set of five of the real portraits."""
    names = sorted(file.stem for file in (PORTRAITS / "images").iterdir())[first : first + 5]
    for name in names:
        for part in ("images", "masks"):
            (folder / part).mkdir(parents=True, exist_ok=True)
            file = next((PORTRAITS / part).glob(f"{name}.*"))
            shutil.copyfile(file, folder / part / file.name)
    out = folder / folder.name
    curate.pairs(images=folder / "images", masks=folder / "masks", fit=True, out=out, quiet=True)
    return out


def test_a_teacher_that_gives_the_background_is_refused_by_a_training(tmp_path: Path) -> None:
    data, val = (portraits(tmp_path / name, first=first) for name, first in (("train", 0), ("val", 5)))
    teacher = tmp_path / "turned.onnx"
    shutil.copyfile(SINET, teacher)
    card = SINET.with_suffix(".yaml").read_text()
    assert "person_index: 1" in card
    teacher.with_suffix(".yaml").write_text(card.replace("person_index: 1", "person_index: 0"))
    size = {"network": "unet_shufflenet", "input_size": "32x32", "epochs": 1, "device": "cpu", "workers": 0}
    with pytest.raises(InputRefused, match="person_index") as refused:
        curate.train(data=data, val=val, teacher=str(teacher), out=tmp_path / "run", quiet=True, **size)
    assert refused.value.where == str(teacher)
    assert not list((tmp_path / "run").glob("teachers/*/*.png"))
