"""A network in int8, by NNCF; the only file that imports it.

Measured on SINet, 50 portraits: its preset `MIXED`, whose activations may be signed, moves mIoU by 0.002 to 0.006 and
`PERFORMANCE` by -0.014. ONNX Runtime's own quantiser writes scales of batch norms that OpenVINO does not read.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence
from typing import Any, Final

import onnx
from numpy.typing import NDArray

from curation.errors import EnvironmentProblem, InputRefused
from models.card import ModelCard
from models.export.runtimes.openvino_files import openvino_files
from models.openvino_door import openvino_package

LEAST_OPSET: Final = 13
"""Of ONNX: from here on a scale may be of each channel."""
NOT_IN_ONNX: Final = ("AveragePool", "GlobalAveragePool")
"""What ONNX Runtime computes in int8 only with one scale for all channels, which NNCF does not write."""
GET: Final = "pip install 'portrait-curate[mobile]'"
RUNTIMES: Final = "pip install 'portrait-curate[models]'"


def quantised_onnx(data: bytes, *, card: ModelCard, images: Sequence[NDArray[Any]]) -> bytes:
    """Return a checked ONNX model in int8, calibrated on prepared images, each (1, 3, h, w) or (1, h, w, 3).

    Raises EnvironmentProblem without NNCF, InputRefused when it cannot do it.
    """
    model = onnx.load_model_from_string(data)
    if next(one.version for one in model.opset_import if not one.domain) < LEAST_OPSET:
        model = onnx.version_converter.convert_version(model, LEAST_OPSET)
    name = model.graph.input[0].name
    present = {node.op_type for node in model.graph.node}
    ignored = [kind for kind in NOT_IN_ONNX if kind in present]
    found = _quantised(model, samples=[{name: image} for image in images], ignored=ignored)
    written: bytes = found.SerializeToString(deterministic=True)
    return written


def quantised_openvino(data: bytes, *, card: ModelCard, images: Sequence[NDArray[Any]]) -> tuple[bytes, bytes]:
    """Return a checked ONNX model in int8 as OpenVINO's two files; as `quantised_onnx`."""
    return openvino_files(data, card=card, change=lambda model: _quantised(model, samples=list(images), ignored=[]))


def _quantised(model: Any, *, samples: list[Any], ignored: list[str]) -> Any:
    openvino_package()  # before NNCF, so that neither sends events
    try:
        import nncf  # type: ignore[import-untyped]
    except ImportError as error:
        raise EnvironmentProblem("NNCF, which writes int8, is not installed", remedy=GET) from error
    nncf.set_log_level(logging.ERROR)
    scope = nncf.IgnoredScope(types=ignored) if ignored else None
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            return nncf.quantize(
                model,
                nncf.Dataset(samples),
                preset=nncf.QuantizationPreset.MIXED,
                subset_size=len(samples),
                ignored_scope=scope,
            )
    except ImportError as error:
        reason = f"NNCF calibrates in a runtime that is not installed: {error}"
        raise EnvironmentProblem(reason, remedy=RUNTIMES) from error
    except (RuntimeError, ValueError, nncf.InternalError, nncf.UnsupportedModelError) as error:
        raise InputRefused(
            f"NNCF does not write it in int8: {' '.join(str(error).split())[:300]}",
            remedy="export it without --int8",
        ) from error
