"""`curate mine` with a network that tells parts of a person apart, and the gallery of what it found hard."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from curation.dataset.dataset import read_dataset
from models.training.settings import Stage, TrainSettings
from pipelines.command_line.options import RunOptions
from pipelines.datasets.gallery import GalleryFlags, gallery
from pipelines.datasets.merge import MergeFlags, merge
from pipelines.evaluation.evaluate import EvaluateFlags, evaluate
from pipelines.mining.flags import MineFlags
from pipelines.mining.mine import mine
from tests.models.data.class_maps import NAMES, class_dataset
from tests.models.data.discs import disc_dataset
from tests.models.training.test_train import trained

RUN = RunOptions(workers=0, device="cpu", quiet=True)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the run folder of a network that was hardly trained."""
    folder = tmp_path_factory.mktemp("model")
    class_dataset(folder / "p", ["a", "b"])
    class_dataset(folder / "v", ["x"])
    stage = Stage(data=(str(folder / "p"),), labels="classes", epochs=1, batch_size=2)
    settings = TrainSettings(
        network="unet_shufflenet", classes=4, input_size=(32, 32), ema=0.0, val=(str(folder / "v"),), stages=(stage,)
    )
    trained(settings, folder / "run")
    return folder / "run"


def test_hard_cases_show_what_the_model_takes_for_which_class(model: Path, tmp_path: Path) -> None:
    """The maps are those that `evaluate` keeps and counts."""
    class_dataset(tmp_path / "d", ["t", "u"])
    mine(
        MineFlags(model=model, data=(tmp_path / "d",), threshold=1.0, precision="exact", out=tmp_path / "hard"), run=RUN
    )
    evaluate(EvaluateFlags(model=model, data=(tmp_path / "d",), out=tmp_path / "scores", badcases=0), run=RUN)
    hard = read_dataset(tmp_path / "hard")
    assert hard.card.notes["predicted_classes"] == {name: value for value, name in enumerate(NAMES)}
    for row in hard.table.to_pylist():
        kept = cv2.imread(str(tmp_path / "hard" / row["predicted_classes"]), cv2.IMREAD_UNCHANGED)
        counted = cv2.imread(str(tmp_path / "scores" / "classes" / f"{row['id']}.png"), cv2.IMREAD_UNCHANGED)
        assert np.array_equal(kept, counted)
    gallery(GalleryFlags(datasets=(tmp_path / "hard",), out=tmp_path / "page.html"), run=RUN)
    page = (tmp_path / "page.html").read_text()
    assert page.count('"predicted classes": ') == 2
    assert all(f">{name}</span>" in page for name in NAMES)


def test_a_pool_without_labels_has_the_legend_of_the_model(model: Path, tmp_path: Path) -> None:
    disc_dataset(tmp_path / "pool", ["x", "y"], rows={key: {"mask": None, "trimap": None} for key in "xy"})
    mine(MineFlags(model=model, data=(tmp_path / "pool",), pool_share=1.0, out=tmp_path / "hard"), run=RUN)
    gallery(GalleryFlags(datasets=(tmp_path / "hard",), out=tmp_path / "page.html"), run=RUN)
    assert all(f">{name}</span>" in (tmp_path / "page.html").read_text() for name in NAMES)


def test_what_is_mined_again_or_merged_names_files_that_are_there(model: Path, tmp_path: Path) -> None:
    class_dataset(tmp_path / "d", ["t", "u"])
    mine(MineFlags(model=model, data=(tmp_path / "d",), threshold=1.0, out=tmp_path / "hard"), run=RUN)
    mine(MineFlags(model=model, data=(tmp_path / "hard",), threshold=1.0, out=tmp_path / "again"), run=RUN)
    merge(MergeFlags(datasets=(tmp_path / "again",), out=tmp_path / "merged"), run=RUN)
    for name in ("again", "merged"):
        for row in read_dataset(tmp_path / name).table.to_pylist():
            assert (tmp_path / name / row["predicted_classes"]).is_file()
