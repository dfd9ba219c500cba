"""Stages that classify: the encoder learns alone, its weights go on, and a killed one ends with the same bits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from curation.errors import ConfigurationProblem, InputRefused
from models.data.classified_images import choose_classes
from models.networks.catalogue import NETWORKS, build_network
from models.training.settings import Stage, TrainSettings
from models.training.starting_network import network_of
from models.training.train import plan_training
from models.training.transfer.classifier import classifier_of
from tests.curation.fusion.fusion_data import persons
from tests.models.training.test_train import Stopped, history, stop_at, trained, weights

LIGHT = ("unet_shufflenet", "deeplab_shufflenet", "enet", "fcn", "fcn_dilated", "portrait_fcn", "sinet")


def draw_class(folder: Path, *, number: int, images: int) -> None:
    """Draw images of noise that is reddish, or bluish."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(number)
    for index in range(images):
        picture = rng.integers(60, 120, (40, 40, 3))
        picture[..., 2 * number] += 100
        cv2.imwrite(str(folder / f"{index}.png"), picture.astype(np.uint8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    persons(tmp_path / "p", ["a", "b", "c", "d"])
    persons(tmp_path / "v", ["x", "y"])
    for number, name in enumerate(("blue", "red")):
        draw_class(tmp_path / "classes" / name, number=number, images=6)
    return tmp_path


def settings_for(data: Path, *, first: dict[str, Any] | None = None, **changes: Any) -> TrainSettings:
    stages = (
        Stage(
            **{
                "name": "first",
                "kind": "classification",
                "data": (str(data / "classes"),),
                "epochs": 2,
                "batch_size": 4,
                "augmentation": "crop",
                **(first or {}),
            }
        ),
        Stage(name="second", data=(str(data / "p"),), epochs=1, batch_size=2),
    )
    told = {"network": "unet_shufflenet", "input_size": (32, 32), "checkpoint_every_steps": 1, **changes}
    return TrainSettings(val=(str(data / "v"),), stages=stages, **told)


def test_the_accuracy_stands_in_the_history_and_the_encoder_goes_on(data: Path) -> None:
    for number, name in enumerate(("cyan", "green")):
        draw_class(data / "many" / name, number=number, images=40)
    first = {"data": (str(data / "many"),), "epochs": 6, "batch_size": 6, "learning_rate": 0.01, "augmentation": "none"}
    settings = settings_for(data, first=first, ema=0.0, checkpoint_every_steps=1000)
    report = trained(settings, data / "run")
    rows = history(data / "run")
    firsts = [row for row in rows if row["stage"] == "first"]
    assert max(float(row["val_accuracy"]) for row in firsts) == 1.0, "colours are easy to tell apart"
    assert {row["val_miou"] for row in firsts} == {""}
    assert [row["val_accuracy"] for row in rows if row["stage"] == "second"] == [""]
    assert report.metrics["stage"] == "second"
    first = load_file(data / "run" / "checkpoints" / "best-0.safetensors")
    begun = network_of(settings).state_dict()
    changed = {name.partition(".")[0] for name in first if not torch.equal(first[name], begun[name])}
    assert changed == {"encoder"}, "the decoder keeps weights and statistics"
    assert "model.safetensors" in {path.name for path in (data / "run").iterdir()}
    assert load_file(data / "run" / "model.safetensors").keys() == begun.keys(), "no layer that classifies"


@pytest.mark.parametrize("accumulate", [1, 2])
def test_stopped_and_resumed_the_weights_are_bit_identical(data: Path, accumulate: int) -> None:
    settings = settings_for(data, first={"accumulate": accumulate})
    trained(settings, data / "whole")
    out = data / "stopped"
    for batch in (1, 4, 7):
        with pytest.raises(Stopped):
            trained(settings, out, told=stop_at(batch))
    trained(settings, out)
    assert weights(out) == weights(data / "whole")
    assert history(out) == history(data / "whole")


@pytest.mark.parametrize("name", [*LIGHT, "smp:unet:resnet18"])
def test_every_encoder_of_ours_can_classify(name: str) -> None:
    network = build_network(name)
    classifier = classifier_of(network, name=name, classes=5, seed=1).train()
    image = torch.rand(2, 3, 64, 64)
    (logits,) = classifier(image)
    assert logits.shape == (2, 5)
    logits.sum().backward()
    learning = {name for name, parameter in network.named_parameters() if parameter.grad is not None}
    asked = {name for name, parameter in network.named_parameters() if parameter.requires_grad}
    assert learning <= asked
    assert len(learning) > 10
    again = classifier_of(build_network(name), name=name, classes=5, seed=1)
    assert all(torch.equal(one, two) for one, two in zip(classifier.head.parameters(), again.head.parameters()))


def test_a_network_without_weights_of_imagenet_names_the_stage() -> None:
    for name in ("unet_shufflenet", "enet", "sinet"):
        assert name in NETWORKS
        with pytest.raises(ConfigurationProblem, match="no ImageNet weights are published") as caught:
            build_network(name, with_imagenet=True)
        assert "kind: classification" in caught.value.remedy


def test_a_tenth_of_each_class_judges_and_the_same_every_time(data: Path) -> None:
    chosen = choose_classes(data / "classes", limit=None)
    assert chosen.names == ("blue", "red")
    assert [sum(image.number == number for image in chosen.validation) for number in (0, 1)] == [1, 1]
    assert len(chosen.training) == 10
    assert not {image.path for image in chosen.training} & {image.path for image in chosen.validation}
    (data / "classes" / "stray.png").write_bytes((data / "classes" / "blue" / "0.png").read_bytes())
    again = choose_classes(data / "classes", limit=4)
    assert again.left_out == {"in_no_class": 1, "limit": 6}
    assert again.validation == chosen.validation
    assert again.fingerprint != chosen.fingerprint
    assert {image.number for image in choose_classes(data / "classes", limit=6).training} == {0, 1}


def test_folders_that_hold_no_classes_are_refused(data: Path) -> None:
    draw_class(data / "single" / "cat", number=0, images=3)
    with pytest.raises(InputRefused, match=r"holds one class alone \(cat\)"):
        plan_training(settings_for(data, first={"data": (str(data / "single"),)}))
    (data / "classes" / "empty").mkdir()
    with pytest.raises(InputRefused, match="the class has no image") as caught:
        plan_training(settings_for(data))
    assert caught.value.where == str(data / "classes" / "empty")
    (data / "classes" / "empty" / "a.png").write_bytes((data / "classes" / "blue" / "0.png").read_bytes())
    with pytest.raises(InputRefused, match="the class has 1 image"):
        plan_training(settings_for(data))
    (data / "none").mkdir()
    with pytest.raises(InputRefused, match="holds no folder of a class"):
        plan_training(settings_for(data, first={"data": (str(data / "none"),)}))
    with pytest.raises(ConfigurationProblem, match="names 2 folders of classes"):
        plan_training(settings_for(data, first={"data": (str(data / "classes"), str(data / "single"))}))


def test_a_broken_image_stops_the_training_by_name(data: Path) -> None:
    broken = data / "classes" / "blue" / "3.png"
    broken.write_bytes(broken.read_bytes()[:200])
    with pytest.raises(InputRefused, match="a sample cannot be used") as caught:
        trained(settings_for(data), data / "run")
    assert caught.value.where == str(broken)
    assert "delete the file" in caught.value.remedy


@pytest.mark.parametrize(
    ("first", "said"),
    [
        ({"labels": "alpha"}, "labels is not for a stage of kind: classification"),
        ({"losses": {"dice": 1.0}}, "losses is not for a stage of kind: classification"),
        ({"where": "person_area > 0.1"}, "where is not for a stage"),
        ({"augmentation": "patch"}, "augmentation: patch is not for a stage"),
    ],
)
def test_what_needs_masks_is_refused(data: Path, first: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        settings_for(data, first=first)


def test_a_training_does_not_end_with_classification(data: Path) -> None:
    stages = settings_for(data).stages[:1]
    with pytest.raises(ValueError, match="the last stage must be of kind: segmentation"):
        TrainSettings(network="unet_shufflenet", stages=stages)
