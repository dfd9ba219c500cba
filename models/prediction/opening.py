"""A model by its path, ready to predict in this process."""

from __future__ import annotations

from pathlib import Path

from models.prediction.preparing import prepare
from models.prediction.protocol import EngineOptions, Predictor

__all__ = ["EngineOptions", "open_predictor"]


def open_predictor(model: Path, *, options: EngineOptions) -> Predictor:
    """Give the model in a run folder or an ONNX file with its card beside it, ready to predict in this process.

    It is checked in a process of its own first. Raises SecurityRefused: a format that can carry code, or an ONNX file
    that is unsafe; InputRefused: no model, damaged, not as its card says, no finite answer; ConfigurationProblem: the
    device; EnvironmentProblem: no runtime, or no memory.
    """
    ready = prepare(model, options=options)
    threads = max(1, options.workers)
    return ready.predictor(threads=threads, with_flips=options.with_flips, with_scales=options.with_scales)
