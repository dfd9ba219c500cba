"""A trained network, or an ONNX file with a card, in another form, which is published only when it predicts alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import EnvironmentProblem, InputRefused
from models.card import ModelCard
from models.export.export_onnx import Checked
from models.export.forms import Exported, Made, with_record
from models.export.judge import Verdict, judged, layers_moved
from models.export.runtimes.graph_cost import graph_cost
from models.export.runtimes.ncnn_door import ncnn_files, open_ncnn
from models.export.runtimes.openvino_files import layer_outputs, openvino_files
from models.export.tflite.environment import LITERT
from models.export.tflite.tflite_files import LiteRt, tflite_card, tflite_file
from models.model_files import FoundModel
from models.prediction.checks.real_pictures import Sample
from models.prediction.engines import Engine, Torch, has_onnxruntime, has_openvino, open_onnxruntime, open_openvino
from models.prediction.onnx_files.safety import checked_onnx
from models.prediction.onnx_files.to_onnx import onnx_of
from models.prediction.predictor import EnginePredictor
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from models.preprocessing import normalised, resized

if TYPE_CHECKING:
    from torch import nn

    from curation.images.pixels import Image

THREADS: Final = 1
"""So that a file is judged alike on every machine: sums of more threads round otherwise."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Source:
    """What is exported: its file, card and checked ONNX, and the network where torch knows it."""

    file: Path
    sha256: str
    card: ModelCard
    data: bytes
    network: nn.Module | None

    @property
    def ready(self) -> ReadyModel:
        """Return it as a model that is ready to give features."""
        return ReadyModel(
            name=self.file.stem,
            file=self.file,
            sha256=self.sha256,
            card=self.card,
            data=self.data,
            engine="onnxruntime",
        )

    def predictor(self) -> EnginePredictor:
        """Return it in fp32: in torch, or where that does not know it in ONNX Runtime or OpenVINO."""
        if self.network is not None:
            return EnginePredictor(Torch(self.network), card=self.card, name="fp32")
        opened = open_onnxruntime if has_onnxruntime() else open_openvino
        return EnginePredictor(opened(self.data, card=self.card, threads=THREADS), card=self.card, name="fp32")


def source_of(found: FoundModel, *, options: EngineOptions, samples: Sequence[Sample] = ()) -> Source:
    """Return what is exported. Raises what `load_network` and `prepare` raise, and EnvironmentProblem without OpenVINO.

    An ONNX file is checked in a process of its own, also by what it says of `samples`, as by every command.
    """
    if not has_openvino():
        raise EnvironmentProblem("OpenVINO is not installed", remedy="pip install 'portrait-curate[models]'")
    if found.is_onnx:
        ready = prepare(found.weights, options=options, samples=samples)
        return Source(file=ready.file, sha256=ready.sha256, card=ready.card, data=ready.data, network=None)
    from models.prediction.weights import load_network

    network, card = load_network(found.weights.parent)
    data = checked_onnx(onnx_of(network, card=card), file=found.weights)
    return Source(file=found.weights, sha256=card.sha256 or "", card=card, data=data, network=network)


def prepared(images: Sequence[Image], *, card: ModelCard) -> list[NDArray[Any]]:
    """Return images, (h, w, 3) uint8 RGB each, as the model takes them: batches of one."""
    return [np.ascontiguousarray(normalised(resized(one, size=card.input_size), card=card)[None]) for one in images]


def made_of(
    source: Source, *, wanted: Exported, calibration: Sequence[NDArray[Any]], tell: Callable[[str], None]
) -> Made:
    """Return a model in a form; in int8 where there are prepared images for `calibration`.

    `tell` is called with what takes long, such as the installation of what writes TFLite.

    Raises InputRefused when the form has no words for it, and EnvironmentProblem when what writes it is not installed.
    """
    if wanted.form == "tflite":
        files = {".tflite": tflite_file(source.network, card=source.card, python=_tflite_python(source, tell=tell))}
        card = tflite_card(source.card)
    else:
        files = _files(source, wanted=wanted, calibration=calibration)
        card = source.card
    cost = asdict(graph_cost(source.data, card=source.card)) if wanted.form in {"ncnn", "tflite"} else None
    return Made(files=files, card=with_record(card, wanted=wanted, files=files, cost=cost))


def engine_of(files: dict[str, bytes], *, card: ModelCard, wanted: Exported, threads: int) -> Engine:
    """Return the files of a form in its own runtime. Raises RuntimeError when that cannot run them."""
    if wanted.form == "ncnn":
        return open_ncnn(files[".param"], files[".bin"], card=card, threads=threads)
    if wanted.form == "openvino":
        return open_openvino(files[".xml"], card=card, threads=threads, constants=files[".bin"])
    if wanted.form == "tflite":
        return LiteRt(files[".tflite"], python=LITERT.program("python", tell=lambda _: None), threads=threads)
    opened = open_onnxruntime if has_onnxruntime() else open_openvino
    return opened(files[".onnx"], card=card, threads=threads)


def judge(source: Source, made: Made, *, wanted: Exported, pictures: Sequence[Checked]) -> Verdict:
    """Return how a made model predicts beside fp32, in its own runtime.

    Raises InputRefused when that does not run it.
    """
    try:
        engine = engine_of(dict(made.files), card=made.card, wanted=wanted, threads=THREADS)
    except (RuntimeError, ValueError) as error:
        reason = f"its own runtime does not open it, so nothing was written: {' '.join(str(error).split())[:300]}"
        raise InputRefused(reason, where=source.file, remedy="choose another form with --to") from error
    after = EnginePredictor(engine, card=made.card, name=wanted.form)
    try:
        return judged(source.predictor(), after, card=source.card, pictures=pictures)
    except RuntimeError as error:
        reason = f"its own runtime does not run it, so nothing was written: {' '.join(str(error).split())[:300]}"
        raise InputRefused(reason, where=source.file, remedy="choose another form with --to") from error


def moved_layers(source: Source, made: Made, *, image: Image) -> list[tuple[str, float]] | None:
    """Return the layers whose values moved most for an image; None where the form gives them other names."""
    files = dict(made.files)
    graph = files.get(".onnx") or files.get(".xml")
    if graph is None:
        return None
    inputs = prepared([image], card=source.card)[0]
    before = layer_outputs(source.data, card=source.card, inputs=inputs)
    return layers_moved(before, layer_outputs(graph, card=made.card, inputs=inputs, constants=files.get(".bin")))


def _tflite_python(source: Source, *, tell: Callable[[str], None]) -> Path:
    """Return what writes TFLite; nothing is installed for what cannot be written."""
    return LITERT.program("python", tell=tell) if source.network is not None else Path()


def _files(source: Source, *, wanted: Exported, calibration: Sequence[NDArray[Any]]) -> dict[str, bytes]:
    if wanted.form == "ncnn":
        graph, numbers = ncnn_files(source.network, data=source.data, card=source.card)
        return {".param": graph, ".bin": numbers}
    if wanted.form == "openvino":
        if calibration:
            from models.export.runtimes.nncf_door import quantised_openvino

            graph, numbers = quantised_openvino(source.data, card=source.card, images=calibration)
        else:
            graph, numbers = openvino_files(source.data, card=source.card)
        return {".xml": graph, ".bin": numbers}
    from models.export.runtimes.nncf_door import quantised_onnx

    return {".onnx": quantised_onnx(source.data, card=source.card, images=calibration)}
