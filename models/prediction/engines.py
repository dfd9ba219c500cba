"""The runtimes that compute a network: torch, ONNX Runtime, OpenVINO. The only file that imports the second.

An engine takes (n, 3, h, w) or (n, h, w, 3) of the type of its card, n at most its `batch`, and gives the model's
first output as it is. Of a network that takes the place of a face (see `Structure`) it takes places (n, 2, 3) float32
too; zeros, and none at all, stand for no face. Threads that wait do so without spinning: engines stand beside others,
and beside processes that decode.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from models.card import ModelCard
from models.openvino_door import openvino_core, openvino_package
from models.prediction.checks.ports import PLACE
from models.prediction.output_axes import WrongShape

if TYPE_CHECKING:
    from torch import nn

Places: TypeAlias = NDArray[np.float32]
"""(n, 2, 3) float32: the place of the face in each image, see `models.faces.places`."""
EngineName: TypeAlias = Literal["openvino", "onnxruntime", "torch"]
NATIVE_BFLOAT16: Final = frozenset({"avx512_bf16", "amx_bf16", "bf16"})
"""What processors are called that compute with bfloat16; on others it is slower than float32."""
CUDA_BATCH: Final = 8
"""Images at once: keeps a GPU busy at small input sizes, and fits into a few GB at large ones."""
MEMORY_WORDS: Final = ("bad_alloc", "bad alloc", "allocat", "memory", "length_error")
SILENT: Final = 4
"""ONNX Runtime's highest level: what it would print on stderr it also raises, or it is about the graph."""


class Engine(Protocol):
    """A network that is ready to compute."""

    batch: int

    def run(self, inputs: NDArray[Any], places: Places | None = None) -> NDArray[Any]:
        """Return the first output of the network, of any dtype, for prepared images (n, 3, h, w) or (n, h, w, 3)."""


class Padded:
    """An engine with a fixed batch size: a batch that is too small is filled with copies of its last image."""

    def __init__(self, engine: Engine, *, batch: int) -> None:
        self._engine = engine
        self.batch = batch

    def run(self, inputs: NDArray[Any], places: Places | None = None) -> NDArray[Any]:
        """Return the first output, of any dtype, for at most `batch` prepared images (n, 3, h, w) or (n, h, w, 3)."""
        assert places is None, "networks that take places take any number of images"
        if len(inputs) == self.batch:
            return self._engine.run(inputs)
        lacking = np.repeat(inputs[-1:], self.batch - len(inputs), axis=0)
        found = self._engine.run(np.concatenate([inputs, lacking]))
        if found.shape[:1] != (self.batch,):
            raise WrongShape(
                f"the model takes {self.batch} images at once and gives an output of shape {found.shape}, which is not "
                "one plane for each of them",
                remedy="export the model again with a batch of one image",
            )
        return found[: len(inputs)]


class OpenVino:
    """OpenVINO on the CPU."""

    batch = 1  # more at once is no faster on a CPU

    def __init__(self, request: Any, *, takes_place: bool) -> None:
        self._request = request
        self._takes_place = takes_place

    def run(self, inputs: NDArray[Any], places: Places | None = None) -> NDArray[Any]:
        """Return the first output, of any dtype, for one prepared image (1, 3, h, w) or (1, h, w, 3)."""
        given = [inputs, _places(places, inputs=inputs)] if self._takes_place else [inputs]
        found: NDArray[Any] = self._request.infer(given, share_inputs=True)[0]
        return found


class OnnxRuntime:
    """ONNX Runtime on the CPU, or on a GPU where its build has one."""

    batch = 1

    def __init__(self, session: Any) -> None:
        self._session = session
        self._inputs = [port.name for port in session.get_inputs()]
        self._output = session.get_outputs()[0].name

    def run(self, inputs: NDArray[Any], places: Places | None = None) -> NDArray[Any]:
        """Return the first output, of any dtype, for one prepared image (1, 3, h, w) or (1, h, w, 3)."""
        given = [inputs, _places(places, inputs=inputs)][: len(self._inputs)]
        found: NDArray[Any] = self._session.run([self._output], dict(zip(self._inputs, given, strict=True)))[0]
        return found


class Torch:
    """Torch, for run folders: on a GPU, or where no other runtime is installed."""

    def __init__(self, network: nn.Module, *, device: str = "cpu", with_bfloat16: bool = False) -> None:
        import torch

        self._torch = torch
        self._device = torch.device(device)
        self._with_bfloat16 = with_bfloat16
        self._network = network.to(self._device)
        self.batch = CUDA_BATCH if self._device.type == "cuda" else 1

    def run(self, inputs: NDArray[np.float32], places: Places | None = None) -> NDArray[Any]:
        """Return the logits (n, classes, h, w) float32 of prepared images (n, 3, h, w)."""
        torch = self._torch
        # TensorFloat-32 rounds to 10 bits, and images near a threshold would change sides
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(allow_tf32=False),
            torch.autocast(self._device.type, dtype=torch.bfloat16, enabled=self._with_bfloat16),
        ):
            given = [inputs] if places is None else [inputs, places]
            logits = self._network(*(torch.from_numpy(one).to(self._device) for one in given))
            found: NDArray[Any] = logits.float().cpu().numpy()
        return found


def open_openvino(
    data: bytes, *, card: ModelCard, threads: int, with_bfloat16: bool = False, constants: bytes | None = None
) -> Engine:
    """Return OpenVINO with an ONNX model, or with its own graph and `constants`, on the CPU.

    Raises RuntimeError when it cannot run it.
    """
    core = openvino_core()
    model = core.read_model(data) if constants is None else core.read_model(data, constants)
    return open_graph(model, card=card, threads=threads, with_bfloat16=with_bfloat16)


def open_graph(model: Any, *, card: ModelCard, threads: int, with_bfloat16: bool = False) -> Engine:
    """Return OpenVINO with a graph of its own, on the CPU. Raises RuntimeError when it cannot run it."""
    reshape_graph(model, card=card)
    settings = {
        "INFERENCE_PRECISION_HINT": "bf16" if with_bfloat16 else "f32",
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "ENABLE_CPU_PINNING": False,  # pinned, processes beside each other would share the first core
    }
    compiled = openvino_core().compile_model(model, "CPU", settings)
    return _padded(OpenVino(compiled.create_infer_request(), takes_place=card.structure.takes_place), card=card)


def reshape_graph(model: Any, *, card: ModelCard) -> None:
    """Fix the inputs of a graph of OpenVINO to what the network takes at once."""
    shapes = [input_shape(card), (card.batch or 1, *PLACE)] if card.structure.takes_place else [input_shape(card)]
    model.reshape({port: list(shape) for port, shape in zip(model.inputs, shapes)})


def open_onnxruntime(data: bytes, *, card: ModelCard, threads: int, device: str = "cpu") -> Engine:
    """Return ONNX Runtime with an ONNX model, on `cpu` or `cuda:N`. Raises exceptions of its own."""
    import onnxruntime  # type: ignore[import-untyped]

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = SILENT
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    number = int(device.partition(":")[2] or 0)
    on_gpu = [("CUDAExecutionProvider", {"device_id": number})] if device != "cpu" else []
    session = onnxruntime.InferenceSession(data, options, providers=[*on_gpu, "CPUExecutionProvider"])
    return _padded(OnnxRuntime(session), card=card)


def open_torch(network: nn.Module, *, threads: int, device: str, with_bfloat16: bool) -> Torch:
    """Return torch with a network in evaluation mode, on `cpu` or `cuda:N`."""
    import torch

    if device == "cpu":
        torch.set_num_threads(threads)
    return Torch(network, device=device, with_bfloat16=with_bfloat16)


def input_shape(card: ModelCard) -> tuple[int, int, int, int]:
    """Return the shape of what the network takes: one prepared image, or as many as its card says."""
    (height, width), batch = card.input_size, card.batch or 1
    return (batch, 3, height, width) if card.layout == "NCHW" else (batch, height, width, 3)


def _places(places: Places | None, *, inputs: NDArray[Any]) -> Places:
    """Return places for prepared images: those that are given, else zeros."""
    return np.zeros((len(inputs), *PLACE), np.float32) if places is None else places


def _padded(engine: Engine, *, card: ModelCard) -> Engine:
    return engine if card.batch in {None, 1} else Padded(engine, batch=card.batch or 1)


def has_openvino() -> bool:
    """Tell whether OpenVINO can be imported here."""
    return _is_importable("openvino")


def has_onnxruntime(*, on_cuda: bool = False) -> bool:
    """Tell whether ONNX Runtime can be imported here, with a GPU where that is asked."""
    if not _is_importable("onnxruntime"):
        return False
    import onnxruntime

    return not on_cuda or "CUDAExecutionProvider" in onnxruntime.get_available_providers()


def has_cuda() -> bool:
    """Tell whether torch finds a GPU."""
    import torch

    return torch.cuda.is_available()


def has_fast_bfloat16() -> bool:
    """Tell whether OpenVINO is here and the processor computes with bfloat16."""
    return has_openvino() and bool(NATIVE_BFLOAT16 & _processor_flags())


def is_out_of_memory(error: Exception) -> bool:
    """Tell whether a runtime ran out of memory, which each says in its own words."""
    return isinstance(error, MemoryError) or any(word in str(error).lower() for word in MEMORY_WORDS)


def _processor_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return set()
    return {flag for line in lines if line.lower().startswith(("flags", "features")) for flag in line.split()}


def _is_importable(package: str) -> bool:
    try:
        openvino_package() if package == "openvino" else __import__(package)
    except ImportError:
        return False
    return True
