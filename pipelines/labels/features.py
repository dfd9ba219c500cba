"""What a model makes of the samples that may be chosen, for selections that cover them all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeAlias

from curation.errors import CurateError, InputRefused, Interrupted
from labeling.findings import Findings
from labeling.selection.next_samples import Row, predicted_features
from labeling.selection.select import Features
from models.evaluation.choose_sets import Model, identify
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar

Place: TypeAlias = Callable[[Row], tuple[Path, str]]
"""Gives where the image of a row lies: a folder, and a name in it."""


def features_below(
    folder: Path, *, findings: Findings, run: RunOptions, warn: Callable[[str], None]
) -> Callable[[Sequence[Row]], Features]:
    """Return what gives the features of rows of the dataset in a folder, as `own_features` does."""
    return partial(own_features, place=lambda row: (folder, str(row["image"])), findings=findings, run=run, warn=warn)


def own_features(
    rows: Sequence[Row], *, place: Place, findings: Findings, run: RunOptions, warn: Callable[[str], None]
) -> Features:
    """Return features of rows by the model of the findings, which sees their images once more.

    Where that model is gone or changed, or shows no features, its stored predictions are used; `warn` is called with
    the reason.
    """
    # here, since only selections that ask for features need what models are opened with
    from models.prediction.features import image_features
    from models.prediction.prepare import prepare

    try:
        model = _unchanged(findings)
        ready = prepare(Path(model.path), options=replace(run.predicting, device="cpu"))
        with progress_bar(f"features, {model.name}", total=len(rows), run=run) as show:
            images = [place(row) for row in rows]
            return image_features(ready, images=images, threads=max(1, run.workers), progress=show)
    except Interrupted:
        raise
    except CurateError as problem:
        warn(f"predictions replace the features of the model for comparing samples: {problem.cause}")
        return predicted_features(rows, findings=findings)


def _unchanged(findings: Findings) -> Model:
    known = findings.source
    if known is None:
        raise InputRefused("which model that was is not known", where=findings.folder)
    model = identify(Path(known.path))
    if (model.sha256, model.card_sha256) != (known.sha256, known.card_sha256):
        raise InputRefused("this model or its card is not what it was when it made the predictions", where=known.path)
    return model
