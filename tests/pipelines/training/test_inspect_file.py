"""`curate models --inspect`: what is printed is a card to be completed, and commands take the model from then on."""

from __future__ import annotations

import io
import tarfile
from pathlib import Path

import pytest
import yaml

from curation.errors import InputRefused
from models.model_files import model_on_disk
from pipelines.command_line.options import RunOptions
from pipelines.training.inspect_file import inspected
from pipelines.training.models import ModelsFlags, models
from tests.models.prediction.foreign.tensorflow_files import graph, red_nodes
from tests.models.prediction.foreign.tflite_drawn import red_parts, tflite


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def test_what_is_printed_is_the_card_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "red.tflite").write_bytes(tflite(red_parts()))
    result = models(ModelsFlags(inspect=tmp_path / "red.tflite"), run=RunOptions())
    printed = yaml.safe_load(result.summary)
    assert {name: value for name, value in printed.items() if value != "???"} == result.data["card"]
    assert {name for name, value in printed.items() if value == "???"} == set(result.data["to_say"])
    assert result.data["card"] == {"input_size": [32, 24], "layout": "NHWC", "dtype": "float32"}
    assert result.data["inputs"] == [{"name": "image", "dtype": "float32", "sides": (1, 32, 24, 3)}]
    assert result.data["card_file"] == str(tmp_path / "red.yaml")
    assert "# takes image: float32, 1 x 32 x 24 x 3" in result.summary


def test_an_archive_of_a_zoo_is_inspected_by_its_own_name(tmp_path: Path) -> None:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as made:
        member = tarfile.TarInfo("deeplab_2018/frozen_inference_graph.pb")
        data = graph(*red_nodes())
        member.size = len(data)
        made.addfile(member, io.BytesIO(data))
    (tmp_path / "deeplab_2018.tar.gz").write_bytes(stream.getvalue())
    assert model_on_disk(tmp_path / "deeplab_2018.tar.gz").card == tmp_path / "deeplab_2018.yaml"
    result = inspected(tmp_path / "deeplab_2018.tar.gz")
    assert "takes ImageTensor: uint8, 1 x any x any x 3" in result.summary
    assert result.data["card"]["output"] == "class_ids"


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no such model"):
        inspected(tmp_path / "none.tflite")
