"""Converted models are kept, once, whole or not at all, and only so many."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused
from models.prediction import engines
from models.prediction.foreign import kept_models, ready_foreign
from models.prediction.foreign.convert import Intermediate, converted
from models.prediction.foreign.kept_models import keep_model, kept_model
from tests.models.prediction.foreign.readied import ready
from tests.models.prediction.foreign.tensorflow_files import card
from tests.models.prediction.foreign.tflite_drawn import red_parts, tflite


def red(folder: Path) -> Path:
    path = folder / "red.tflite"
    path.write_bytes(tflite(red_parts()))
    return card(path, output="logit", person_index=0)


def test_a_model_is_converted_once_and_again_when_what_is_kept_is_damaged(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversions: list[str] = []

    def counted(*arguments: object, **named: object) -> Intermediate:
        conversions.append("one")
        return converted(*arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(ready_foreign, "converted", counted)
    first = ready(red(tmp_path))
    assert ready(red(tmp_path)).data == first.data and len(conversions) == 1
    assert sorted(path.suffix for path in cache.iterdir()) == [".bin", ".json", ".xml"]
    for ending in (".bin", ".xml", ".json"):
        [file] = cache.glob(f"*{ending}")
        whole = file.read_bytes()
        file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
        assert ready(red(tmp_path)).constants == first.constants
    assert len(conversions) == 4


def test_where_nothing_can_be_written_the_model_runs_all_the_same(tmp_path: Path, cache: Path) -> None:
    cache.parent.mkdir(parents=True)
    cache.write_bytes(b"a file where the folder would be")
    assert ready(red(tmp_path)).engine == "openvino"


def test_the_oldest_goes_where_there_are_too_many(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_models, "MOST", 2)
    for name in ("a", "b", "c"):
        keep_model(name, Intermediate(xml=name.encode(), constants=b""))
    assert kept_model("a") is None
    assert [kept_model(name).xml for name in ("b", "c")] == [b"b", b"c"]  # type: ignore[union-attr]
    assert len(list(cache.iterdir())) == 6


def test_without_openvino_it_is_told_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "has_openvino", lambda: False)
    with pytest.raises(EnvironmentProblem, match="OpenVINO is not installed") as refused:
        ready(red(tmp_path))
    assert "pip install" in refused.value.remedy


def test_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationProblem, match="runs on the CPU"):
        ready(red(tmp_path), device="cuda")


def test_the_hash_of_a_card_is_that_of_the_file(tmp_path: Path) -> None:
    path = red(tmp_path)
    with pytest.raises(InputRefused, match=f"the card says {'0' * 64}"):
        ready(card(path, output="logit", person_index=0, sha256=f"'{'0' * 64}'"))
