from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from curation.errors import ConfigurationProblem
from models.training.settings import TrainSettings, settings_from
from models.yaml_files.config import ConfigText
from models.yaml_files.schema import Schema
from pipelines.command_line.options import RunOptions
from pipelines.experiments.ablate import AblateFlags, ablate
from pipelines.experiments.ablation_config import EXAMPLE as ABLATION_EXAMPLE
from pipelines.experiments.ablation_config import ablation_from
from pipelines.experiments.ablation_schema import ablation_schema
from pipelines.loop.config import loop_config_from
from pipelines.loop.file_schemas import ALPHA_EXAMPLE, LOOP_EXAMPLE, STAGES_EXAMPLE, loop_schema, stages_schema
from pipelines.loop.init import InitFlags, init

SCHEMAS = {"loop": loop_schema(), "stages": stages_schema(), "ablation": ablation_schema()}
EXAMPLES = {"loop": LOOP_EXAMPLE, "stages": STAGES_EXAMPLE, "ablation": ABLATION_EXAMPLE}
LOOP = "data: {train: [a], test: [{data: b}]}\n"
STAGES = "network: enet\n"
ABLATION = "train: {network: enet}\ntest: [{data: b}]\n"
ARMS = "arms: [{name: a}]\n"
ACCEPTED = [
    ("loop", LOOP),
    ("loop", f"{LOOP}gate:\nmine:\nseed:\ncontrol: true\n"),
    ("loop", f"{LOOP}control: yes\ngate: {{min_gain: 1e-3, min_images: '5'}}\n"),
    ("loop", f"{LOOP}control: 'False'\ntrain: {{patience: 'null', input_size: [64, '96'], stages: [{{data: []}}]}}\n"),
    ("loop", f"{LOOP}control: 1\nlabel: {{project: null, budget: 1_000}}\nmine: {{threshold: 1, folds: 2.0}}\n"),
    ("stages", STAGES),
    ("stages", f"{STAGES}classes: '3'\nstages: [{{learning_rate: 1e-3, losses: {{dice: 1, lovasz: '0.5'}}}}]\n"),
    ("stages", f"{STAGES}licenses: {{allow: [MIT], unknown: on}}\nema: -0\n"),
    ("stages", ALPHA_EXAMPLE.read_text()),
    ("ablation", ABLATION + ARMS),
    ("ablation", f"{ABLATION}seeds: ['1', 2]\ngrid: {{a: {{on: {{}}, off: , b: {{epochs: 3, ema: 0}}}}}}\n"),
    ("ablation", f"{ABLATION}arms: [{{name: a, change: {{stages: [{{name: x}}], epochs: 2, val: [c]}}}}]\n"),
]
REFUSED = [
    ("loop", f"{LOOP}modle: x\n"),
    ("loop", f"{LOOP}mine: {{treshold: 0.5}}\n"),
    ("loop", f"{LOOP}mine: {{threshold: low}}\n"),
    ("loop", f"{LOOP}label: {{select: best}}\n"),
    ("loop", f"{LOOP}train: {{input_size: [224]}}\n"),
    ("loop", f"{LOOP}control: maybe\n"),
    ("loop", "data: {train: a, test: [{data: b}]}\n"),
    ("loop", "model: x\n"),
    ("stages", "epochs: 3\n"),
    ("stages", f"{STAGES}stages: [{{epochs: many}}]\n"),
    ("stages", f"{STAGES}classes: many\n"),
    ("stages", f"{STAGES}stages: [{{optimizer: adamax}}]\n"),
    ("ablation", ABLATION.replace("network", "networks") + ARMS),
    ("ablation", f"{ABLATION}arms: [{{name: a, change: {{seed: 1}}}}]\n"),
    ("ablation", f"{ABLATION}arms: [{{name: a, change: {{epochs: x}}}}]\n"),
    ("ablation", f"{ABLATION}grid: {{a: {{b: {{epoch: 3}}}}}}\n"),
]


def read(kind: str, text: str) -> object:
    """Read a file as the product does."""
    if kind == "ablation":
        return ablation_from(ConfigText(text=text.encode(), where=Path("x.yaml")))
    return {"loop": loop_config_from, "stages": settings_from}[kind](text.encode(), where=Path("x.yaml"))


class Yaml12(yaml.SafeLoader):
    """YAML as most editors read it: `yes`, `on` and their like are texts."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - as the class that it comes from has it
        first: [(tag, rule) for tag, rule in rules if not tag.endswith(":bool") or first in "tTfF"]
        for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def problems(schema: Schema, text: str, *, loader: type[yaml.SafeLoader] = Yaml12) -> list[str]:
    told: Any = loader(text).get_single_data()
    return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(told)]


def uncommented(example: Path) -> str:
    return re.sub(r"^( *)#(?=\w)", r"\1", example.read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_schema_is_one_and_accepts_its_example(kind: str) -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMAS[kind])
    assert problems(SCHEMAS[kind], EXAMPLES[kind].read_text()) == []
    assert problems(SCHEMAS[kind], uncommented(EXAMPLES[kind])) == []


@pytest.mark.parametrize(("kind", "text"), ACCEPTED)
@pytest.mark.parametrize("loader", [yaml.SafeLoader, Yaml12])
def test_what_is_read_is_accepted(kind: str, text: str, loader: type[yaml.SafeLoader]) -> None:
    read(kind, text)
    # an ablation is read with `on` and `off` as words, as YAML 1.2 has them
    assert problems(SCHEMAS[kind], text, loader=Yaml12 if kind == "ablation" else loader) == []


@pytest.mark.parametrize(("kind", "text"), REFUSED)
def test_wrong_keys_and_types_are_refused_by_both(kind: str, text: str) -> None:
    with pytest.raises(ConfigurationProblem):
        read(kind, text)
    assert problems(SCHEMAS[kind], text)


def test_what_is_commented_out_in_the_example_of_stages_are_the_defaults() -> None:
    plain = settings_from(STAGES_EXAMPLE.read_bytes(), where=STAGES_EXAMPLE)
    shown = settings_from(uncommented(STAGES_EXAMPLE).encode(), where=STAGES_EXAMPLE)
    assert shown == plain
    text = STAGES_EXAMPLE.read_text()
    keys = {*TrainSettings.__struct_fields__, *type(plain.stages[0]).__struct_fields__}
    assert {key for key in keys if not re.search(rf"\W{key}: ", text.replace(":\n", ": "))} == set()


@pytest.mark.parametrize("kind", SCHEMAS)
def test_most_keys_say_what_they_mean(kind: str) -> None:
    parts = [SCHEMAS[kind], *SCHEMAS[kind]["$defs"].values()]
    values = [value for part in parts for value in part["properties"].values()]
    assert sum("description" in value for value in values) > 0.5 * len(values)
    assert all("description" in part for part in parts)


def test_init_and_ablate_write_the_schema_that_the_file_names(tmp_path: Path) -> None:
    init(InitFlags(out=tmp_path / "my.loop.yaml"), run=RunOptions())
    init(InitFlags(kind="stages", out=tmp_path / "stages.yaml"), run=RunOptions())
    ablate(AblateFlags(config=tmp_path / "ablation.yml", example=True), run=RunOptions())
    for name in ("my.loop.yaml", "stages.yaml", "ablation.yml"):
        text = (tmp_path / name).read_text()
        named = re.fullmatch(r"# yaml-language-server: \$schema=([\w.-]+)", text.splitlines()[0])
        assert named is not None
        assert named[1] == f"{Path(name).stem}.schema.json"
        assert problems(json.loads((tmp_path / named[1]).read_text()), text) == []


def test_defaults_in_a_schema_are_those_of_the_structs() -> None:
    told = SCHEMAS["stages"]["properties"]
    for field in msgspec.structs.fields(TrainSettings):
        if field.name != "stages" and field.default is not msgspec.NODEFAULT:
            assert told[field.name]["default"] == msgspec.to_builtins(field.default)
