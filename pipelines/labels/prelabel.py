"""`curate prelabel`: labels from models for photographs without labels, kept where the models agree."""

from __future__ import annotations

from pipelines.command_line.options import Result, RunOptions
from pipelines.labels.prelabel_flags import PrelabelFlags


def prelabel(settings: PrelabelFlags, *, run: RunOptions) -> Result:
    """Label photographs with models, and leave to people what the models disagree on.

    The label is the mean of all teachers; a single teacher agrees with itself where it sees the image, its mirror image
    and the image shrunk alike. Where a teacher gives alphas, labels have alphas. Each row names the teachers and their
    licences (label_source, label_license), how much they agree, how well the outline lies on edges and how unsure they
    are. A row without a mask is for people, teacher_doubt says why: `curate label push` sends these first, each with
    the prediction to start from. Images that are known to show nobody (`curate images --as background`) test the
    teachers: one that sees somebody in nearly all of them is refused, as is one that sees nobody in any photograph.

    \b
    Examples:
      curate prelabel data/pool --teacher selfie.onnx --teacher sinet.onnx --test data/portraits --out data/labelled
      curate prelabel data/pool data/rooms --teacher models:/portrait@champion --agreement 0.95 --out data/labelled
    """
    from pipelines.labels.prelabel_pool import prelabelled

    return prelabelled(settings, run=run)
