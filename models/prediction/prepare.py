"""A model made ready to run: checked in a process of its own, where a fitting engine is chosen.

Nothing of a foreign file is parsed or run in the process of the user: a child does it, with limits of memory and time.
What comes back is a refusal, or a model that has answered the probe.
"""

from __future__ import annotations

import resource
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curation.building.engine import Job, Lost
from curation.building.local_engine import LOCAL
from curation.errors import ConfigurationProblem, CurateError, EnvironmentProblem, SecurityRefused
from curation.storage.files import sha256_of
from models.card import ModelCard, read_card
from models.faces.packaged import packaged_faces
from models.model_files import FoundModel, read_model_file, refuse_other_hash
from models.prediction import engines
from models.prediction.checks.real_pictures import Sample, few, refuse_misread
from models.prediction.choose_engine import choose_engine
from models.prediction.find_model import find_model
from models.prediction.foreign.convert import AGAIN
from models.prediction.foreign.ready_foreign import ready_foreign
from models.prediction.onnx_files.cache import keep_onnx, kept_onnx
from models.prediction.onnx_files.graph_card import agreed, refuse_other_graph
from models.prediction.onnx_files.safety import REEXPORT, checked_onnx
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel

if TYPE_CHECKING:
    from torch import nn

OPENING_TIMEOUT_S: Final = 600.0
"""A large network on a busy machine takes a minute; what takes ten never ends."""
OPENING_MEMORY_BYTES: Final = 6 << 30
BYTES_PER_MODEL_BYTE: Final = 8
"""Read, parsed, written again, and held twice by each of two runtimes."""
MORE_ROOM: Final = "free some memory, or train at a smaller --input-size; then run the same command again"


def prepare(model: Path, *, options: EngineOptions, samples: Sequence[Sample] = ()) -> ReadyModel:
    """Return the model that a path names, checked, with its engine chosen.

    What a foreign model says of a few of the `samples` has to fit its card, see `real_pictures`.
    Raises SecurityRefused: a format that can carry code, or a foreign model that is unsafe, or exhausts memory or time;
    InputRefused: no model, damaged, not as its card says, no finite answer; ConfigurationProblem: the device;
    EnvironmentProblem: nothing finds the faces whose places the model takes.
    """
    found = find_model(model)
    card = read_card(found.card)
    if card.structure.takes_place:
        packaged_faces(tell=lambda _: None)  # installed here, lest each process does it
    needs_gpu = found.is_run and _may_use_gpu(options)  # CUDA reserves more addresses than any limit allows
    limit = OPENING_MEMORY_BYTES + BYTES_PER_MODEL_BYTE * sum(file.stat().st_size for file in found.files)
    job = Job(
        open=partial(_checking, card=card, options=options, samples=few(samples)),
        workers=1,
        first_s=OPENING_TIMEOUT_S,
        memory_bytes=resource.RLIM_INFINITY if needs_gpu else limit,
        tries=1,
    )
    [(_, outcome)] = LOCAL.run(job, [found])
    if isinstance(outcome, Lost):
        raise _unsafe(found, outcome.reason)
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def _checking(
    _: int, *, card: ModelCard, options: EngineOptions, samples: Sequence[Sample]
) -> Callable[[Sequence[FoundModel]], Iterator[ReadyModel | CurateError]]:
    return partial(map, partial(checked_model, card=card, options=options, samples=samples))


def checked_model(
    found: FoundModel, card: ModelCard, options: EngineOptions, *, samples: Sequence[Sample] = ()
) -> ReadyModel | CurateError:
    """Check a model and choose its engine, in a process of its own; what stops the command comes back as a value."""
    try:
        if found.is_run:
            return _from_run_folder(found, card=card, options=options)
        ready = _from_onnx if found.is_onnx else ready_foreign
        return refuse_misread(
            ready(found, card=card, options=options), samples=samples, threads=max(1, options.workers)
        )
    except CurateError as error:
        return error
    except MemoryError:
        return _unsafe(found, "it asks for more memory than a model needs")


def _from_onnx(found: FoundModel, *, card: ModelCard, options: EngineOptions) -> ReadyModel:
    data = read_model_file(found.weights)
    refuse_other_hash(data, card=card, file=found.weights)
    sha256 = sha256_of(data)
    data, card = agreed(checked_onnx(data, file=found.weights), card=card, file=found.weights)
    device = "cpu" if options.device == "auto" else options.device
    if device != "cpu" and not engines.has_onnxruntime(on_cuda=True):
        raise ConfigurationProblem(
            f"--device {device}: an ONNX file runs on a GPU only with ONNX Runtime's build for it",
            where=found.weights,
            remedy="leave out --device, or give the run folder that the file was exported from",
        )
    model = ReadyModel(
        name=found.name,
        file=found.weights,
        sha256=sha256,
        card=card,
        data=data,
        engine="onnxruntime",
        device=device,
    )
    return choose_engine(model, options=options)


def _from_run_folder(found: FoundModel, *, card: ModelCard, options: EngineOptions) -> ReadyModel:
    kept = None if _may_use_gpu(options) else _kept(found, card=card, options=options)
    if kept is not None:
        return kept
    from models.prediction.weights import load_network

    network, card = load_network(found.weights.parent)
    has_cuda = options.device != "cpu" and engines.has_cuda()
    if options.device not in {"auto", "cpu"} and not has_cuda:
        raise ConfigurationProblem(f"--device {options.device}: torch finds no GPU", remedy="leave out --device")
    if has_cuda:
        device = "cuda" if options.device == "auto" else options.device
        return replace(_on_torch(found, card=card), device=device, with_bfloat16=options.precision == "fast")
    return _as_onnx(_on_torch(found, card=card), network=network, options=options)


def _as_onnx(on_torch: ReadyModel, *, network: nn.Module, options: EngineOptions) -> ReadyModel:
    """Return the network of a run folder on a runtime that is faster than torch, where one answers as torch does."""
    from models.prediction.onnx_files.to_onnx import onnx_of

    try:
        data = checked_onnx(onnx_of(network, card=on_torch.card), file=on_torch.file)
        chosen = choose_engine(replace(on_torch, data=data), options=options)
    except CurateError as error:
        return replace(on_torch, notes=(f"torch runs it, which is slower: {error.reason}",))
    keep_onnx(on_torch.file.parent, data, card=on_torch.card)
    return chosen


def _kept(found: FoundModel, *, card: ModelCard, options: EngineOptions) -> ReadyModel | None:
    """Return the network of a run folder as it was exported before, when its weights are still those of its card."""
    data = kept_onnx(found.weights.parent, card=card)
    if data is None or card.sha256 is None or not card.probe:
        return None
    refuse_other_hash(read_model_file(found.weights), card=card, file=found.weights)
    try:
        checked = checked_onnx(data, file=found.weights)
        refuse_other_graph(checked, card=card, file=found.weights)
        return choose_engine(replace(_on_torch(found, card=card), data=checked), options=options)
    except CurateError:
        return None  # whatever is wrong is found in the network itself, or made again


def _on_torch(found: FoundModel, *, card: ModelCard) -> ReadyModel:
    return ReadyModel(
        name=found.name, file=found.weights, sha256=card.sha256 or "", card=card, data=b"", engine="torch"
    )


def _may_use_gpu(options: EngineOptions) -> bool:
    """Tell whether torch has to be asked for a GPU: importing it takes seconds, and without a driver there is none."""
    if options.device == "auto":
        return any(Path(driver).exists() for driver in ("/dev/nvidiactl", "/dev/dxg"))
    return options.device != "cpu"


def _unsafe(found: FoundModel, reason: str) -> CurateError:
    if not found.is_run:
        remedy = REEXPORT if found.is_onnx else AGAIN
        return SecurityRefused(f"this model is not safe to open: {reason}", where=found.path, remedy=remedy)
    return EnvironmentProblem(f"the model cannot be opened: {reason}", where=found.weights, remedy=MORE_ROOM)
