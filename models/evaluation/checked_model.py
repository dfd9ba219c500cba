"""A model that predicts files for a whole command: checked, and its engine chosen, once for each precision."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from curation.building.engine import R, T
from curation.building.local_engine import LOCAL
from models.evaluation.choose_sets import Model
from models.evaluation.score_files import Precision
from models.prediction.checks.real_pictures import Sample
from models.prediction.predict_files import FilePrediction, predict_files, predict_then
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel

SCORING_S: Final = 600.0
"""An image that is predicted and scored in one go, its edges drawn and measured, may take this long."""


class CheckedModel:
    """Predicts files with a model; `options` say where, and the caller says in which precision.

    A foreign model is refused where what it says of `samples` does not fit its card.
    """

    def __init__(self, model: Model, *, options: EngineOptions, samples: Sequence[Sample] = ()) -> None:
        self.model = model
        self._options = options
        self._samples = samples
        self._ready: dict[Precision, ReadyModel] = {}

    def __call__(self, files: Sequence[Path], *, precision: Precision) -> Generator[FilePrediction, None, None]:
        """Return one prediction for each file, in their order."""
        options = replace(self._options, precision=precision)
        return predict_files(self.ready(precision), files=files, options=options)

    @property
    def is_elsewhere(self) -> bool:
        """Whether other machines predict, so that what is made of a prediction is better made there."""
        return self._options.engine is not LOCAL

    def each(
        self, pairs: Sequence[tuple[Path, T]], *, then: Callable[[T, FilePrediction], R], precision: Precision
    ) -> Generator[R, None, None]:
        """Yield what `then` makes, where files are predicted, of each prediction and what its file is paired with."""
        options = replace(self._options, precision=precision, item_timeout_s=SCORING_S)
        return predict_then(self.ready(precision), pairs=pairs, then=then, options=options)

    def ready(self, precision: Precision) -> ReadyModel:
        """Return the model on its engine. Raises what `prepare` raises when the model is refused."""
        if precision not in self._ready:
            options = replace(self._options, precision=precision)
            self._ready[precision] = prepare(Path(self.model.path), options=options, samples=self._samples)
        return self._ready[precision]

    def engine(self, precision: Precision) -> dict[str, Any]:
        """Say what computes, and why nothing faster does."""
        ready = self.ready(precision)
        return {
            "name": ready.engine,
            "device": ready.device,
            "precision": ready.precision,
            "notes": list(ready.notes),
        }
