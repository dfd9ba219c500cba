"""Trainings on alphas, with auxiliary heads and frozen batch norms: resumed to the bit, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.numpy import load_file

from curation.errors import ConfigurationProblem, InputRefused
from models.networks.catalogue import build_network
from models.prediction.weights import load_network
from models.training.settings import Stage, TrainSettings
from models.training.starting_network import structure_to_train
from models.training.train import plan_training
from tests.curation.fusion.fusion_data import grounds, persons
from tests.models.training.test_train import Stopped, history, stop_at, trained, weights

SMALL_DEEPLAB = "smp:deeplabv3plus:resnet18"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    persons(tmp_path / "p", ["a", "b", "c", "d", "e", "f"])
    persons(tmp_path / "v", ["x", "y"])
    grounds(tmp_path / "g", ["g", "h"])
    return tmp_path


def settings_for(data: Path, *stages: dict[str, Any], **changes: Any) -> TrainSettings:
    made = tuple(
        Stage(**{"name": str(number), "data": (str(data / "p"),), "epochs": 1, "batch_size": 2, **stage})
        for number, stage in enumerate(stages or ({},))
    )
    told = {"network": "unet_shufflenet", "input_size": (32, 32), "checkpoint_every_steps": 1, **changes}
    return TrainSettings(val=(str(data / "v"),), stages=made, **told)


ALPHAS = {"labels": "alpha", "augmentation": "modern", "losses": {"cross_entropy": 1.0, "dice": 1.0, "focal": 1.0}}
PATCHES = {"augmentation": "patch", "patch_px": 30, "vertical_flip": True, "optimizer": "sgd", "nesterov": True}
MODES: dict[str, tuple[list[dict[str, Any]], dict[str, Any]]] = {
    "alphas, fused, then patches": (
        [ALPHAS | {"fusion_ratio": 0.5}, PATCHES | {"labels": "alpha", "momentum": 0.9, "class_weights": (1.0, 2.0)}],
        {},
    ),
    "auxiliary head, adam": ([{"optimizer": "adam"}, {"optimizer": "sgd"}], {"auxiliary_weight": 0.4}),
    "frozen norms, accumulated": ([{"accumulate": 2, "batch_norm": "frozen", "batch_norm_parts": ("encoder",)}], {}),
}


@pytest.mark.parametrize("mode", MODES)
def test_stopped_and_resumed_the_weights_are_bit_identical(mode: str, data: Path) -> None:
    stages, changes = MODES[mode]
    backgrounds = [{"backgrounds": (str(data / "g"),)} if "fusion_ratio" in stage else {} for stage in stages]
    given = [stage | more for stage, more in zip(stages, backgrounds, strict=True)]
    settings = settings_for(data, *given, **changes)
    trained(settings, data / "whole")
    out = data / "stopped"
    for batch in (1, 2, 4)[: 1 + len(stages)]:
        with pytest.raises(Stopped):
            trained(settings, out, told=stop_at(batch))
    trained(settings, out)
    assert weights(out) == weights(data / "whole")
    assert history(out) == history(data / "whole")


def test_a_head_teaches_and_is_gone_from_what_is_published(data: Path) -> None:
    stage = {"epochs": 2}
    trained(settings_for(data, stage, ema=0.0), data / "plain")
    report = trained(settings_for(data, stage, ema=0.0, auxiliary_weight=0.4), data / "headed")
    plain, headed = (load_file(data / name / "model.safetensors") for name in ("plain", "headed"))
    assert plain.keys() == headed.keys() == build_network("unet_shufflenet").state_dict().keys()
    deep = "encoder.stage2.0.branch2.0.weight"
    assert (plain[deep] != headed[deep]).any()
    assert not hasattr(load_network(data / "headed")[0], "head_of_training")
    assert report.metrics["optimizer"] == "adamw"
    dead = json.loads((data / "headed" / "metrics.json").read_text())["dead"]
    assert dead["filters"] == sum(layer["all"] for layer in dead["filters_of_layers"].values()) > 1000
    assert not any(name.startswith("head.layers") for name in dead["filters_of_layers"])


def test_alphas_are_another_training_than_masks(data: Path) -> None:
    for labels in ("mask", "alpha"):
        trained(settings_for(data, {"labels": labels}), data / labels)
    assert weights(data / "mask") != weights(data / "alpha")


def test_frozen_norms_keep_statistics_scales_and_shifts(data: Path) -> None:
    trained(settings_for(data), data / "start")
    stage = {"batch_norm": "frozen", "epochs": 2}
    trained(settings_for(data, stage, weights=str(data / "start"), ema=0.0), data / "run")
    before, after = (load_file(data / name / "model.safetensors") for name in ("start", "run"))
    norms = {name.rpartition(".")[0] for name in before if name.endswith("running_mean")}
    for name in before:
        same = bool((before[name] == after[name]).all())
        assert same == (name.rpartition(".")[0] in norms), name


@pytest.mark.parametrize(
    ("stage", "limit", "said", "remedy"),
    [
        ({"batch_size": 1}, None, "batches of 1 image", "--batch-size 2"),
        ({}, 1, "1 sample to train on", "name more data"),
    ],
)
def test_batch_norms_that_see_one_image_are_refused(
    data: Path, stage: dict[str, Any], limit: int | None, said: str, remedy: str
) -> None:
    with pytest.raises(ConfigurationProblem, match=said) as caught:
        trained(settings_for(data, stage, limit=limit), data / "run")
    assert remedy in caught.value.remedy
    assert "--batch-norm frozen" in caught.value.remedy
    trained(settings_for(data, stage | {"batch_norm": "frozen"}, limit=limit), data / "run")


def test_losses_and_data_that_alphas_cannot_have_are_refused(data: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="'lovasz' is not defined for alphas"):
        plan_training(settings_for(data, {"labels": "alpha", "losses": {"lovasz": 1.0}}))
    persons(data / "bare", ["m", "n"], rows={"m": {"alpha": None}, "n": {"alpha": None}})
    with pytest.raises(InputRefused, match="no alphas") as caught:
        plan_training(settings_for(data, {"labels": "alpha", "data": (str(data / "bare"),)}))
    assert str(caught.value.where) == str(data / "bare")


def test_what_a_network_has_not_is_refused_before_anything_is_read(data: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="unet_shufflenet has no atrous_rates"):
        plan_training(settings_for(data, atrous_rates=(6, 12, 18)))


def test_a_run_from_before_goes_on_where_its_settings_mean_the_same(data: Path) -> None:
    out = data / "run"
    first = trained(settings_for(data), out)
    config = yaml.safe_load((out / "config.yaml").read_text())
    assert config.pop("format") == 2
    config["settings"]["auxiliary_weight"] = 0.4  # as it always stood, also where there was no head
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    assert trained(settings_for(data), out).was_done
    with pytest.raises(InputRefused, match="other settings: auxiliary_weight"):
        trained(settings_for(data, auxiliary_weight=0.4), out)
    assert first.metrics["steps"] == 3
    config["settings"]["network"] = SMALL_DEEPLAB
    (out / "config.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(InputRefused, match=r"other settings: .*atrous_rates"):
        trained(settings_for(data, network=SMALL_DEEPLAB), out)


def test_a_training_that_starts_from_weights_keeps_their_rates(data: Path) -> None:
    folder = data / "old"
    folder.mkdir()
    card = (
        "input_size: [32, 32]\nchannels: RGB\nlayout: NCHW\nmean: [0, 0, 0]\nstd: [1, 1, 1]\noutput: logit\n"
        f"network: {SMALL_DEEPLAB!r}\n"
    )
    (folder / "model.yaml").write_text(card)
    (folder / "model.safetensors").write_bytes(b"")
    kept = structure_to_train(settings_for(data, network=SMALL_DEEPLAB, weights=str(folder)))
    assert (kept.output_stride, kept.atrous_rates) == (16, (12, 24, 36))
    new = structure_to_train(settings_for(data, network=SMALL_DEEPLAB))
    assert (new.output_stride, new.atrous_rates) == (16, (6, 12, 18))
