"""`curate mine`: find what a model gets wrong, tell wrong labels from hard images, and keep it as a dataset."""

from __future__ import annotations

from pipelines.command_line.options import Result, RunOptions
from pipelines.mining.flags import MineFlags


def mine(settings: MineFlags, *, run: RunOptions) -> Result:
    """Score every sample with a model, and keep those that it gets wrong as a dataset of hard cases.

    They are a dataset like any other, the worst sample first by `hard_rank`, with its scores as columns; scores.parquet
    and predictions/<id>.png in it are of all samples. A prediction that is not finite is always kept.

    Each labelled sample gets a verdict: label_error, model_error, ambiguous, boundary_only or ok. With --second or
    --folds it rests on several models. With --teacher it tells as well how probable it is that the label is wrong, and
    in what way it is. Samples without a label are ranked by uncertainty.

    \b
    Examples:
      curate mine --model runs/unet --data data/train --out hard
      curate mine --model runs/unet --second sinet.onnx --folds 5 --data data/train --out hard
    """
    from pipelines.mining.mine_datasets import mined

    return mined(settings, run=run)
