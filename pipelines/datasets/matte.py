"""`curate matte`: alphas from trimaps, for a dataset or for one image."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from curation.dataset.chosen_rows import first_rows
from curation.errors import ConfigurationProblem, InputRefused
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.options import Result, RunOptions, setting

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from curation.dataset.dataset import Dataset
    from curation.matting.plan_matte import AlphaOf, FacesOf, MatteSettings, TrimapOf

MIN_MEGAPIXELS: Final = 0.01
MAX_MEGAPIXELS: Final = 16.0
"""The equations of a larger box need more memory than a worker may use."""
OF_DATASETS: Final = ("from_masks", "band", "masks", "shards")
"""What is refused where one image is matted; --heads needs --from-masks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MatteFlags:
    """What to matte, how, and what to write."""

    source: Path = setting("A dataset, or one image.", positional=True, metavar="D|IMAGE")
    out: Path = setting("The dataset to make; for one image, the PNG to write.")
    trimap: Path | None = setting(
        "For one image: its trimap, 0 background, 128 unknown, 255 person.", default=None, metavar="FILE"
    )
    model: Path | None = setting(
        "Take trimaps from a model: a network of 3 classes, or the outline of one of 2; or the alphas of one.",
        default=None,
        metavar="M",
    )
    from_masks: bool = setting("Take trimaps from the masks, also where the dataset has trimaps.", default=False)
    band: int | None = setting(
        "Width of the unknown band around a mask in pixels.  [default: grows with the person]",
        default=None,
        metavar="N",
    )
    heads: bool = setting(
        "Find faces, and widen the band around heads, where hair is. The models of faces are installed once, 8 MB.",
        default=False,
    )
    method: Literal["cf", "knn", "lbdm", "rw"] = setting(
        "Closed form, K nearest neighbours, learning based, or random walk.", default="cf"
    )
    max_megapixels: float = setting(
        "Matte the box around the unknown band at this size at most; what is sure stays exact.", default=1.0
    )
    seconds: float = setting(
        "Set aside an image of a dataset that takes longer (with --workers 1 or more).", default=120.0
    )
    cutouts: bool = setting("Also the person's own colours with the alpha, as RGBA PNG.", default=False)
    masks: bool = setting("Make the masks again from the alphas.", default=False)
    shards: bool = shards_setting()

    def __post_init__(self) -> None:
        """Refuse numbers that can do nothing."""
        if not MIN_MEGAPIXELS <= self.max_megapixels <= MAX_MEGAPIXELS:
            raise click.UsageError(
                f"--max-megapixels {self.max_megapixels:g} is outside {MIN_MEGAPIXELS:g} to {MAX_MEGAPIXELS:g}"
            )
        if self.band is not None and not 3 <= self.band <= 500:
            raise click.UsageError(f"--band {self.band} is outside 3 to 500 pixels")
        if self.heads and not (self.from_masks and self.band is None):
            raise click.UsageError("--heads is for trimaps from masks: give --from-masks, and no --band")
        if self.seconds <= 0:
            raise click.UsageError(f"--seconds {self.seconds:g} leaves no time; give more than 0")


def matte(settings: MatteFlags, *, run: RunOptions) -> Result:
    """Make alphas: how much of each pixel along the person's edge is the person.

    A trimap says where to look. It is given (with the dataset, or as --trimap), made from the masks with a band that
    grows with the person, or predicted with --model. Where it is sure the alpha is exactly 0 or 255. Trimaps that miss
    certain person, certain background or unknown pixels are set aside, each with what is missing. The alphas of a model
    that gives them (`output: alpha` in its card) are taken as they are, without matting.

    \b
    Examples: curate matte data/portraits --from-masks --out data/mattes
              curate matte photo.jpg --trimap trimap.png --out alpha.png
    """
    from curation.matting.pymatting_door import compile_once

    if not run.dry_run:
        compile_once()  # here, lest each worker does it
    if settings.source.is_dir():
        return _dataset(settings, run=run)
    for flag in OF_DATASETS:
        if getattr(settings, flag):
            name = f"--{flag.replace('_', '-')}"
            raise ConfigurationProblem(f"{name} is for a dataset, and {settings.source} is none", remedy="leave it out")
    return _image(settings, run=run)


def _dataset(settings: MatteFlags, *, run: RunOptions) -> Result:
    from curation.dataset.dataset import read_dataset
    from curation.matting.plan_matte import plan_matte
    from curation.operations.merge import refuse_own_output
    from pipelines.sources.make_dataset import make_dataset

    if settings.trimap is not None:
        raise ConfigurationProblem("--trimap is for one image", remedy="leave it out; the dataset's trimaps are taken")
    dataset = read_dataset(settings.source)
    refuse_own_output([dataset], out=settings.out)
    plan = plan_matte(dataset, settings=_settings(settings, dataset=dataset, run=run))
    return make_dataset(plan, out=settings.out, run=run, item_timeout_s=settings.seconds, shards=settings.shards)


def _settings(settings: MatteFlags, *, dataset: Dataset, run: RunOptions) -> MatteSettings:
    from curation.matting.matte import MattingRules
    from curation.matting.plan_matte import MatteSettings

    rules = MattingRules(method=settings.method, max_pixels=round(settings.max_megapixels * 1e6))
    rows = [] if settings.model is None else first_rows(dataset.rows, limit=run.limit)
    predicting = _predicting(settings, folder=dataset.folder, rows=rows)
    faces_of, faces = _faces(settings, run=run)
    return MatteSettings(
        rules=rules,
        band=settings.band,
        trimap_of=predicting.trimap_of,
        alpha_of=predicting.alpha_of,
        described=predicting.described,
        from_masks=settings.from_masks,
        faces_of=faces_of,
        faces=faces,
        cutouts=settings.cutouts,
        masks=settings.masks,
        limit=run.limit,
    )


def _faces(settings: MatteFlags, *, run: RunOptions) -> tuple[FacesOf | None, str | None]:
    """Return what finds the faces in an image, and its hash, where they are asked for."""
    if not settings.heads:
        return None, None
    from models.faces.mediapipe_faces import sha256_of_all
    from models.faces.network_files import HASHES
    from models.faces.packaged import found_faces, packaged_faces
    from pipelines.command_line.progress import tell

    if not run.dry_run:
        packaged_faces(tell=partial(tell, run=run))  # installed here, lest each worker does it
    return found_faces, sha256_of_all(HASHES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Predicting:
    """What a model gives: trimaps, or alphas; and its name and hash."""

    trimap_of: TrimapOf | None = None
    alpha_of: AlphaOf | None = None
    described: dict[str, Any] | None = None


def _predicting(settings: MatteFlags, *, folder: Path, rows: Sequence[Mapping[str, Any]]) -> Predicting:
    if settings.model is None:
        return Predicting()
    if settings.from_masks:
        raise ConfigurationProblem("--model and --from-masks both say where trimaps come from", remedy="give one")
    from models.prediction.checks.real_pictures import samples_of
    from models.prediction.predict_trimap import TrimapModel, predicted_alpha, predicted_trimap
    from models.prediction.prepare import prepare
    from models.prediction.protocol import EngineOptions

    model = prepare(settings.model, options=EngineOptions(device="cpu"), samples=samples_of([(folder, rows)]))
    shared = TrimapModel(sha256=model.sha256, model=model)
    described = {"name": model.name, "sha256": model.sha256}
    if model.gives_alpha:
        return Predicting(alpha_of=partial(predicted_alpha, model=shared), described=described)
    return Predicting(trimap_of=partial(predicted_trimap, model=shared), described=described)


def _image(settings: MatteFlags, *, run: RunOptions) -> Result:
    from curation.matting.matte import MattingRules
    from curation.matting.matte_file import MatteFile, matte_file
    from curation.quarantine import BadRecord

    if (settings.trimap is None) == (settings.model is None):
        raise ConfigurationProblem("an image needs a trimap", remedy="give one of --trimap FILE and --model M")
    rows = [{"image": settings.source.name, "mask": None}]
    predicting = _predicting(settings, folder=settings.source.parent, rows=rows)
    rules = MattingRules(method=settings.method, max_pixels=round(settings.max_megapixels * 1e6))
    asked = MatteFile(
        image=settings.source,
        trimap=settings.trimap,
        trimap_of=predicting.trimap_of,
        alpha_of=predicting.alpha_of,
        cutout=settings.cutouts,
    )
    if settings.out.exists() and not run.overwrite:
        raise InputRefused(
            "this file exists already", where=settings.out, remedy="choose another --out, or give --overwrite"
        )
    data = {"command": "matte", "image": str(settings.source), "out": str(settings.out), "dry_run": run.dry_run}
    if run.dry_run:
        return Result(summary=f"{settings.out}: would be written (dry run)", data=data)
    try:
        made = matte_file(asked, out=settings.out, rules=rules)
    except BadRecord as problem:
        raise InputRefused(problem.reason, where=problem.file, remedy=problem.hint) from problem
    return Result(
        summary=f"{settings.out}: {made.width} x {made.height}, {made.soft:.2%} of it soft"
        + (f"\n  {made.unknown} in the trimap was read as unknown" if made.unknown is not None else ""),
        data=data | {"soft": made.soft} | ({} if made.unknown is None else {"unknown": made.unknown}),
    )
