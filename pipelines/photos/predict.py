"""`curate predict`: masks, alphas, overlays or cut-outs of images, folders and videos."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import click

from pipelines.command_line.options import Result, RunOptions, setting

LASTING_S: Final = 0.15
"""With it, at 30 frames a second, each prediction is made of the last five or so."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictFlags:
    """What to predict, with which model, and what to make of it."""

    inputs: tuple[Path, ...] = setting(
        "Images, videos, and folders of them; each keeps its name, and its path below a folder.",
        positional=True,
        metavar="INPUT...",
    )
    model: Path = setting(
        "The model: a run folder of `curate train`, or an ONNX, TFLite or TensorFlow model with its card beside it."
    )
    out: Path = setting("Folder for the results: masks/, alphas/, overlays/, cutouts/, classes/.")
    as_: tuple[Literal["mask", "alpha", "overlay", "cutout", "classes"], ...] = setting(
        "What to make, one or several: a mask (0 and 255), an alpha, the image with the person tinted (of a model of "
        "several classes: all of them, with a legend), a cut-out, class numbers.  [default: mask]",
        default=(),
    )
    edge: Literal["none", "guided", "matting"] = setting(
        "The edge as predicted, drawn to the edges of the image by a guided filter (fast), or matted (finest); classes "
        "keep theirs.",
        default="none",
    )
    background: str = setting(
        "Of cut-outs: transparent, a colour (white, #RRGGBB, ...), or an image, which is cropped to fit.",
        default="transparent",
    )
    smooth: bool = setting("Videos: smooth the prediction over time, so that it flickers less.", default=False)
    smooth_time: float = setting(
        "With --smooth, after how many seconds what was seen counts a third.", default=LASTING_S, metavar="SECONDS"
    )

    def __post_init__(self) -> None:
        """Refuse a time that is none, and a background for what has none."""
        if not 0 < self.smooth_time <= 60:
            raise click.UsageError(f"--smooth-time {self.smooth_time:g} is not above 0 and up to 60 seconds")
        if self.background != "transparent" and "cutout" not in self.as_:
            raise click.UsageError("--background is of cut-outs; give --as cutout too")


def predict(settings: PredictFlags, *, run: RunOptions) -> Result:
    """Predict images, folders and videos: masks, alphas, overlays with a legend, or cut-outs.

    Videos keep the times of their frames and their sound, and are written upright. Masks, alphas and class numbers of
    videos are MP4 without loss; cut-outs are MP4 on a --background, and without one MOV with an alpha (ProRes 4444).
    The flicker score is printed: how much the mask changes where the image does not move. With --smooth predictions are
    smoothed over time, along with the motion, and begin anew at a scene cut. A run that was stopped goes on at the
    segment where it was. What exists already, made from the same file in the same way, is kept; anything else under its
    name is never overwritten without --overwrite. Broken files are reported, and the others are done.

    \b
    Examples: curate predict photos/ --model runs/unet --out predicted
              curate predict talk.mp4 --model sinet.onnx --as overlay --as mask --smooth --out predicted
              curate predict talk.mp4 --model sinet.onnx --as cutout --background beach.jpg --edge guided --out new
    """
    from curation.photos.backdrop import read_backdrop
    from pipelines.photos.inputs import given_inputs
    from pipelines.photos.kinds import Showing
    from pipelines.photos.predict_all import Wanted, dry_run_of, predict_all

    backdrop = read_backdrop(settings.background)
    given = given_inputs(settings.inputs, out=settings.out, limit=run.limit)
    if run.dry_run:
        return dry_run_of(given, out=settings.out)
    showing = Showing(kinds=tuple(dict.fromkeys(settings.as_ or ("mask",))), edge=settings.edge, backdrop=backdrop)
    lasting_s = settings.smooth_time if settings.smooth else None
    wanted = Wanted(model=settings.model, out=settings.out, background=settings.background, lasting_s=lasting_s)
    return predict_all(given, wanted=wanted, showing=showing, run=run)
