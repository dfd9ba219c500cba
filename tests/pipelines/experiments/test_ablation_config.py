from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem
from models.yaml_files.config import ConfigText
from pipelines.experiments.ablation_config import EXAMPLE, Ablation, ablation_from, read_ablation

BASE = """train:
  network: unet_shufflenet
  val: [v]
  stages:
  - {name: a, data: [d], epochs: 4}
  - {name: b, data: [d], epochs: 2}
test: [{data: t}]
"""


def read(text: str) -> Ablation:
    return ablation_from(ConfigText(text=text.encode(), where=Path("somewhere/ablation.yaml")))


def refused(text: str) -> ConfigurationProblem:
    with pytest.raises(ConfigurationProblem) as told:
        read(text)
    return told.value


def test_the_example_is_read() -> None:
    found = read_ablation(EXAMPLE)
    assert [recipe.name for recipe in found.recipes][:2] == ["baseline", "boundary loss"]
    last = found.recipes[-1].settings.stages[0]
    assert (last.fusion_ratio, last.losses["boundary"], len(last.data)) == (0.3, 0.5, 2)


def test_a_change_reaches_into_every_stage_and_folders_are_seen_from_the_file() -> None:
    text = f"{BASE}arms:\n- name: base\n- {{name: other, change: {{epochs: 9, network: enet, learning_rate: 1e-3}}}}\n"
    base, other = read(text).recipes
    assert [stage.epochs for stage in base.settings.stages] == [4, 2]
    assert [stage.epochs for stage in other.settings.stages] == [9, 9]
    assert [stage.learning_rate for stage in other.settings.stages] == [0.001, 0.001]
    assert (base.settings.network, other.settings.network) == ("unet_shufflenet", "enet")
    assert base.settings.stages[0].data == ("somewhere/d",)
    assert base.settings.val == ("somewhere/v",)
    assert read(text).test[0].data == "somewhere/t"


def test_new_stages_replace_all_and_other_changes_reach_into_them() -> None:
    text = f"{BASE}arms:\n- {{name: one, change: {{epochs: 7, stages: [{{data: [x]}}]}}}}\n"
    (stage,) = read(text).recipes[0].settings.stages
    assert (stage.data, stage.epochs) == (("somewhere/x",), 7)


def test_an_arm_builds_on_another() -> None:
    arms = "arms:\n- {name: a, change: {epochs: 3}}\n- {name: b, on: a, change: {ema: 0}}\n- {name: c, on: b}\n"
    last = read(BASE + arms).recipes[2]
    assert (last.settings.stages[0].epochs, last.settings.ema) == (3, 0)
    assert dict(last.change) == {"epochs": 3, "ema": 0}


def test_a_grid_is_the_product_and_words_are_no_truth_values() -> None:
    grid = (
        "grid:\n  loss: {dice: {}, lovasz: {losses: {lovasz: 1}}}\n"
        "  fusion: {off: , on: {fusion_ratio: 0.5, backgrounds: [g]}}\n"
    )
    found = read(BASE + grid)
    names = [recipe.name for recipe in found.recipes]
    assert names == [
        "loss dice, fusion off",
        "loss dice, fusion on",
        "loss lovasz, fusion off",
        "loss lovasz, fusion on",
    ]
    last = found.recipes[3].settings.stages[1]
    assert (last.losses, last.fusion_ratio, last.backgrounds) == ({"lovasz": 1.0}, 0.5, ("somewhere/g",))
    assert [recipe.folder for recipe in found.recipes][1] == "loss-dice-fusion-on"


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        (BASE, 1, "arms must be there"),
        (BASE + "arms: [{name: a}]\ngrid: {x: {y: {}}}\n", 8, "not both"),
        (BASE + "arms:\n- {name: a, change: {epoch: 3}}\n", 9, "'epoch' is no setting of a training"),
        (BASE + "arms:\n- {name: a, change: {seed: 3}}\n", 9, "'seed' is given by `seeds`"),
        (BASE + "arms:\n- name: a\n- name: b\n  change: {epochs: 0}\n", 10, "epochs must be 1 or more"),
        (BASE + "arms:\n- name: a\n- {name: b, on: c}\n", 10, "builds on 'c', which is not above it"),
        (BASE + "arms:\n- name: a b\n- name: a/b\n", 10, "would share the folder a-b"),
        (BASE + "arms:\n- name: '...'\n", 9, "no name for an arm"),
        (BASE + "arms:\n- name: a\n  cahnge: {}\n", 10, "unknown field `cahnge`"),
        (BASE + "arms: [{name: a}]\nseeds: [1, 1]\n", 9, "seeds must be different"),
        (BASE + "grid:\n  x: {}\n", 9, "has no levels"),
        (BASE + "grid:\n  x: {a: {epochs: 1}}\n  y: {b: {epochs: 2}}\n", 10, "both change epochs"),
        (BASE.replace("{data: t}", "{data: t}, {data: u/t}") + "arms: [{name: a}]\n", 7, "two test sets are called"),
        (BASE.replace("test: [{data: t}]", "test: []") + "arms: [{name: a}]\n", 7, "test must name"),
        (
            BASE.replace("epochs: 4", "epochs: four") + "arms: [{name: a}]\n",
            5,
            "train.stages.0.epochs: expected a whole number, got 'four'",
        ),
        (BASE.replace("val:", "vall:") + "arms: [{name: a}]\n", 3, "unknown field `vall`"),
        ("- a\n", 1, "the file: expected"),
    ],
)
def test_slips_are_refused_with_key_and_line(text: str, line: int, said: str) -> None:
    told = refused(text)
    assert f"ablation.yaml, line {line}" in told.where
    assert said in told.reason
    assert told.remedy


def test_too_many_arms_are_refused() -> None:
    levels = ", ".join(f"l{number}: {{epochs: {number + 1}}}" for number in range(201))
    assert "201 arms are more than 200" in refused(f"{BASE}grid: {{x: {{{levels}}}}}\n").reason


@pytest.mark.parametrize("text", ["a: [", "a: &x [1]\nb: *x\n", "\x00"])
def test_what_is_not_yaml_is_refused(text: str) -> None:
    assert refused(text).reason.startswith("not YAML")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match=r"ablate\.yaml"):
        read_ablation(tmp_path / "ablate.yaml")
