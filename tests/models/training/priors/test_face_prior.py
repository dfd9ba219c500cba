"""A training whose prior lies over the face: faces are found once, and a training that was stopped goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import msgspec
import numpy as np
import pytest

from curation.errors import ConfigurationProblem
from curation.images.faces import Face
from curation.images.pixels import Image, encode_gray, encode_image
from models.data.choose_samples import LabelledImage
from models.faces.places import place_of
from models.networks.portrait_fcn import PortraitFcn
from models.prediction.weights import load_network
from models.training.priors import face_places
from models.training.priors.mean_masks import with_prior
from models.training.progress import Progress
from models.training.settings import Stage, TrainingOptions, TrainSettings
from models.training.train import Report, plan_training, train
from tests.models.data.discs import disc_dataset


class Stopped(Exception):
    """Stands for a kill: nothing is written after it."""


class Finder:
    """Finds a face in the brighter images, and counts where it looked."""

    def __init__(self) -> None:
        self.looks = 0

    def __call__(self, image: Image) -> list[Face]:
        self.looks += 1
        height, width = image.shape[:2]
        x, y = width * (0.3 + image[0, 0, 0] / 1000), height * 0.4
        unit = width / 6
        if image[..., 1].mean() < 40:
            return []
        return [face(x, y, unit=unit)]


def face(x: float, y: float, *, unit: float) -> Face:
    return Face(
        box=(x, y, x + 1, y + 1), confidence=1, eyes=((x - unit / 2, y), (x + unit / 2, y)),
        mouth=(x, y + 1.06 * unit), chin=(x, y + 1.85 * unit), is_chin_seen=True,
    )  # fmt: skip


@pytest.fixture
def finder(monkeypatch: pytest.MonkeyPatch) -> Finder:
    finder = Finder()
    monkeypatch.setattr(face_places, "found_faces", finder)
    monkeypatch.setattr(face_places, "packaged_faces", lambda tell: SimpleNamespace(name="drawn", sha256="5ac3"))
    return finder


@pytest.fixture
def settings(tmp_path: Path) -> TrainSettings:
    disc_dataset(tmp_path / "discs", [f"t{number}" for number in range(4)])
    disc_dataset(tmp_path / "judge", ["v1", "v2"])
    stage = Stage(data=(str(tmp_path / "discs"),), epochs=2, batch_size=2, learning_rate=3e-3)
    return TrainSettings(
        network="portrait_fcn",
        prior="face",
        input_size=(64, 64),
        val=(str(tmp_path / "judge"),),
        checkpoint_every_steps=1,
        stages=(stage,),
    )


def trained(settings: TrainSettings, out: Path, *, told: Callable[[Progress], None] = lambda _: None) -> Report:
    return train(plan_training(settings), out=out, options=TrainingOptions(), told=told)


def stop_at(batch: int) -> Callable[[Progress], None]:
    def told(progress: Progress) -> None:
        if progress.batches == batch:
            raise Stopped

    return told


def test_stopped_and_resumed_the_weights_are_bit_identical_and_nobody_looks_twice(
    settings: TrainSettings, tmp_path: Path, finder: Finder
) -> None:
    trained(settings, tmp_path / "whole")
    assert finder.looks == 6
    for batch in (1, 3):
        with pytest.raises(Stopped):
            trained(settings, tmp_path / "stopped", told=stop_at(batch))
    trained(settings, tmp_path / "stopped")
    assert finder.looks == 12
    names = ("model.safetensors", "faces.json")
    whole, stopped = ([(tmp_path / run / name).read_bytes() for name in names] for run in ("whole", "stopped"))
    assert whole == stopped


def test_another_finder_looks_again(
    settings: TrainSettings, tmp_path: Path, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Stopped):
        trained(settings, tmp_path / "run", told=stop_at(1))
    monkeypatch.setattr(face_places, "packaged_faces", lambda tell: SimpleNamespace(name="drawn", sha256="07e2"))
    trained(settings, tmp_path / "run")
    assert finder.looks == 12


def test_card_and_metrics_tell_of_the_prior_and_of_the_faces(
    settings: TrainSettings, tmp_path: Path, finder: Finder
) -> None:
    metrics = trained(settings, tmp_path / "run").metrics
    kept = json.loads((tmp_path / "run" / "faces.json").read_bytes())["places"]
    with_face = sum(bool(place) for place in kept.values())
    assert metrics["faces"] == {"finder": "drawn", "images": 6, "with_face": with_face}
    network, card = load_network(tmp_path / "run")
    assert card.structure.prior == "face"
    assert isinstance(network, PortraitFcn) and network.with_faces
    assert network.prior.std() > 0.01 and network.frame_prior.std() > 0.01, "the training told both"


def test_where_faces_are_seldom_found_that_is_said(
    settings: TrainSettings, tmp_path: Path, finder: Finder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_places, "found_faces", lambda image: [])
    report = trained(settings, tmp_path / "run")
    assert any("6 of 6 images have no face" in one for one in report.complaints)


def test_weights_of_a_network_with_faces_go_on_with_faces(
    settings: TrainSettings, tmp_path: Path, finder: Finder
) -> None:
    trained(settings, tmp_path / "first")
    again = msgspec.structs.replace(settings, weights=str(tmp_path / "first"), prior=None)
    trained(again, tmp_path / "second")
    assert load_network(tmp_path / "second")[1].structure.prior == "face"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"network": "fcn"}, "fcn has no prior"),
        ({"fused": True}, "lays persons on new backgrounds"),
    ],
)
def test_what_has_no_prior_over_a_face_is_refused(
    settings: TrainSettings, changes: dict[str, Any], reason: str
) -> None:
    [stage] = settings.stages
    if changes.pop("fused", False):
        changes["stages"] = (msgspec.structs.replace(stage, fusion_ratio=0.3, backgrounds=stage.data),)
    with pytest.raises(ConfigurationProblem, match=reason):
        plan_training(msgspec.structs.replace(settings, **changes))


def sample_of(
    folder: Path, *, name: str, middle: tuple[float, float], unit: float, size: tuple[int, int]
) -> LabelledImage:
    """Return a sample whose person is a square of 4 by 3 eye distances from the eyes downwards."""
    x, y = middle
    mask = np.zeros(size, np.uint8)
    corners = [(round(x - 2 * unit), round(y)), (round(x + 2 * unit) - 1, round(y + 3 * unit) - 1)]
    cv2.rectangle(mask, *corners, 255, -1)
    (folder / f"{name}.png").write_bytes(encode_image(np.zeros((*size, 3), np.uint8)))
    (folder / f"{name}-mask.png").write_bytes(encode_gray(mask))
    place = place_of(face(x, y, unit=unit), size=size)
    sample = LabelledImage(key=name, folder=folder, image=f"{name}.png", label=f"{name}-mask.png", ignore=None)
    return replace(sample, place=tuple(map(float, place.ravel())))


def test_the_mean_mask_of_faces_of_any_size_and_place_is_sharp_where_they_agree(tmp_path: Path) -> None:
    samples = [
        sample_of(tmp_path, name="large", middle=(100.0, 60.0), unit=20.0, size=(180, 200)),
        sample_of(tmp_path, name="small", middle=(40.0, 50.0), unit=8.0, size=(120, 90)),
    ]
    network = PortraitFcn(1, with_faces=True)
    with_prior(network, samples=samples, classes=1)
    # of the window's 12 eye distances the square takes x from 4 to 8 and y from 3.5 to 6.5
    prior, side = network.prior[0, 0].numpy(), 128 / 12
    inside = (slice(round(3.5 * side) + 1, round(6.5 * side) - 1), slice(round(4 * side) + 1, round(8 * side) - 1))
    assert prior[inside].min() > 0.95
    outside = prior.copy()
    outside[round(3.5 * side) - 2 : round(6.5 * side) + 2, round(4 * side) - 2 : round(8 * side) + 2] = 0
    assert outside.max() < 0.05


def test_where_an_image_ends_it_tells_nothing_of_who_is_beyond(tmp_path: Path) -> None:
    # in one image the person is cut off by its lower edge, one eye distance below the eyes
    cut = sample_of(tmp_path, name="cut", middle=(100.0, 100.0), unit=20.0, size=(120, 200))
    whole = sample_of(tmp_path, name="whole", middle=(100.0, 60.0), unit=20.0, size=(180, 200))
    network = PortraitFcn(1, with_faces=True)
    with_prior(network, samples=[cut, whole], classes=1)
    row, column = round(5.5 * 128 / 12), 64  # two eye distances below the eyes
    assert network.prior[0, 0, row, column] > 0.95
