from __future__ import annotations

import dataclasses
import multiprocessing.util
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from scipy.special import expit

from curation.errors import InputRefused
from curation.images.pixels import encode_image
from curation.quarantine import Code
from models.card import read_card
from models.prediction.onnx_files.safety import checked_onnx
from models.prediction.predict_files import predict_files
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from tests.models.prediction.drawn_models import SIZE, nan_on_black, red_model, write_onnx

HERE, ONE, TWO = (EngineOptions(workers=n, item_timeout_s=60) for n in (0, 1, 2))


def ready(path: Path) -> ReadyModel:
    data = checked_onnx(path.read_bytes(), file=path)
    return ReadyModel(
        name="m", file=path, sha256="", card=read_card(path.with_suffix(".yaml")), data=data, engine="openvino"
    )


@pytest.fixture
def red(tmp_path: Path) -> ReadyModel:
    return ready(write_onnx(tmp_path, red_model()))


def drawn_files(folder: Path, *, number: int) -> list[Path]:
    files = []
    for index in range(number):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (20 + 3 * index, 60 - 2 * index, 3), dtype=np.uint8)
        files.append(folder / f"{index:03d}.png")
        files[-1].write_bytes(encode_image(image))
    return files


def flat_file(path: Path, *, colour: tuple[int, int, int]) -> Path:
    path.write_bytes(encode_image(np.full((*SIZE, 3), colour, np.uint8)))
    return path


def workers_here() -> list[psutil.Process]:
    children = psutil.Process().children(recursive=True)
    alive = [child for child in children if child.status() != psutil.STATUS_ZOMBIE]  # another test may have left one
    return [child for child in alive if "spawn_main" in " ".join(child.cmdline())]


def test_every_file_is_predicted_in_order_at_its_size(red: ReadyModel, tmp_path: Path) -> None:
    files = drawn_files(tmp_path, number=7)
    files.insert(3, flat_file(tmp_path / "flat.png", colour=(200, 0, 0)))
    here = list(predict_files(red, files=files, options=HERE))
    assert [one.index for one in here] == list(range(8))
    assert [one.probability.shape for one in here if one.probability is not None][:2] == [(20, 60), (23, 58)]
    assert here[3].probability == pytest.approx(expit((200 - 100) / 50), abs=1e-6)
    for one, other in zip(here, predict_files(red, files=files, options=TWO)):
        assert one.index == other.index and one.probability is not None and other.probability is not None
        np.testing.assert_array_equal(one.probability, other.probability)
    assert workers_here() == []


def test_how_far_views_disagree_comes_with_each_prediction(red: ReadyModel, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    flat, noise = flat_file(tmp_path / "flat.png", colour=(200, 0, 0)), tmp_path / "noise.png"
    noise.write_bytes(encode_image(rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)))
    for options in (HERE, TWO):
        plain = predict_files(red, files=[flat, noise], options=options)
        assert [one.disagreement for one in plain] == [None, None]
        views = dataclasses.replace(options, with_scales=True)
        found = [one.disagreement for one in predict_files(red, files=[flat, noise], options=views)]
        assert found[0] == 0.0 and found[1] is not None and 0.1 < found[1] < 1


def test_the_strongest_blob_of_windows_comes_with_each_prediction(red: ReadyModel, tmp_path: Path) -> None:
    files = [flat_file(tmp_path / f"{red}.png", colour=(red, 0, 0)) for red in (50, 220)]
    for options in (HERE, TWO):
        assert [one.strength for one in predict_files(red, files=files, options=options)] == [None, None]
        seen = list(predict_files(red, files=files, options=dataclasses.replace(options, with_windows=True)))
        assert [one.strength for one in seen] == pytest.approx([(50 - 100) / 50, (220 - 100) / 50], abs=1e-4)
        assert [float(one.probability.mean()) for one in seen if one.probability is not None] == [0, 1]


def test_no_file_is_no_prediction(red: ReadyModel) -> None:
    assert list(predict_files(red, files=[], options=TWO)) == []


def test_broken_files_are_told_and_the_rest_goes_on(red: ReadyModel, tmp_path: Path) -> None:
    files = drawn_files(tmp_path, number=4)
    files[1].write_bytes(files[1].read_bytes()[:-40])
    files[2].write_text("no image")
    files.append(tmp_path / "missing.png")
    found = list(predict_files(red, files=files, options=HERE))
    codes = [None if one.broken is None else one.broken.code for one in found]
    assert codes == [None, Code.TRUNCATED, Code.NOT_IMAGE, None, Code.MISSING_FILE]
    assert [one.probability is None for one in found] == [False, True, True, False, True]


def test_one_nan_among_a_hundred_is_reported(tmp_path: Path) -> None:
    model = ready(write_onnx(tmp_path, nan_on_black(), mean=(0.0, 0.0, 0.0), std=(255.0, 255.0, 255.0)))
    files = [flat_file(tmp_path / "sound.png", colour=(9, 99, 200))] * 100
    files[41] = flat_file(tmp_path / "black.png", colour=(0, 0, 0))
    found = list(predict_files(model, files=files, options=HERE))
    (broken,) = [one for one in found if one.broken is not None]
    assert (broken.index, broken.broken and broken.broken.code, broken.probability) == (41, Code.MODEL_NONFINITE, None)
    assert broken.broken is not None and broken.broken.file.endswith("black.png")


def test_what_is_no_probability_stops_the_run_with_its_range(tmp_path: Path) -> None:
    model = ready(write_onnx(tmp_path, red_model(), output="probability"))
    files = [flat_file(tmp_path / "a.png", colour=(130, 0, 0)), flat_file(tmp_path / "b.png", colour=(250, 0, 0))]
    for options in (HERE, ONE):
        predictions = predict_files(model, files=files, options=options)
        assert next(predictions).probability == pytest.approx(0.6, abs=1e-6)
        with pytest.raises(InputRefused, match="values from 3 to 3 where its card promises a probability"):
            next(predictions)
    assert workers_here() == []


def test_a_process_that_is_killed_is_replaced_and_nothing_is_missing(red: ReadyModel, tmp_path: Path) -> None:
    files = drawn_files(tmp_path, number=5) * 20
    predictions = predict_files(red, files=files, options=ONE)
    found = [next(predictions)]
    for process in workers_here():
        process.kill()
    found += predictions
    assert [one.index for one in found] == list(range(100))
    assert all(one.broken is None for one in found)


def test_a_process_that_is_killed_before_it_has_read_a_large_model_is_replaced(
    red: ReadyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A signal to a whole group meets processes that are just being started: nobody may wait for them for ever."""
    large = dataclasses.replace(red, name="m" * 1_000_000)
    spawned = multiprocessing.util.spawnv_passfds
    pids: list[int] = []

    def spawn_and_kill_the_first(*arguments: Any) -> int:
        pid: int = spawned(*arguments)
        if "--multiprocessing-fork" in arguments[1]:
            pids.append(pid)
            if len(pids) == 1:
                os.kill(pid, signal.SIGKILL)
        return pid

    monkeypatch.setattr(multiprocessing.util, "spawnv_passfds", spawn_and_kill_the_first)
    found = list(predict_files(large, files=drawn_files(tmp_path, number=3), options=ONE))
    assert len(pids) == 2
    assert all(one.broken is None for one in found)


def test_a_process_that_hangs_is_replaced(red: ReadyModel, tmp_path: Path) -> None:
    files = drawn_files(tmp_path, number=5) * 20
    predictions = predict_files(red, files=files, options=EngineOptions(workers=1, item_timeout_s=1.0))
    found = [next(predictions)]
    for process in workers_here():
        os.kill(process.pid, signal.SIGSTOP)
    found += predictions
    assert [one.index for one in found] == list(range(100))
    assert all(one.broken is None for one in found)


def test_closing_early_leaves_no_process(red: ReadyModel, tmp_path: Path) -> None:
    predictions = predict_files(red, files=drawn_files(tmp_path, number=5) * 50, options=ONE)
    next(predictions)
    assert workers_here() != []
    predictions.close()
    assert workers_here() == []
