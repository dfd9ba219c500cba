from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from curation.errors import ConfigurationProblem, InputRefused
from curation.storage.files import sha256_of
from pipelines.command_line.options import RunOptions
from pipelines.loop.config import LoopConfig, loop_config_from, read_loop_config
from pipelines.loop.file_schemas import LOOP_EXAMPLE as EXAMPLE
from pipelines.loop.init import InitFlags, init
from pipelines.loop.rounds import Loop, configuration_of

SMALLEST = "data:\n  train: [a]\n  test:\n  - data: b\n"


def read(text: str) -> LoopConfig:
    return loop_config_from(text.encode(), where=Path("loop.yaml"))


def refused(text: str) -> ConfigurationProblem:
    with pytest.raises(ConfigurationProblem) as told:
        read(text)
    return told.value


def test_the_example_that_init_writes_is_read_back(tmp_path: Path) -> None:
    out = tmp_path / "new" / "loop.yaml"
    init(InitFlags(out=out), run=RunOptions())
    config = read_loop_config(out)
    assert config.model == "portrait"
    assert config.data.test[0].data == "data/portraits"
    assert config.train.stages[0].epochs == 30
    assert config.schedule.cron == "0 3 * * 1"


def test_what_is_commented_out_in_the_example_are_the_defaults() -> None:
    text = EXAMPLE.read_text()
    shown, number = re.subn(r"^( *)#(?=\w)", r"\1", text, flags=re.MULTILINE)
    assert number >= 20
    assert read(shown) == read(text)


def test_the_example_shows_every_key() -> None:
    text = EXAMPLE.read_text()
    sections = [field.type for field in msgspec.structs.fields(LoopConfig) if hasattr(field.type, "__struct_fields__")]
    keys = {name for struct in (LoopConfig, *sections) for name in struct.__struct_fields__}
    assert [key for key in sorted(keys) if not re.search(rf"^ *#?{key}:", text, flags=re.MULTILINE)] == []


def test_a_section_of_comments_alone_is_the_default() -> None:
    assert read(SMALLEST + "gate:\nmine:\n").gate == read(SMALLEST).gate


@pytest.mark.parametrize(
    ("text", "line", "named", "remedy"),
    [
        (SMALLEST + "gate:\n  min_gian: 0.1\n", 6, "gate: object contains unknown field `min_gian`", "min_gain"),
        (SMALLEST + "gate:\n  max_loss: 3\n", 6, "max_loss must be from 0 to 1 - got 3", "max_slice_loss"),
        (
            SMALLEST + "gate:\n  max_loss: much\n",
            6,
            "gate.max_loss: expected a number or nothing, got 'much'",
            "in gate there are: min_gain",
        ),
        (SMALLEST + "mine: {folds: 1}\n", 5, "folds must be 0, or 2 and more", "threshold"),
        (SMALLEST + "mine: {teachers: [champion]}\n", 5, "teachers must be other models - the champion", "threshold"),
        (SMALLEST + "label: {select: best}\n", 5, "label.select: expected one of threshold, ", "budget"),
        (SMALLEST + "train:\n  stages:\n  - name: x\n    epochs: 0\n", 8, "epochs must be 1 or more", "learning_rate"),
        (SMALLEST + "train:\n  stages:\n  - data: [x]\n", 5, "names data", "network"),
        (SMALLEST + "train: {input_size: [8, 8]}\n", 5, "input_size must be 32 pixels", "network"),
        (SMALLEST + "train: {ema: 1}\n", 5, "ema must be 0 or more", "network"),
        (SMALLEST + "train: {stages: []}\n", 5, "stages must hold", "network"),
        (SMALLEST + "label: {budget: -1}\n", 5, "budget must be from 0", "project"),
        (SMALLEST + "schedule:\n  cron: often\n", 6, "cron must have five fields", "every"),
        (SMALLEST + "schedule:\n\n  every: now and then\n", 7, "every must be a number of", "cron"),
        (SMALLEST + "modle: x\n", 5, "unknown field `modle`", "model"),
        (SMALLEST + "model: a/b\n", 5, "model must be of letters", "workspace"),
        ("data:\n  train: []\n  test: [{data: b}]\n", 2, "train must name at least one", "pool"),
        ("data:\n  train: [a]\n  test: []\n", 3, "test must name at least one", "pool"),
        ("data:\n  train: [a]\n  test: [b]\n", 3, "data.test.0: expected", "split"),
        ("data: {train: [a]}\n", 1, "missing required field `test`", "train"),
        (
            SMALLEST + "notify:\n  on: [success]\n",
            5,
            "notify: expected a text as each key",
            "webhooks",
        ),  # YAML reads `on` as true
        ("- a\n", 1, "the file: expected keys with values, got ['a']", "data"),
    ],
)
def test_a_fault_is_told_with_line_key_and_what_there_is(text: str, line: int, named: str, remedy: str) -> None:
    problem = refused(text)
    assert problem.exit_code == 7
    assert problem.where == f"loop.yaml, line {line}"
    assert named in problem.reason
    assert remedy in problem.remedy


@pytest.mark.parametrize("text", ["a: [", "a: &x 1\nb: *x\n", "\x00", "!!python/object/apply:os.system [id]\n"])
def test_what_is_no_plain_yaml_is_refused(text: str) -> None:
    assert "not YAML" in refused(text).reason


def test_the_address_of_a_webhook_is_refused_and_not_repeated() -> None:
    secret = "https://hooks.example.org/T0KEN"
    problem = refused(SMALLEST + f"notify:\n  webhooks: ['{secret}']\n")
    assert "name of an environment variable" in problem.reason
    assert "T0KEN" not in str(problem) + str(refused(SMALLEST + f"notify:\n  webhooks: '{secret}'\n"))
    assert read(SMALLEST + "notify: {webhooks: [CURATE_WEBHOOK_URL]}\n").notify.webhooks == ("CURATE_WEBHOOK_URL",)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="does not exist"):
        read_loop_config(tmp_path / "none.yaml")


def test_init_writes_over_nothing_but_its_own_example_unless_told_to(tmp_path: Path) -> None:
    out = tmp_path / "loop.yaml"
    out.write_text("mine: {}\n")
    with pytest.raises(InputRefused, match="not overwritten"):
        init(InitFlags(out=out), run=RunOptions())
    assert out.read_text() == "mine: {}\n"
    init(InitFlags(out=out), run=RunOptions(overwrite=True))
    init(InitFlags(out=out), run=RunOptions())
    assert out.read_text() == f"# yaml-language-server: $schema=loop.schema.json\n{EXAMPLE.read_text()}"
    (tmp_path / "loop.schema.json").write_text("{}")
    with pytest.raises(InputRefused, match="not overwritten"):
        init(InitFlags(out=out), run=RunOptions())


def test_a_dry_run_of_init_writes_nothing(tmp_path: Path) -> None:
    init(InitFlags(out=tmp_path / "loop.yaml"), run=RunOptions(dry_run=True))
    assert list(tmp_path.iterdir()) == []


def test_a_loop_from_before_there_were_more_keys_of_training_goes_on() -> None:
    """Its rounds remember a hash of the section as it was then: these keys, in any order, and no others."""
    stage = {"name": "main", "data": [], "where": None, "epochs": 60, "batch_size": 16, "accumulate": 1}
    stage |= {"learning_rate": 5e-3, "optimizer": "adamw", "momentum": 0.99, "weight_decay": 0.01, "warmup": 0.05}
    stage |= {"schedule": "cosine", "losses": {"cross_entropy": 1.0, "dice": 1.0}, "augmentation": "modern"}
    stage |= {"frozen": [], "fusion_ratio": 0.0, "backgrounds": []}
    told = {"network": "unet_shufflenet", "start": "champion", "input_size": [224, 224], "ema": 0.99, "patience": None}
    before = sha256_of(msgspec.json.encode(told | {"stages": [stage]}, order="deterministic"))
    place = {"file": Path("loop.yaml")}
    assert configuration_of(Loop(config=read(SMALLEST), **place))["train in the configuration"] == before
    on_alphas = f"{SMALLEST}train:\n  stages:\n  - labels: alpha\n"
    assert configuration_of(Loop(config=read(on_alphas), **place))["train in the configuration"] != before
    mine = {"threshold": 0.8, "pool_share": 0.1, "second": [], "folds": 0}
    before = sha256_of(msgspec.json.encode(mine, order="deterministic"))
    assert configuration_of(Loop(config=read(SMALLEST), **place))["mine in the configuration"] == before
    taught = f"{SMALLEST}mine: {{teachers: [selfie.onnx]}}\n"
    assert configuration_of(Loop(config=read(taught), **place))["mine in the configuration"] != before
