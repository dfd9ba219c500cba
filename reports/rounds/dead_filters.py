"""What a report says of filters that died in a training, with the optimizer beside them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from curation.quarantine import BadRecord
from curation.storage.files import read_file
from models.training.run_folder import METRICS
from reports.rounds.read_evaluation import MAX_BYTES


def dead_filters_told(run: Path | None) -> dict[str, Any] | None:
    """Return a line, and a row (layer, dead, all) for each layer in which something died.

    None where nothing was counted: trainings from before have no such numbers.
    """
    try:
        metrics: Any = {} if run is None else json.loads(read_file(run / METRICS, max_bytes=MAX_BYTES))
        dead = metrics["dead"]
        layers = [
            (name, layer["dead"], layer["all"])
            for kind in ("filters_of_layers", "scales_of_layers")
            for name, layer in dead[kind].items()
            if layer["dead"]
        ]
        line = (
            f"Dead after training with {metrics['optimizer']}: {dead['dead_filters']:,} of {dead['filters']:,} filters"
            f", {dead['dead_scales']:,} of {dead['scales']:,} scales of batch norms (under a thousandth of their "
            "layer's median)."
        )
    except (BadRecord, ValueError, KeyError, TypeError):
        return None
    return {"line": line, "layers": layers}
