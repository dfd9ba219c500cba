"""The settings of a training: what is wrong with a config is said by its key, and a good one survives its file."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem
from models.training.settings import Stage, TrainSettings, read_settings, settings_text


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
        ("network: enet\nstages:\n- optimizer: adam\n", "optimizer"),
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
