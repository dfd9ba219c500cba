"""Trainings on class maps: learnt, judged by class, resumed to the bit; and what is refused."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from curation.errors import ConfigurationProblem, InputRefused
from models.card import read_card
from models.data.batches import Batch
from models.prediction.outputs import class_probabilities, person_scores, probabilities
from models.prediction.weights import load_network
from models.training.settings import Stage, TrainSettings
from models.training.train import plan_training
from models.training.validate import judge
from tests.models.data.class_maps import NAMES, class_dataset
from tests.models.data.discs import write_png
from tests.models.training.test_train import Stopped, history, stop_at, trained, weights


@pytest.fixture
def data(tmp_path: Path) -> Path:
    class_dataset(tmp_path / "p", ["a", "b", "c", "d"])
    class_dataset(tmp_path / "v", ["x", "y"])
    return tmp_path


def settings_for(place: Path, *, classes: int = 4, **changes: Any) -> TrainSettings:
    stage = {"data": (str(place / "p"),), "labels": "classes", "epochs": 2, "batch_size": 2, **changes}
    return TrainSettings(
        network="unet_shufflenet",
        classes=classes,
        input_size=(32, 32),
        checkpoint_every_steps=1,
        val=(str(place / "v"),),
        stages=(Stage(**stage),),
    )


def test_colours_are_learnt_and_classes_are_judged(data: Path) -> None:
    class_dataset(data / "many", [f"m{number}" for number in range(16)])
    stage = {"epochs": 9, "learning_rate": 0.03, "augmentation": "none", "class_weights": (1.0, 1.0, 4.0, 4.0)}
    settings = settings_for(data, data=(str(data / "many"),), **stage)
    settings = msgspec.structs.replace(settings, ema=0.0, checkpoint_every_steps=1000)
    report = trained(settings, data / "run")
    facts = report.metrics["classes"]
    assert facts["names"] == list(NAMES)
    assert list(facts["iou"]) == list(NAMES)
    assert facts["mean_iou"] > 0.5
    assert facts["mean_iou"] == pytest.approx(np.mean(list(facts["iou"].values())))
    counts = np.array(facts["confusion"])
    assert counts.sum() == 2 * 48 * 40, "every pixel of the labels in their own size"
    assert json.loads((data / "run" / "metrics.json").read_text())["classes"] == facts
    assert "l_eye" in (data / "run" / "confusion.svg").read_text()
    with (data / "run" / "history.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    best = max(float(row["val_miou_classes"]) for row in rows)
    assert best == pytest.approx(facts["mean_iou"], rel=1e-5), "the best epoch is that of the best mean of classes"


def test_the_card_has_the_names_and_person_is_every_class_but_background(data: Path) -> None:
    trained(settings_for(data, epochs=1), data / "run")
    card = read_card(data / "run" / "model.yaml")
    assert card.class_names == NAMES
    assert not card.is_trimap
    logits = np.random.default_rng(0).normal(0, 3, (2, 4, 5, 6)).astype(np.float32)
    shares = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert class_probabilities(logits, card=card) == pytest.approx(shares, abs=1e-5)
    person = probabilities(person_scores(logits, card=card), card=card)
    assert person == pytest.approx(1 - shares[:, 0], abs=1e-5)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_and_resumed_the_weights_are_bit_identical(data: Path, accumulate: int) -> None:
    settings = settings_for(data, accumulate=accumulate, class_weights=(1.0, 1.0, 2.0, 2.0))
    trained(settings, data / "whole")
    for batch in (1, 3):
        with pytest.raises(Stopped):
            trained(settings, data / "stopped", told=stop_at(batch))
    report = trained(settings, data / "stopped")
    assert weights(data / "stopped") == weights(data / "whole")
    assert history(data / "stopped") == history(data / "whole")
    assert report.metrics["classes"]["mean_iou"] is not None


def test_judging_counts_pixels_by_class(data: Path) -> None:
    """The network is replaced by one that says what it is told: the counts are those of the labels."""
    import torch

    settings = settings_for(data, epochs=1)
    trained(settings, data / "run")
    _, card = load_network(data / "run")
    truth = torch.randint(0, 4, (1, 32, 32), dtype=torch.uint8)

    class Told(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.zeros(1))

        def forward(self, image: torch.Tensor) -> torch.Tensor:
            said = (truth.long() + 1) % 4
            return 9 * torch.nn.functional.one_hot(said, 4).permute(0, 3, 1, 2).float() + 0 * image.mean()

    batch = Batch(
        keys=["a"],
        image=torch.zeros(1, 32, 32, 3, dtype=torch.uint8),
        label=truth,
        truths=[truth[0]],
        alphas=[],
        broken=None,
    )
    counts = judge(Told(), batches=[batch], card=card, stage=settings.stages[0]).counts
    assert counts is not None
    numbers = np.bincount(truth.numpy().ravel(), minlength=4)
    expected = np.zeros((4, 4), np.int64)
    for value in range(4):
        expected[value, (value + 1) % 4] = numbers[value]
    assert (counts == expected).all()


@pytest.mark.parametrize(
    ("stage", "classes", "said"),
    [
        (
            {"labels": "mask"},
            19,
            r"classes must be 1 \(person, from masks\) or 3 \(a trimap\) - got 19.*labels: classes",
        ),
        ({}, 1, "labels: classes needs as many classes as the class maps have, 2 to 254"),
        ({}, 255, "2 to 254"),
        ({"class_weights": (1.0, 2.0)}, 4, "class_weights must be 4 numbers, one for each class - got 2"),
        ({"fusion_ratio": 0.5, "backgrounds": ("g",)}, 4, "fusion_ratio is for 1 class"),
    ],
)
def test_what_class_maps_cannot_be_learnt_with_is_refused(
    data: Path, stage: dict[str, Any], classes: int, said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        settings_for(data, classes=classes, **stage)


def test_class_maps_with_an_unknown_value_stop_the_training_by_name(data: Path) -> None:
    write_png(data / "p" / "classes" / "b.png", np.full((48, 40), 9, np.uint8))
    with pytest.raises(InputRefused, match="values above 3, the last of 4 classes") as caught:
        trained(settings_for(data), data / "run")
    assert str(caught.value.where).endswith("b.png")


def test_stages_of_masks_and_of_class_maps_are_not_mixed(data: Path) -> None:
    stages = (Stage(name="a", labels="classes"), Stage(name="b"))
    with pytest.raises(ValueError, match="all stages must have labels: classes, or none"):
        TrainSettings(network="unet_shufflenet", classes=4, stages=stages)


def test_a_trimap_of_three_classes_is_no_class_map(data: Path) -> None:
    """The same number of classes, other labels: the data set has no trimaps."""
    with pytest.raises((InputRefused, ConfigurationProblem), match="no trimaps"):
        plan_training(settings_for(data, classes=3, labels="mask"))
