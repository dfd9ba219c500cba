"""Which engine runs a model: the fastest that is installed, opens it, and answers the probe as it should."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from curation.errors import EnvironmentProblem, InputRefused, SecurityRefused
from models.openvino_door import INSTALL
from models.prediction import engines
from models.prediction.checks.probe import probe_image, probe_numbers, refuse_other_answer
from models.prediction.engines import EngineName
from models.prediction.outputs import Scores, is_sound, probabilities
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel

ENGINES_AGREE: Final = 1e-3
"""Largest difference of a probability between OpenVINO and ONNX Runtime on the probe, in float32."""
BFLOAT16_MEAN_OFF: Final = 0.05
"""Mean difference of a probability on the probe above which bfloat16 is no approximation of the network any more; for
the trained networks at hand it is below 0.01."""


def choose_engine(model: ReadyModel, *, options: EngineOptions) -> ReadyModel:
    """Return the model on OpenVINO where that agrees with ONNX Runtime or stands alone, else on ONNX Runtime.

    With precision "fast", OpenVINO computes in bfloat16 where the processor does and the answer is near enough.
    Raises InputRefused when no runtime opens the model, or the answer is not finite, no probability, or not what the
    card remembers; SecurityRefused when it asks for too much memory; EnvironmentProblem without any runtime.
    """
    threads = max(1, options.workers)
    answers, failures = _answers(model, threads=threads)
    if not answers:
        raise _not_opened(model, failures)
    for answer in answers.values():
        _refuse_no_probability(answer, model=model)
    best, notes = _fastest(answers, model=model)
    _refuse_unsound(answers[best], model=model)
    refuse_other_answer(probe_numbers(answers[best], card=model.card), card=model.card, where=model.file)
    chosen = replace(model, engine=best, notes=(*model.notes, *failures, *notes))
    if options.precision == "fast" and best == "openvino":
        return _with_bfloat16(chosen, wanted=answers[best], threads=threads)
    return chosen


def _answers(model: ReadyModel, *, threads: int) -> tuple[dict[EngineName, Scores], list[str]]:
    """Return what each engine says of the probe, and why others say nothing."""
    on_cpu = model.device == "cpu"
    installed: dict[EngineName, bool] = {
        "onnxruntime": model.constants is None and engines.has_onnxruntime(on_cuda=not on_cpu),
        "openvino": on_cpu and engines.has_openvino(),
    }
    answers: dict[EngineName, Scores] = {}
    failures = []
    for name in (name for name, is_installed in installed.items() if is_installed):
        try:
            answers[name] = replace(model, engine=name).answer(probe_image(), threads=threads)
        except InputRefused as error:
            error.where = error.where or str(model.file)
            raise
        except Exception as error:  # noqa: BLE001 - runtimes raise whatever they like of a graph that they cannot run
            failures.append(f"{name} cannot run it: {' '.join(str(error).split())[:300]}")
            _refuse_greed(error, model=model)
    return answers, failures


def _fastest(answers: dict[EngineName, Scores], *, model: ReadyModel) -> tuple[EngineName, list[str]]:
    if "openvino" not in answers:
        return "onnxruntime", []
    if "onnxruntime" in answers:
        ours, theirs = (_as_probability(answers[name], model) for name in ("openvino", "onnxruntime"))
        off = float(np.abs(ours - theirs).max())
        if not off <= ENGINES_AGREE and is_sound(answers["onnxruntime"]):
            return "onnxruntime", [f"openvino differs from onnxruntime by {off:.2g} on the probe"]
    return "openvino", []


def _with_bfloat16(model: ReadyModel, *, wanted: Scores, threads: int) -> ReadyModel:
    if not engines.has_fast_bfloat16():
        return replace(model, notes=(*model.notes, "this processor does not compute with bfloat16"))
    fast = replace(model, with_bfloat16=True)
    found = fast.answer(probe_image(), threads=threads)
    off = float(np.abs(_as_probability(found, model) - _as_probability(wanted, model)).mean())
    if not off <= BFLOAT16_MEAN_OFF:
        return replace(model, notes=(*model.notes, f"bfloat16 differs by {off:.2g} on the probe"))
    return fast


def _as_probability(score: Scores, model: ReadyModel) -> Scores:
    return probabilities(score, card=model.card) if is_sound(score) else np.full_like(score, np.nan)


def _refuse_unsound(score: Scores, *, model: ReadyModel) -> None:
    if not is_sound(score):
        raise InputRefused(
            "the model gives numbers that are not finite, already for a plain picture",
            where=model.file,
            remedy="train it again with a lower learning rate, or check mean and std in its card",
        )


def _refuse_no_probability(score: Scores, *, model: ReadyModel) -> None:
    if is_sound(score):
        try:
            probabilities(score, card=model.card)
        except InputRefused as error:
            raise InputRefused(error.reason, where=model.file, remedy=error.remedy) from error


def _refuse_greed(error: Exception, *, model: ReadyModel) -> None:
    """Raise SecurityRefused when a runtime ran out of memory, even where another leaves out what asks for it."""
    if engines.is_out_of_memory(error):
        raise SecurityRefused(
            f"this model asks for more memory than a model needs: {' '.join(str(error).split())[-200:]}",
            where=model.file,
            remedy="export it again, at a smaller input size",
        ) from error


def _not_opened(model: ReadyModel, failures: list[str]) -> EnvironmentProblem | InputRefused:
    if not failures:
        return EnvironmentProblem("neither OpenVINO nor ONNX Runtime is installed", remedy=INSTALL)
    remedy = "export it again with `torch.onnx.export`, opset 11 to 18"
    return InputRefused("; ".join(failures), where=model.file, remedy=remedy)
