"""What a model says of images, scored with a progress bar, and kept where a stopped command goes on."""

from __future__ import annotations

from collections.abc import Sequence

from models.evaluation.checked_model import CheckedModel
from models.evaluation.score_dataset import DatasetScores, Part, ScoreOptions, Work, score_parts
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar


def scored(parts: Sequence[Part], *, model: CheckedModel, run: RunOptions, name: str, work: str) -> DatasetScores:
    """Score the rows of parts into the folder of their places, under a bar that is called `name`.

    What an earlier run noted under the same `work` is kept. Raises what `score_parts` does.
    """
    out = parts[0].place.out
    with progress_bar(name, total=sum(len(part.rows) for part in parts), run=run) as show:
        options = ScoreOptions(
            workers=run.workers, max_quarantine=run.max_quarantine, progress=lambda done, _: show(done)
        )
        return score_parts(parts, predict=model, work=Work(folder=out / "work", run=work), options=options)
