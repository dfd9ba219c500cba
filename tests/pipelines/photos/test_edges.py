"""The edges of cut-outs, and models that give an alpha, on a drawn photograph of a red person with a soft outline."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import cv2
import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from curation.dataset.dataset import read_dataset
from curation.errors import ConfigurationProblem
from pipelines.command_line.options import Result, RunOptions
from pipelines.datasets.fuse import FuseFlags, fuse
from pipelines.datasets.matte import MatteFlags, matte
from pipelines.photos.cutout import CutoutFlags, cutout
from tests.curation.fusion.fusion_data import grounds
from tests.models.drawn import Sample, drawn_dataset
from tests.models.networks.built_network import write_red_run
from tests.models.tiny_onnx import write_tiny_onnx

SIZE = (240, 180)


def alpha_model(folder: Path) -> Path:
    """Write a model that calls the red of the picture, 0..255, its alpha."""
    model = write_tiny_onnx(folder / "alpha.onnx")
    card = model.with_suffix(".yaml")
    card.write_text(card.read_text().replace("probability", "alpha").replace("[255, 255, 255]", "[1, 1, 1]"))
    return model


def soft_photo(path: Path) -> NDArray[np.float64]:
    """Write a photograph of a red person with a soft outline on blue-green, and give its alpha in 0..1."""
    person = cv2.ellipse(np.zeros(SIZE, np.float64), (90, 150), (60, 110), 0, 0, 360, 1.0, -1)
    alpha = cv2.GaussianBlur(person, (0, 0), 4)[..., None]
    colours = alpha * (255, 120, 100) + (1 - alpha) * (0, 90, 120)
    PIL.Image.fromarray(np.rint(colours).astype(np.uint8)).save(path)
    return np.asarray(alpha[..., 0])


def alphas(tmp_path: Path, *, model: Path, **flags: Any) -> NDArray[np.float64]:
    out = tmp_path / f"{model.stem}-{'-'.join(map(str, flags.values()))}.png"
    result: Result = cutout(
        CutoutFlags(images=(tmp_path / "me.png",), model=model, out=out, **flags), run=RunOptions(workers=0)
    )
    assert result.exit_code == 0
    with PIL.Image.open(out) as opened:
        return np.asarray(opened)[..., 3] / 255


def test_an_alpha_is_taken_as_it_is_and_a_probability_gets_a_steeper_edge(tmp_path: Path) -> None:
    soft_photo(tmp_path / "me.png")
    taken = alphas(tmp_path, model=alpha_model(tmp_path))
    steep = alphas(tmp_path, model=write_tiny_onnx(tmp_path / "probability.onnx"))
    is_between = (taken > 0.35) & (taken < 0.65)
    assert is_between.any()
    assert np.allclose(steep[is_between], (taken[is_between] - 0.3) / 0.4, atol=0.02)
    assert ((taken > 0.02) & (taken < 0.28) & (steep == 0)).any()


def test_a_guided_filter_and_matting_bring_the_edge_nearer_to_the_true_alpha(tmp_path: Path) -> None:
    truth = soft_photo(tmp_path / "me.png")
    model = write_tiny_onnx(tmp_path / "probability.onnx")
    found = {edge: alphas(tmp_path, model=model, edge=edge) for edge in ("none", "guided", "matting")}
    off = {edge: np.abs(alpha - truth).sum() for edge, alpha in found.items()}
    assert off["matting"] < off["guided"] < off["none"]


def test_refine_is_the_edge_of_matting(tmp_path: Path) -> None:
    soft_photo(tmp_path / "me.png")
    model = write_tiny_onnx(tmp_path / "probability.onnx")
    refined, matted = (alphas(tmp_path, model=model, **flags) for flags in ({"refine": True}, {"edge": "matting"}))
    assert (refined == matted).all()
    with pytest.raises(click.UsageError, match="--edge guided"):
        CutoutFlags(images=(tmp_path / "me.png",), model=model, refine=True, edge="guided")


def test_a_model_of_three_classes_is_matted_and_no_guided_filter_is_asked_of_it(tmp_path: Path) -> None:
    soft_photo(tmp_path / "me.png")
    run = write_red_run(tmp_path / "trimap", classes=3, size=(96, 72))
    assert 0.2 < alphas(tmp_path, model=run).mean() < 0.8
    with pytest.raises(ConfigurationProblem, match="--edge matting"):
        alphas(tmp_path, model=run, edge="guided")


def test_matte_writes_the_alpha_of_such_a_model(tmp_path: Path) -> None:
    truth = soft_photo(tmp_path / "me.png")
    flags = MatteFlags(source=tmp_path / "me.png", out=tmp_path / "matte.png", model=alpha_model(tmp_path))
    assert matte(flags, run=RunOptions(workers=0)).exit_code == 0
    with PIL.Image.open(tmp_path / "matte.png") as opened:
        written = np.asarray(opened) / 255
    assert (written == alphas(tmp_path, model=tmp_path / "alpha.onnx")).all()
    assert np.abs(written - truth).mean() < 0.05


def test_alphas_of_a_model_feed_a_fusion(tmp_path: Path) -> None:
    person = cv2.ellipse(np.zeros(SIZE, np.uint8), (90, 150), (60, 110), 0, 0, 360, 255, -1)
    alpha = cv2.GaussianBlur(person, (0, 0), 4)
    drawn_dataset(tmp_path / "D", [Sample(id="a", prediction=alpha, mask=person)])
    quiet = RunOptions(workers=0, quiet=True)
    flags = MatteFlags(source=tmp_path / "D", out=tmp_path / "M", model=alpha_model(tmp_path))
    assert matte(flags, run=quiet).exit_code == 0
    (row,) = read_dataset(tmp_path / "M").table.to_pylist()
    made, trimap = (cv2.imread(str(tmp_path / "M" / row[name]), cv2.IMREAD_UNCHANGED) for name in ("alpha", "trimap"))
    assert np.abs(made.astype(int) - alpha).mean() < 12  # the model sees 40 x 30 pixels
    assert (trimap[(made > 0) & (made < 255)] == 128).all()
    grounds(tmp_path / "G", ["g"], scale=6)
    fused = FuseFlags(foregrounds=(tmp_path / "M",), backgrounds=(tmp_path / "G",), out=tmp_path / "F")
    assert fuse(fused, run=quiet).exit_code == 0
    (row,) = read_dataset(tmp_path / "F").table.to_pylist()
    laid = cv2.imread(str(tmp_path / "F" / row["alpha"]), cv2.IMREAD_UNCHANGED)
    assert ((laid > 20) & (laid < 235)).any()
