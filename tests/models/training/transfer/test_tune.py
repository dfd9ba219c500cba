"""A model fitted to one labelled frame: better on the others, the same bits every time, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from msgspec.structs import replace as changed

from curation.errors import InputRefused
from models.card import read_card
from models.metrics.confusion import confusion, person_iou
from models.networks.catalogue import build_network
from models.prediction.load_model import load_model
from models.prediction.weights import load_network, save_model
from models.structure import Structure
from models.training.settings import Stage, TrainSettings
from models.training.transfer.tune import TuneSettings, plan_tuning, tune
from tests.models.data.discs import disc_dataset, write_png
from tests.models.training.test_train import trained

SIZE = (60, 50)
FRAMES = 4


def frame(number: int) -> tuple[np.ndarray, np.ndarray]:
    """Draw a frame: someone green goes to the right; a bright disc, as those that were learnt, stands behind."""
    mask = cv2.ellipse(np.zeros(SIZE, np.uint8), (14 + 7 * number, 40), (9, 18), 0, 0, 360, 255, -1)
    image = np.full((*SIZE, 3), 40, np.uint8)
    cv2.circle(image, (40, 10), 8, (230, 230, 230), -1)
    image[mask > 0] = (40, 170, 60)
    noise = np.random.default_rng(number).integers(-15, 15, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8), mask


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a model of discs, `run`, and the first frame of the video with its mask."""
    folder = tmp_path_factory.mktemp("tune")
    disc_dataset(folder / "discs", list("abcd"))
    disc_dataset(folder / "judge", ["v"])
    stage = Stage(data=(str(folder / "discs"),), epochs=8, batch_size=4, learning_rate=0.01)
    settings = TrainSettings(
        network="unet_shufflenet", input_size=(64, 64), val=(str(folder / "judge"),), stages=(stage,)
    )
    trained(settings, folder / "run")
    image, mask = frame(0)
    write_png(folder / "0.png", image)
    write_png(folder / "mask.png", mask)
    return folder


def settings_for(place: Path, **changes: object) -> TuneSettings:
    usual = TuneSettings(
        model=place / "run",
        image=place / "0.png",
        mask=place / "mask.png",
        steps=30,
        learning_rate=3e-3,
        seed=0,
        device="cpu",
    )
    return replace(usual, **changes)  # type: ignore[arg-type]


def tuned(settings: TuneSettings, out: Path, *, overwrite: bool = False) -> tuple[dict[str, object], bool]:
    return tune(plan_tuning(settings), settings=settings, out=out, overwrite=overwrite, told=lambda _: None)


def iou_on_the_others(run: Path) -> float:
    """Return the mean IoU of person on the frames after the first, as every command predicts them."""
    model = load_model(run, device="cpu", threads=1)
    found = []
    for number in range(1, FRAMES):
        image, mask = frame(number)
        prediction = (model.predict(image[..., ::-1].copy()) >= 0.5).astype(np.uint8)
        found.append(person_iou(confusion(prediction, truth=mask)))
    return float(np.mean(found))


def test_the_other_frames_gain_and_the_same_steps_give_the_same_bits(place: Path, tmp_path: Path) -> None:
    settings = settings_for(place)
    metrics, is_new = tuned(settings, tmp_path / "one")
    assert is_new
    before, after = iou_on_the_others(place / "run"), iou_on_the_others(tmp_path / "one")
    assert after > before + 0.2, (before, after)
    assert metrics["iou_person"] > metrics["iou_person_before"]  # type: ignore[operator]
    tuned(settings, tmp_path / "two")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("one", "two")]
    assert weights[0] == weights[1]
    card = read_card(tmp_path / "one" / "model.yaml")
    assert card.training["model_sha256"] == read_card(place / "run" / "model.yaml").sha256
    assert card.input_size == (64, 64)
    begun, ended = (load_network(folder)[0].state_dict() for folder in (place / "run", tmp_path / "one"))
    for name in begun:
        if "running" in name:
            assert (begun[name] == ended[name]).all(), "one photograph has no statistics of its own"


def test_what_is_done_is_left_and_another_tuning_is_refused(place: Path, tmp_path: Path) -> None:
    settings = settings_for(place, steps=1)
    first, _ = tuned(settings, tmp_path / "run")
    again, is_new = tuned(settings, tmp_path / "run")
    assert not is_new
    assert again == first
    with pytest.raises(InputRefused, match="tuned otherwise"):
        tuned(replace(settings, steps=2), tmp_path / "run")
    other, is_new = tuned(replace(settings, steps=2), tmp_path / "run", overwrite=True)
    assert is_new
    assert other["steps"] == 2
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "photo.jpg").write_bytes(b"mine")
    with pytest.raises(InputRefused, match="no model"):
        tuned(settings, tmp_path / "full")


def test_masks_that_teach_nothing_are_refused(place: Path, tmp_path: Path) -> None:
    masks = {
        "larger": np.zeros((61, 50), np.uint8),
        "nobody": np.zeros(SIZE, np.uint8),
        "all": np.full(SIZE, 255, np.uint8),
    }
    said = {"larger": "the mask is 50 x 61, the image 50 x 60", "nobody": "shows nobody", "all": "holds no background"}
    for name, mask in masks.items():
        write_png(tmp_path / f"{name}.png", mask)
        with pytest.raises(InputRefused, match=said[name]) as caught:
            plan_tuning(settings_for(place, mask=tmp_path / f"{name}.png"))
        assert caught.value.where == str(tmp_path / f"{name}.png")
    with pytest.raises(InputRefused) as caught:
        plan_tuning(settings_for(place, image=tmp_path / "none.png"))
    assert "none.png" in str(caught.value.where)


def test_models_that_cannot_learn_from_a_mask_are_refused(place: Path, tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(b"onnx")
    (tmp_path / "model.yaml").write_bytes((place / "run" / "model.yaml").read_bytes())
    with pytest.raises(InputRefused, match="an ONNX file cannot be trained on") as caught:
        plan_tuning(settings_for(place, model=tmp_path / "model.onnx"))
    assert "run folder" in caught.value.remedy
    card = changed(read_card(place / "run" / "model.yaml"), classes=3, output="logits", person_index=2)
    (tmp_path / "trimaps").mkdir()
    save_model(build_network("unet_shufflenet", classes=3), folder=tmp_path / "trimaps", card=card)
    with pytest.raises(InputRefused, match="gives 3 classes"):
        plan_tuning(settings_for(place, model=tmp_path / "trimaps"))


def test_a_model_that_takes_the_place_of_a_face_is_refused(place: Path, tmp_path: Path) -> None:
    structure = Structure(prior="face")
    card = changed(read_card(place / "run" / "model.yaml"), network="portrait_fcn", structure=structure)
    save_model(build_network("portrait_fcn", structure=structure), folder=tmp_path, card=card)
    with pytest.raises(InputRefused, match="takes the place of a face"):
        plan_tuning(settings_for(place, model=tmp_path))


def test_a_loss_that_is_not_finite_is_told_with_its_step(place: Path, tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="the loss is nan in step") as caught:
        tuned(settings_for(place, learning_rate=1e30, steps=3), tmp_path / "run")
    assert "lower --learning-rate" in caught.value.remedy
    assert not (tmp_path / "run" / "model.yaml").exists()
