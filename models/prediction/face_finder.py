"""What finds faces: MediaPipe's networks, or an ONNX file with its card beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from curation.building.engine import Job, Lost
from curation.building.local_engine import LOCAL
from curation.errors import CurateError, EnvironmentProblem, InputRefused, SecurityRefused
from curation.storage.files import sha256_of
from models import openvino_door
from models.faces.card import FaceCard, read_face_card
from models.faces.centerface import CenterFace
from models.faces.network import Network
from models.faces.packaged import packaged_faces
from models.faces.protocol import FaceFinder
from models.model_files import read_model_file
from models.openvino_door import INSTALL
from models.prediction import engines
from models.prediction.onnx_files.safety import REEXPORT, checked_onnx
from models.prediction.prepare import OPENING_MEMORY_BYTES, OPENING_TIMEOUT_S

ENDING: Final = ".onnx"


def face_finder(model: Path | None, *, tell: Callable[[str], None]) -> FaceFinder:
    """Return what finds faces: the ONNX file that is given, or MediaPipe's networks, which are installed where they are
    not yet; `tell` is called with what takes long.

    Raises EnvironmentProblem: no OpenVINO, or it cannot be installed; InputRefused: no model of faces, or not as its
    card says; SecurityRefused: an ONNX file that is unsafe.
    """
    if model is None:
        return packaged_faces(tell=tell)
    if model.suffix != ENDING:
        raise InputRefused("not an ONNX file", where=model, remedy="give --faces a file that ends in .onnx")
    if not engines.has_openvino():
        raise EnvironmentProblem("OpenVINO is not installed, which runs models of faces", remedy=INSTALL)
    card = read_face_card(model.with_suffix(".yaml"))
    data = _checked(model, card=card)
    sha256 = sha256_of(data + repr(card).encode())
    return CenterFace(_network(data, card=card), card=card, name=card.name or model.stem, sha256=sha256)


def _checked(model: Path, *, card: FaceCard) -> bytes:
    """Return an ONNX file, checked and opened once in a process of its own."""
    job = Job(
        open=partial(_checking, card=card),
        workers=1,
        first_s=OPENING_TIMEOUT_S,
        memory_bytes=OPENING_MEMORY_BYTES,
        tries=1,
    )
    [(_, outcome)] = LOCAL.run(job, [model])
    if isinstance(outcome, Lost):
        raise SecurityRefused(f"the model of faces cannot be opened: {outcome.reason}", where=model, remedy=REEXPORT)
    if isinstance(outcome, CurateError):
        raise outcome
    return outcome


def _checking(_: int, *, card: FaceCard) -> Callable[[Sequence[Path]], Iterator[bytes | CurateError]]:
    return partial(map, partial(_safe, card=card))


def _safe(model: Path, *, card: FaceCard) -> bytes | CurateError:
    try:
        data = read_model_file(model)
        if card.sha256 is not None and sha256_of(data) != card.sha256:
            return InputRefused("these are not the weights that the card was written for", where=model)
        data = checked_onnx(data, file=model)
        _network(data, card=card)
        return data
    except CurateError as error:
        return error
    except RuntimeError as error:
        told = " ".join(str(error).split())[-300:]
        return InputRefused(f"OpenVINO cannot run this model of faces: {told}", where=model, remedy=REEXPORT)


def _network(data: bytes, *, card: FaceCard) -> Network:
    """Return the network. Raises InputRefused where it has not the outputs that the card names."""
    graph = openvino_door.openvino_core().read_model(data)
    graph.reshape({graph.inputs[0]: [1, 3, card.side, card.side]})
    has = sorted(name for output in graph.outputs for name in output.get_names())
    lacking = [name for name in (card.heatmap, card.sizes, card.offsets, card.points) if name not in has]
    if lacking:
        reason = f"the card names the output {lacking[0]!r}; the model has {', '.join(has)}"
        raise InputRefused(reason, remedy="correct the names of outputs in the card")
    return Network(graph)
