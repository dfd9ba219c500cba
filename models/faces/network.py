"""A small network with several outputs, on OpenVINO and one thread, so that the same image gives the same numbers."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from models import openvino_door

SETTINGS: Final = {
    "INFERENCE_PRECISION_HINT": "f32",
    "INFERENCE_NUM_THREADS": 1,
    "NUM_STREAMS": 1,
    "ENABLE_CPU_PINNING": False,
}
"""A face takes some milliseconds; more threads would only change the order of sums."""


class Network:
    """A graph of OpenVINO with one input of a known shape and named outputs."""

    def __init__(self, graph: Any) -> None:
        self._request = openvino_door.openvino_core().compile_model(graph, "CPU", SETTINGS).create_infer_request()
        self._names = [sorted(output.get_names())[0] for output in graph.outputs]

    def run(self, values: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return the outputs by name, of whatever shapes the network has, for one prepared input."""
        found = self._request.infer([values])
        return {name: np.array(found[index], np.float32) for index, name in enumerate(self._names)}
