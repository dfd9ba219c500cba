"""The settings of a training: what is wrong with a config is said by its key, and a good one survives its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem
from models.training.settings import Stage, TrainSettings, read_settings
from models.training.settings_text import settings_text


def test_settings_survive_their_file(tmp_path: Path) -> None:
    stages = (Stage(name="one", data=("a", "b"), losses={"focal": 2.0}), Stage(name="two", frozen=("encoder",)))
    settings = TrainSettings(network="enet", stages=stages, weights="imagenet", val=("c",), patience=3)
    (tmp_path / "config.yaml").write_bytes(settings_text(settings))
    assert read_settings(tmp_path / "config.yaml") == settings


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("network: enet\nepochz: 3\n", "epochz"),
        ("network: enet\nstages:\n- epochs: 0\n", "epochs must be 1 or more"),
        ("network: enet\nstages:\n- learning_rate: -1\n", "learning_rate must be above 0"),
        ("network: enet\nstages:\n- optimizer: adamax\n", "optimizer"),
        ("network: enet\nstages:\n- {nesterov: true}\n", "nesterov is for the optimizer sgd"),
        ("network: enet\nstages:\n- {nesterov: true, optimizer: sgd, momentum: 0}\n", "nesterov is for"),
        ("network: enet\nstages:\n- {batch_norm_parts: [encoder]}\n", "give batch_norm frozen"),
        ("network: enet\nstages:\n- {patch_px: 0}\n", "patch_px must be 1 or more"),
        ("network: enet\nstages:\n- {class_weights: [0, 0]}\n", "class_weights must be 0 or more"),
        ("network: enet\nstages:\n- {class_weights: [1]}\n", "class_weights must be 2 numbers, of background and per"),
        ("network: enet\nclasses: 3\nstages:\n- {class_weights: [1, 2]}\n", "class_weights must be 3 numbers"),
        ("network: enet\nclasses: 3\nstages:\n- {labels: alpha}\n", "labels: alpha is for 1 class"),
        ("network: enet\nauxiliary_weight: -1\n", "auxiliary_weight must be 0 or more"),
        ("network: deeplabv3plus\natrous_rates: [6, 12]\n", "atrous_rates"),
        ("network: deeplabv3plus\natrous_rates: [0, 6, 12]\n", "atrous_rates must be three numbers"),
        ("network: deeplabv3plus\noutput_stride: 12\n", "output_stride"),
        ("network: enet\ninput_size: [8, 8]\n", "input_size must be 32"),
        ("network: enet\nema: 1\n", "ema must be"),
        ("network: enet\npatience: 0\n", "patience must be"),
        ("network: enet\npatience: 3\nkeep: last\n", "keep the best"),
        ("network: enet\nstages: []\n", "at least one stage"),
        ("network: enet\nstages: [{name: a}, {name: a}]\n", "different names"),
        ("network: [\n", "not YAML"),
        ("network: !!python/object/apply:os.system ['true']\n", "not YAML"),
    ],
)
def test_a_config_that_is_wrong_is_refused_naming_the_key(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "config.yaml").write_text(text)
    with pytest.raises(ConfigurationProblem, match=said) as caught:
        read_settings(tmp_path / "config.yaml")
    assert caught.value.where.partition(", line ")[0] == str(tmp_path / "config.yaml")
    assert "not YAML" in said or ", line " in caught.value.where
