"""A network as a TFLite file: written by LiteRT's converter and run by LiteRT, in an environment of their own."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tempfile
import warnings
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from curation.errors import EnvironmentProblem, InputRefused
from curation.storage.files import write_bytes
from models.card import ModelCard
from models.prediction.engines import Places

if TYPE_CHECKING:
    from torch import nn

TIMEOUT_S: Final = 3600.0
"""A minute of work, several on a busy machine."""
HERE: Final = Path(__file__).parent
WRITTEN: Final = "model.tflite"
QUIET: Final = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "PYTHONNOUSERSITE": "1"}
NPY: Final[Any] = np.lib.format
"""Reads and writes arrays."""
LENGTH: Final = 8
"""Bytes before each array that tell its length; a pipe does not tell it."""
INSTEAD: Final = "export it with --to onnx or --to openvino"


def tflite_file(network: nn.Module | None, *, card: ModelCard, python: Path) -> bytes:
    """Return a network in evaluation mode as a TFLite file in float32, which takes and gives (1, h, w, channels).

    Raises InputRefused where there is no network but a file, or it cannot be written.
    """
    if network is None:
        raise InputRefused("TFLite is written of a network that torch knows", remedy=f"give a run folder, or {INSTEAD}")
    with tempfile.TemporaryDirectory(prefix="curate-tflite-") as folder:
        place = Path(folder)
        _save(network, card=card, file=place / "network.pt2")
        sides = map(str, card.input_size)
        _run([str(python), str(HERE / "write_tflite.py"), "network.pt2", WRITTEN, *sides], place=place)
        if not (place / WRITTEN).exists():
            raise InputRefused("LiteRT's converter wrote no file", remedy=INSTEAD)
        return (place / WRITTEN).read_bytes()


def tflite_card(card: ModelCard) -> ModelCard:
    """Return the card of the file made of a model: channels lie last in what it takes and gives."""
    planes = "HW" if card.planes == "HW" else "NHWC"
    return msgspec.structs.replace(card, layout="NHWC", output_layout=planes, output_name=None, batch=None)


class LiteRt:
    """LiteRT in a process of its own, behind a pipe, which ends with this object."""

    batch = 1

    def __init__(self, data: bytes, *, python: Path, threads: int) -> None:
        folder = tempfile.mkdtemp(prefix="curate-tflite-")
        file = Path(folder) / "model.tflite"
        write_bytes(file, data)
        program = HERE / "run_litert.py"
        self._process = subprocess.Popen(
            [str(python), str(program), str(file), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
        )
        weakref.finalize(self, _end, self._process, folder)

    def run(self, inputs: NDArray[Any], places: Places | None = None) -> NDArray[Any]:
        """Return the output of any shape for one prepared image (1, h, w, 3)."""
        assert places is None, "no network that takes places is written as TFLite"
        given, answer = self._process.stdin, self._process.stdout
        assert given is not None and answer is not None, "both are pipes"
        stream = io.BytesIO()
        NPY.write_array(stream, np.ascontiguousarray(inputs))
        try:
            given.write(len(stream.getvalue()).to_bytes(LENGTH, "little") + stream.getvalue())
            given.flush()
            length = int.from_bytes(answer.read(LENGTH), "little")
            found: NDArray[Any] = NPY.read_array(io.BytesIO(answer.read(length)))
        except (OSError, ValueError) as error:
            raise RuntimeError("LiteRT ended without an answer") from error
        return found


def _save(network: nn.Module, *, card: ModelCard, file: Path) -> None:
    import torch

    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            torch.export.save(torch.export.export(network.eval(), (torch.zeros(1, 3, *card.input_size),)), str(file))
    except (RuntimeError, ValueError, TypeError) as error:
        raise InputRefused(f"torch does not export it: {str(error).splitlines()[0][:300]}", remedy=INSTEAD) from error


def _run(command: list[str], *, place: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=place,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=TIMEOUT_S,
            check=False,
            env=_environment(),
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblem(f"LiteRT's converter does not run: {error}", remedy=INSTEAD) from error
    if done.returncode != 0:
        lines = (done.stdout + done.stderr).decode("utf-8", "replace").strip().splitlines()
        said = next((line for line in reversed(lines) if "error" in line.lower()), f"it ended with {done.returncode}")
        raise InputRefused(f"LiteRT's converter cannot write it: {said.strip()[:300]}", remedy=INSTEAD)


def _environment() -> dict[str, str]:
    """Return the environment of a program there: ours, without where our packages lie."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | QUIET


def _end(process: subprocess.Popen[bytes], folder: str) -> None:
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            with suppress(OSError):
                pipe.close()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    if process.poll() is None:
        process.kill()
        process.wait()
    with suppress(OSError):
        shutil.rmtree(folder)
