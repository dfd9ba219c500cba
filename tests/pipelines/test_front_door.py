"""Every command is a function of Python: with the flags of the command as arguments, and the same result."""

from __future__ import annotations

import inspect
import json
import pickle
import pydoc
import subprocess
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

import pipelines as curate
from curation.dataset.dataset import read_dataset
from curation.dataset.manifest_files import MANIFEST
from curation.errors import ConfigurationProblem, InputRefused
from curation.sources.demo_sources import write_coco_sample
from pipelines.command_line.options import Result
from pipelines.command_line.verb_command import command_of
from pipelines.command_line.verb_function import converted
from pipelines.command_line.verbs import FUNCTIONS, VERBS
from tests.pipelines.commands import CURATE


@pytest.fixture(scope="module")
def coco(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    annotations, images = write_coco_sample(tmp_path_factory.mktemp("coco"), images=8, seed=0)
    return {"annotations": annotations, "images": images, "workers": 0}


@pytest.fixture(scope="module")
def made(coco: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Result:
    return curate.coco_person(**coco, out=tmp_path_factory.mktemp("made") / "persons")


def test_every_command_is_a_function() -> None:
    assert len(curate.__all__) == len(VERBS) and set(dir(curate)) == set(curate.__all__) == set(FUNCTIONS)
    assert {"coco_person", "label_push", "browse_pull", "schedule_status"} <= set(dir(curate))
    with pytest.raises(AttributeError, match="no attribute 'push'"):
        _ = curate.push  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_the_arguments_are_the_flags_with_their_defaults_and_meanings(name: str) -> None:
    entry = VERBS[FUNCTIONS[name]]
    verb = entry.load()
    command = command_of(verb, name=name, show=lambda result, run: None)
    function = getattr(curate, name)
    parameters = inspect.signature(function).parameters
    assert set(parameters) == {flag.name for flag in command.params} - {"json"}
    for flag in command.params:
        if flag.name != "json":
            one = parameters[flag.name or ""]
            assert (one.default is inspect.Parameter.empty) == flag.required
            assert (one.kind is one.POSITIONAL_OR_KEYWORD) == isinstance(flag, click.Argument)
            if not flag.required:
                assert one.default == flag.get_default(click.Context(command))
            assert flag.name in entry.idle or f"    {flag.name}: " in function.__doc__
    assert "\b" not in function.__doc__
    assert pickle.loads(pickle.dumps(function)) is function


def test_help_reads_well() -> None:
    text = pydoc.plain(pydoc.render_doc(curate.mine))
    assert "threshold: float = 0.8" in text
    assert "\n        second: Other models, to separate wrong labels from hard images.\n" in text
    assert "--" not in text.partition("Args:")[2]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({}, TypeError, r"mine\(\) missing a required argument: 'model'"),
        ({"modle": "m"}, TypeError, r"mine\(\) has no argument 'modle'; did you mean 'model'\?"),
        ({"json": True}, TypeError, "has no argument 'json'"),
        ({"model": 3}, TypeError, "model is 3 of type int; give a path"),
        ({"model": None}, TypeError, "model is None of type NoneType"),
        ({"data": []}, ValueError, "data is empty"),
        ({"data": ["d", 1]}, TypeError, "data is 1 of type int"),
        ({"split": "trian"}, ValueError, "split is 'trian'; give one of 'train', 'val', 'test', 'all'"),
        ({"folds": True}, TypeError, "folds is True of type bool; give int"),
        ({"folds": "5"}, TypeError, "folds is '5' of type str"),
        ({"prefix": 1}, TypeError, "prefix is 1 of type int; give bool"),
        ({"threshold": 2}, ValueError, r"mine\(\): `threshold` 2 is not between 0 and 1"),
        ({"workers": -1}, ValueError, r"mine\(\): `workers` -1 is negative"),
    ],
    ids=str,
)
def test_a_wrong_argument_is_named(arguments: dict[str, Any], error: type[Exception], message: str) -> None:
    rest = {"model": "m", "data": "d", "out": "o"} if arguments and "modle" not in arguments else {}
    with pytest.raises(error, match=message) as raised:
        curate.mine(**(rest | arguments))
    assert not isinstance(raised.value, click.ClickException)


@pytest.mark.parametrize(
    ("value", "hint", "wanted"),
    [
        ("a", Path, Path("a")),
        (Path("a"), tuple[Path, ...], (Path("a"),)),
        (["a", Path("b")], tuple[Path, ...], (Path("a"), Path("b"))),
        ({"a": 1, "b": 2}.keys(), tuple[str, ...], ("a", "b")),
        (np.int64(3), int | None, 3),
        (None, int | None, None),
        (np.float32(0.5), float, 0.5),
        (1, float, 1.0),
        (3, tuple[int, ...], (3,)),
    ],
    ids=str,
)
def test_values_are_brought_to_the_type_of_the_field(value: Any, hint: Any, wanted: Any) -> None:
    found = converted(value, hint, name="x")
    assert (found, type(found)) == (wanted, type(wanted))


def test_the_result_is_that_of_the_command(coco: dict[str, Any], made: Result, tmp_path: Path) -> None:
    out = tmp_path / "persons"
    flags = ["--annotations", coco["annotations"], "--images", coco["images"], "--workers", "0", "--out", out, "--json"]
    done = subprocess.run([*CURATE, "coco-person", *map(str, flags)], capture_output=True, text=True)
    assert done.returncode == made.exit_code == 3
    told = json.loads(done.stdout)
    assert told | {"out": 0, "name": 0} == made.data | {"out": 0, "name": 0}
    assert made.out is not None
    assert (out / MANIFEST).read_bytes() == (made.out / MANIFEST).read_bytes()


def test_nothing_is_printed(coco: dict[str, Any], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    curate.coco_person(**coco | {"workers": 1}, out=tmp_path / "persons")
    assert capfd.readouterr().out == ""


def test_a_result_gives_what_was_made_and_counted(made: Result) -> None:
    assert made.out == Path(made.data["out"])
    assert (
        made.counts["considered"]
        == 8
        == made.counts["selected"] + sum(made.counts["quarantined"].values()) + sum(made.counts["filtered"].values())
    )
    assert len(made.dataset) == made.counts["selected"] > 0
    assert "\n" not in repr(made) and len(repr(made)) < 200
    assert str(made) == made.summary
    assert "data:image/webp" in made._repr_html_() and "considered" in made._repr_html_()


def test_a_dataset_is_taken_where_its_path_is(made: Result) -> None:
    by_path, by_position = curate.stats(datasets=[str(made.out)]), curate.stats(made.dataset)
    assert by_path.data == by_position.data
    assert by_path.out is None and by_path.counts == {"problems": 0}
    assert curate.split(made.dataset, val=0.5).dataset.frame["split"].notna().all()


def test_without_a_dataset_the_result_says_so(coco: dict[str, Any], made: Result, tmp_path: Path) -> None:
    dry = curate.coco_person(**coco, out=made.dataset, dry_run=True)
    with pytest.raises(InputRefused, match=r"coco-person made no dataset\n.*leave out dry_run"):
        _ = dry.dataset
    with pytest.raises(InputRefused, match="stats made no dataset"):
        _ = curate.stats(made.dataset).dataset
    page = curate.gallery(made.dataset, out=tmp_path / "look.html", workers=0)
    assert page.out == tmp_path / "look.html"
    with pytest.raises(InputRefused, match="gallery made no dataset"):
        _ = page.dataset
    assert page._repr_html_().startswith("<pre>")


def test_what_stops_the_work_is_the_error_of_the_command(coco: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no dataset here") as refused:
        curate.stats(tmp_path)
    assert refused.value.exit_code == 4
    with pytest.raises(InputRefused, match="NUL"):
        curate.coco_person(**coco, out=tmp_path / "a\0b")


def test_training_on_several_devices_does_not_start_the_script_of_the_user_again(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="curate train --devices 2"):
        curate.train(data=tmp_path, network="unet_shufflenet", out=tmp_path / "run", devices=2, device="cpu")


def test_read_dataset_takes_a_text(made: Result) -> None:
    assert read_dataset(str(made.out)).folder == made.out
