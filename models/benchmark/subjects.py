"""What is measured: a model in a runtime, on a device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from curation.errors import ConfigurationProblem, InputRefused
from curation.storage.files import read_file
from models.card import ModelCard
from models.export.exported import ExportedFiles, exported_files
from models.export.forms import exported_as
from models.export.runtimes.graph_cost import GraphCost, graph_cost
from models.export.runtimes.ncnn_door import has_ncnn, open_ncnn
from models.model_files import MAX_MODEL_BYTES, WEIGHTS
from models.prediction import engines
from models.prediction.checks.real_pictures import Sample
from models.prediction.engines import Engine
from models.prediction.find_model import find_model
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel

Runtime: TypeAlias = Literal["torch", "onnxruntime", "openvino", "ncnn"]
RUNTIMES: Final[tuple[Runtime, ...]] = ("torch", "onnxruntime", "openvino", "ncnn")
BUFFERS: Final = ("running_mean", "running_var", "num_batches_tracked")
"""What a network keeps that is learnt by no gradient."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Subject:
    """A model in a runtime on a device; `size` is the bytes of its files, `parameters` is None where a file tells none.

    `sha256` is that of its weights, `of` that of the model from which it was exported. Either `ready` or `exported` is
    there.
    """

    name: str
    path: str
    runtime: Runtime
    device: str
    size: int
    parameters: int | None
    sha256: str
    of: str | None
    ready: ReadyModel | None = None
    exported: ExportedFiles | None = None

    @property
    def card(self) -> ModelCard:
        """Return the card that the model is run by."""
        assert self.ready or self.exported, "one of them is there"
        return self.ready.card if self.ready else self.exported.card  # type: ignore[union-attr]

    @property
    def graph(self) -> tuple[bytes, bytes | None] | None:
        """Return the model as ONNX, or as OpenVINO's graph and its numbers; None where there is neither."""
        if self.exported is not None:
            files = self.exported.files
            return (files[".xml"], files[".bin"]) if ".xml" in files else None
        return (self.ready.data, self.ready.constants) if self.ready and self.ready.data else None

    def opened(self, *, threads: int) -> Engine:
        """Return the model in its runtime. Raises exceptions of the runtime."""
        card = self.card
        if self.runtime == "ncnn":
            assert self.exported is not None, "ncnn runs no other"
            return open_ncnn(self.exported.files[".param"], self.exported.files[".bin"], card=card, threads=threads)
        if self.runtime == "torch":
            from models.prediction.weights import load_network

            assert self.ready is not None, "torch runs run folders"
            network, _ = load_network(self.ready.file.parent)
            return engines.open_torch(network, threads=threads, device=self.device, with_bfloat16=False)
        assert self.graph is not None, "the others run graphs"
        data, constants = self.graph
        if self.runtime == "openvino":
            return engines.open_openvino(data, card=card, threads=threads, constants=constants)
        return engines.open_onnxruntime(data, card=card, threads=threads)

    def cost(self) -> GraphCost | None:
        """Return what an image costs; None where there is no graph that tells it."""
        if self.exported is not None and self.exported.record.cost is not None:
            return GraphCost(**self.exported.record.cost)
        if self.graph is None or not engines.has_openvino():
            return None
        data, constants = self.graph
        return graph_cost(data, card=self.card, constants=constants)


def subjects_of(
    path: Path, *, options: EngineOptions, runtimes: Sequence[Runtime], samples: Sequence[Sample] = ()
) -> list[Subject]:
    """Return a model in each runtime that can run it here, or in those of `runtimes`; on a GPU too where torch has one.

    A foreign model is refused where what it says of `samples` does not fit its card.

    Raises what `prepare` and `exported_files` raise, ConfigurationProblem where none of the runtimes can.
    """
    exported = exported_files(path)
    found = _of_model(path, options=options, samples=samples) if exported is None else [_of_export(exported)]
    chosen = [one for one in found if not runtimes or one.runtime in runtimes]
    if not chosen:
        names = ", ".join(dict.fromkeys(one.runtime for one in found)) or "none that is installed"
        raise ConfigurationProblem(
            f"it runs in {names}, not in {', '.join(runtimes)}",
            where=path,
            remedy="leave --runtime out, or export it with `curate export --to ncnn`, or see `curate doctor`",
        )
    return chosen


def _of_export(exported: ExportedFiles) -> Subject:
    runtime: Runtime = "ncnn" if exported.record.form == "ncnn" else "openvino"
    is_here = has_ncnn() if runtime == "ncnn" else engines.has_openvino()
    if not is_here:
        told = f"{runtime}, which runs it, is not installed"
        extra = "mobile" if runtime == "ncnn" else "models"
        raise ConfigurationProblem(told, where=exported.path, remedy=f"pip install 'portrait-curate[{extra}]'")
    return Subject(
        name=exported.name,
        path=str(exported.path),
        runtime=runtime,
        device="cpu",
        size=sum(map(len, exported.files.values())),
        parameters=None,
        sha256=exported.card.sha256 or "",
        of=exported.record.of,
        exported=exported,
    )


def _of_model(path: Path, *, options: EngineOptions, samples: Sequence[Sample]) -> list[Subject]:
    ready = prepare(path, options=replace(options, device="cpu"), samples=samples)
    is_run = ready.file.name == WEIGHTS
    record = None if is_run else exported_as(ready.card)
    whole: dict[str, Any] = {
        "name": ready.name if is_run else ready.file.name,
        "path": str(path),
        "size": sum(file.stat().st_size for file in find_model(path).files),
        "parameters": _parameters(ready.file) if is_run else None,
        "sha256": ready.sha256,
        "of": None if record is None else record.of,
        "ready": ready,
    }
    found = [Subject(runtime="torch", device="cpu", **whole)] if is_run else []
    if ready.data and ready.constants is None and engines.has_onnxruntime():
        found.append(Subject(runtime="onnxruntime", device="cpu", **whole))
    if ready.data and engines.has_openvino():
        found.append(Subject(runtime="openvino", device="cpu", **whole))
    if is_run and options.device != "cpu" and _has_gpu(options.device):
        device = "cuda" if options.device == "auto" else options.device
        found.append(Subject(runtime="torch", device=device, **whole))
    return found


def _has_gpu(device: str) -> bool:
    if device == "auto" and not any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/dxg")):
        return False  # importing torch takes seconds, and without a driver there is none
    if engines.has_cuda():
        return True
    if device == "auto":
        return False
    raise ConfigurationProblem(f"--device {device}: torch finds no GPU", remedy="leave out --device")


def _parameters(file: Path) -> int:
    """Return the number of learnt numbers in the weights of a run folder."""
    from safetensors.numpy import load

    try:
        tensors = load(read_file(file, max_bytes=MAX_MODEL_BYTES))
    except (ValueError, RuntimeError) as error:
        raise InputRefused(f"not a whole safetensors file: {error}", where=file) from error
    return sum(int(tensor.size) for name, tensor in tensors.items() if not name.endswith(BUFFERS))
