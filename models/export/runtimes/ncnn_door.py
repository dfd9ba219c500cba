"""A network for ncnn: written by pnnx, a program of its own, and run by ncnn. The only file that imports either."""

from __future__ import annotations

import re
import subprocess
import tempfile
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from curation.errors import EnvironmentProblem, InputRefused
from curation.storage.files import write_bytes
from models.card import ModelCard
from models.prediction.engines import Places, input_shape

if TYPE_CHECKING:
    from torch import nn

INPUT, OUTPUT = "in0", "out0"
"""What pnnx calls the blobs of the image and of the answer."""
TIMEOUT_S: Final = 600.0
LOST: Final = re.compile(r"^((?:aten|prim|pnnx|nn|F|torch|Tensor|torchvision|custom)[.:]\S*)", re.MULTILINE)
"""How the lines of layers begin that pnnx could not put into words of ncnn."""
GET: Final = "pip install 'portrait-curate[mobile]'"
INSTEAD: Final = "export it with --to onnx or --to openvino, or choose another network"


def ncnn_files(network: nn.Module | None, *, data: bytes, card: ModelCard) -> tuple[bytes, bytes]:
    """Return a network in evaluation mode, or where there is none its checked ONNX, as ncnn's two files, in float32.

    Raises EnvironmentProblem without pnnx, InputRefused naming the layers that ncnn lacks.
    """
    with tempfile.TemporaryDirectory(prefix="curate-export-") as folder:
        if network is None:
            source = Path(folder) / "model.onnx"
            write_bytes(source, data)
        else:
            source = Path(folder) / "model.pt"
            _trace(network, card=card, file=source)
        _convert(source, card=card)
        graph, numbers = Path(folder) / "model.ncnn.param", Path(folder) / "model.ncnn.bin"
        if not (graph.exists() and numbers.exists()):
            raise InputRefused("pnnx wrote no files for ncnn", remedy=INSTEAD)
        text = graph.read_bytes()
        if lost := sorted(set(LOST.findall(text.decode("utf-8", "replace")))):
            raise InputRefused(f"ncnn has no layer for {', '.join(lost)}", remedy=INSTEAD)
        return text, numbers.read_bytes()


class Ncnn:
    """Ncnn on the CPU, in float32."""

    batch = 1

    def __init__(self, net: Any, *, ncnn: Any, layout: str) -> None:
        self._net = net
        self._ncnn = ncnn
        self._layout = layout

    def run(self, inputs: NDArray[Any], places: Places | None = None) -> NDArray[Any]:
        """Return the output (1, channels, h, w) float32 for one prepared image."""
        assert places is None, "no network that takes places is written for ncnn"
        image = inputs[0] if self._layout == "NCHW" else inputs[0].transpose(2, 0, 1)
        extractor = self._net.create_extractor()
        given = np.ascontiguousarray(image, np.float32)  # kept until the answer is there: ncnn does not copy it
        extractor.input(INPUT, self._ncnn.Mat(given))
        code, found = extractor.extract(OUTPUT)
        if code != 0:
            raise RuntimeError(f"ncnn gives no answer (code {code})")
        return np.array(found)[None]


def open_ncnn(graph: bytes, numbers: bytes, *, card: ModelCard, threads: int) -> Ncnn:
    """Return ncnn with a model of two files. Raises EnvironmentProblem without ncnn, RuntimeError when it cannot."""
    try:
        import ncnn  # type: ignore[import-untyped]
    except ImportError as error:
        raise EnvironmentProblem("ncnn is not installed", remedy=GET) from error
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_vulkan_compute = False
    for name in ("fp16_packed", "fp16_storage", "fp16_arithmetic", "bf16_storage", "int8_inference"):
        setattr(net.opt, f"use_{name}", False)
    with tempfile.TemporaryDirectory(prefix="curate-ncnn-") as folder:
        for name, part in (("graph", graph), ("numbers", numbers)):
            write_bytes(Path(folder) / name, part)
        if net.load_param(f"{folder}/graph") != 0 or net.load_model(f"{folder}/numbers") != 0:
            raise RuntimeError("ncnn does not read the model: a layer or weights are missing")
    return Ncnn(net, ncnn=ncnn, layout=card.layout)


def has_ncnn() -> bool:
    """Tell whether ncnn can be imported here."""
    try:
        import ncnn
    except ImportError:
        return False
    return bool(ncnn.__version__)


def _trace(network: nn.Module, *, card: ModelCard, file: Path) -> None:
    import torch

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")  # sizes are taken for fixed, as they are
        traced: Any = torch.jit.trace(network.eval(), torch.zeros(input_shape(card)))  # type: ignore[no-untyped-call]
        traced.save(str(file))


def _convert(source: Path, *, card: ModelCard) -> None:
    try:
        import pnnx  # type: ignore[import-untyped]
    except ImportError as error:
        raise EnvironmentProblem("pnnx, which writes models for ncnn, is not installed", remedy=GET) from error
    shape = ",".join(map(str, input_shape(card)))
    command = [pnnx.EXEC_PATH, source.name, f"inputshape=[{shape}]", "fp16=0"]
    try:
        done = subprocess.run(command, cwd=source.parent, capture_output=True, timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentProblem(f"pnnx does not run: {error}", remedy=GET) from error
    if done.returncode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or [f"it ended with {done.returncode}"]
        raise InputRefused(f"pnnx cannot write it: {said[0][:300]}", remedy=INSTEAD)
