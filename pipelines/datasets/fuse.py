"""`curate fuse`: persons on new backgrounds, as a dataset."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from curation.dataset.dataset import Dataset, read_dataset
from curation.dataset.licenses import flagged_counts
from curation.dataset.sample import Plan
from curation.fusion.fuse import FusionRules
from curation.fusion.plan_fusion import FusionSettings, plan_fusion
from curation.sources.shared_settings import shards_setting
from pipelines.command_line.license_rules import LICENSES_MEANING, read_license_rules, with_flags
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.sources.make_dataset import make_dataset

LICENSE_COLUMNS: Final = frozenset({"foreground_license", "background_license", "second_license"})
SECONDS_PER_PERSON: Final = 120.0
"""Most of it for the first: a worker that starts on a busy machine takes long to have its libraries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FuseFlags(FusionSettings):
    """The persons and the backgrounds, how many fused samples to make, and what may vary."""

    foregrounds: tuple[Path, ...] = setting("Datasets of persons with alphas, or with masks.", metavar="D...")
    backgrounds: tuple[Path, ...] = setting("Datasets of images without persons.", metavar="D...")
    out: Path = setting("Dataset to make.", metavar="D")
    keep_place: bool = setting("Leave each person where it is: no scale, no mirror, no shift.", default=False)
    keep_light: bool = setting("Do not bring the person's colours nearer to the background's.", default=False)
    keep_sharpness: bool = setting(
        "Do not bring sharpness and noise of person and background to one level, nor blur the picture a little.",
        default=False,
    )
    keep_edges: bool = setting(
        "Do not estimate the person's own colours in soft edges: quicker, but the old background shines through.",
        default=False,
    )
    licenses: Path | None = setting(LICENSES_MEANING, default=None, metavar="FILE")
    shards: bool = shards_setting()


def fuse(settings: FuseFlags, *, run: RunOptions) -> Result:
    """Lay persons on new backgrounds, each blended once by its alpha, and write pictures, masks and alphas.

    Frames keep the size of the person's photograph, or with --frame background that of the background. Backgrounds are
    drawn among those that cover the frame by a crop, enlarged up to 2.5 times and mirrored on 5 % of a side at most.
    None is drawn again before all others were, and none is taken that shows too few metres for how much is seen of the
    person, where the backgrounds tell (column frame_metres of `coco-background`): nobody stands on a plate.
    A person cut off by the edge stays at that edge. A foreground that has only a mask gets a slightly soft outline.

    A second person is another foreground of the same split, never of the same group, and always gets a new place. One
    who would not fit, hardly be seen, or look larger or nearer than the first is left out; the summary counts them.

    COCO persons who touch other things along their outline may be cut off by these, or sit on them: `coco-person`
    measures how much of it touches, and more than 15 % are left out as cut_by_others, unless --keep-cut is given.

    A fused sample is in the split and the group of its foreground. A background serves one split only: its own, or one
    that it is assigned to. The row names all photographs, their licences and hashes, and what was drawn.

    A fused picture is derived from its photographs: those under a licence that forbids this (CC ND) are left out,
    unless --licenses names that licence.

    \b
    Example:  curate fuse --foregrounds portraits --backgrounds backgrounds --per-foreground 2 --out fused
    """
    rules = FusionRules(
        place=not settings.keep_place,
        match_light=not settings.keep_light,
        soften=not settings.keep_sharpness,
        estimate=not settings.keep_edges,
    )
    allowed = read_license_rules(settings.licenses)
    plan = plan_fusion(
        [read_dataset(folder) for folder in settings.foregrounds],
        backgrounds=[read_dataset(folder) for folder in settings.backgrounds],
        settings=replace(settings, seed=run.seed, rules=rules, limit=run.limit, allowed=allowed),
    )
    if rules.estimate and not run.dry_run:
        # imported here: a dry run needs no compiler
        from curation.matting.pymatting_door import compile_once

        compile_once()
    most_persons = 2 if settings.second_person else 1
    timeout_s = most_persons * SECONDS_PER_PERSON
    result = make_dataset(plan, out=settings.out, run=run, item_timeout_s=timeout_s, shards=settings.shards)
    made = None if run.dry_run else read_dataset(settings.out)
    result = with_flags(result, counts=_flagged(plan, made=made), samples=len(plan.items if made is None else made))
    lines = _lines(plan)
    if (drawn := plan.notes.get("seconds_drawn")) and made is not None:
        seconds = sum(len(table["second_id"].drop_null()) for table in made.batches(["second_id"]))
        lines.append(f"  {seconds} samples show a second person; {drawn} were to")
    return replace(result, summary="\n".join([result.summary, *lines]))


def _flagged(plan: Plan, *, made: Dataset | None) -> dict[str, int]:
    """Return how many of the samples show a photograph under a licence with restrictions; before they are made, those
    of backgrounds count that they may show."""
    if made is None:
        return flagged_counts(item.payload.licenses() for item in plan.items)
    columns = [name for name in made.schema.names if name in LICENSE_COLUMNS]
    rows = (row for table in made.batches(columns) for row in table.to_pylist())
    return flagged_counts(row.values() for row in rows)


def _lines(plan: Plan) -> list[str]:
    """Say what is easily taken for something else: labels that were guessed, and splits that were given."""
    notes = plan.notes
    dealt = ", ".join(f"{split} {number}" for split, number in notes["backgrounds"].items())
    lines = [f"  backgrounds  {dealt}; none serves two splits"]
    if from_mask := notes["alpha_from_mask"]:
        lines.append(
            f"  {from_mask} of {len(plan.items)} foregrounds have no alpha: their masks were softened a little"
        )
    if without := notes["without_split"]:
        lines.append(f"  {without} of {len(plan.items)} foregrounds have no split: their fused samples are train")
    if with_person := notes["backgrounds_with_person"]:
        lines.append(f"  {with_person} rows of the backgrounds show a person, or may, and are not used")
    if unfit := notes.get("backgrounds_unfit"):
        told = "are too small for" if notes["frame"] == "foreground" else "are too large for"
        lines.append(f"  backgrounds that {told} every person's photograph: {unfit['all']}; for some: {unfit['some']}")
    if close := notes.get("backgrounds_close"):
        told = f"for a whole person: {close['whole']}; for anybody, and not used: {close['nobody']}"
        lines.append(f"  backgrounds that are too close, as the things in them tell, {told}")
    if by_license := notes.get("backgrounds_by_license"):
        told = ", ".join(f"{reason} {number}" for reason, number in by_license.items())
        lines.append(f"  backgrounds that are not used because of their licence: {told}")
    return lines
