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


def test_a_teacher_that_gives_the_background_is_refused_by_a_training(tmp_path: Path) -> None:
    for number in range(5, 11):
        name = f"{number:04}"
        for folder in ("images", "masks"):
            for file in (PORTRAITS / folder).glob(f"{name}.*"):
                (tmp_path / folder).mkdir(exist_ok=True)
                shutil.copyfile(file, tmp_path / folder / file.name)
    data = tmp_path / "portraits"
    curate.pairs(images=tmp_path / "images", masks=tmp_path / "masks", fit=True, out=data, quiet=True)
    teacher = tmp_path / "turned.onnx"
    shutil.copyfile(SINET, teacher)
    card = SINET.with_suffix(".yaml").read_text()
    assert "person_index: 1" in card
    teacher.with_suffix(".yaml").write_text(card.replace("person_index: 1", "person_index: 0"))
    size = {"network": "unet_shufflenet", "input_size": "32x32", "epochs": 1, "device": "cpu", "workers": 0}
    with pytest.raises(InputRefused, match="person_index") as refused:
        curate.train(data=data, val=data, teacher=str(teacher), out=tmp_path / "run", quiet=True, **size)
    assert refused.value.where == str(teacher)
    assert not list((tmp_path / "run").glob("teachers/*/*.png"))
