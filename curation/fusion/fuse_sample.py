"""Make one fused sample of a plan: read and check two photographs, fuse them, write the picture with its labels."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from curation.dataset.label_sources import LABEL_LICENSE, LABEL_SOURCE, is_by_model
from curation.dataset.licenses import BETWEEN, joint_license
from curation.dataset.sample import Item, Outcome, Sample
from curation.fusion.fitting_backgrounds import Frame, metres_of
from curation.fusion.fuse import Fused, FusionRules, finished, generator_for, staged
from curation.fusion.placement import fitted
from curation.fusion.read_photograph import Photograph, read_image, read_person, scaled_down
from curation.fusion.second_person import with_second
from curation.fusion.standing import LEAST_METRES, Shot, shot_of
from curation.fusion.texture import edge_of
from curation.images.pixels import (
    Alpha,
    Image,
    encode_gray,
    encode_image,
    encode_mask,
)
from curation.labels.label_files import place_labels
from curation.labels.made_labels import LabelRules, Labels, labels_of_alpha, labels_of_mask
from curation.labels.masks import mask_of, person_area
from curation.labels.source_images import IMAGES
from curation.matting.coarse_outline import without_background
from curation.matting.composite import colours_of_masked, person_colours, soft_alpha
from curation.storage.files import sha256_of, write_bytes

CUT_TWICE: Final = "cut_on_two_sides"
NO_BACKGROUND: Final = "no_fitting_background"
"""Reason why a sample is not made: in the foreground's split no background fits, see `fitting_backgrounds`."""


COARSE: Final = "coarse_outline"
MOST_TAKEN: Final = 0.08
"""Reason why a sample is not made: more than this share of the person's mask is background, and some is likely left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionTask:
    """One fused sample to make: foreground, background, second person, split, and number within the foreground.

    Of several `backgrounds` the first counts that shows enough for how much is seen of the person.
    """

    foreground: Photograph
    backgrounds: tuple[Photograph, ...]
    second: Photograph | None
    split: str
    number: int

    @property
    def background(self) -> Photograph:
        """The background; before the photograph of the person is read, what it may be."""
        return self.backgrounds[0]

    def behind(self, shot: Shot | None) -> FusionTask | None:
        """Return the task with the background for who is seen as this shot shows; None where none shows enough."""
        able = (one for one in self.backgrounds if metres_of(one.row) >= LEAST_METRES[shot])
        chosen = next(able, None)
        return None if chosen is None else replace(self, backgrounds=(chosen,))

    def photographs(self) -> dict[str, Photograph]:
        """Return all that the sample shows, by the beginnings of the columns that name them."""
        parts = {"foreground": self.foreground, "background": self.background, "second": self.second}
        return {name: photograph for name, photograph in parts.items() if photograph is not None}

    def licenses(self) -> tuple[str | None, ...]:
        """Return the licence of each of them."""
        return tuple(photograph.row["license"] for photograph in self.photographs().values())


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRules:
    """What all tasks of a run share. A photograph whose longer side is above `max_side` pixels is scaled down first.

    `frame` is whose frame a fused picture has.
    """

    fusion: FusionRules
    labels: LabelRules
    seed: int
    max_side: int
    frame: Frame = "foreground"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Person:
    """A person ready to be laid on backgrounds: the colours of the frame (h, w, 3), its alpha (h, w), and the shot.

    `taken` is the share of the mask that was background, see `without_background`.
    """

    colours: Image
    alpha: Alpha
    shot: Shot | None
    taken: float = 0.0


def fuse_sample(item: Item, folder: Path, *, rules: TaskRules) -> Outcome:
    """Make one fused sample in `folder`; raises BadRecord: whatever is wrong with one of its photographs.

    A person who is cut off at two opposite sides, and does not reach both of the background's frame, is filtered; so is
    one of whom too much is seen for all backgrounds, or whose outline is too coarse.
    """
    planned: FusionTask = item.payload
    front = _person(_Key(planned.foreground), rules=rules)
    if front.taken > MOST_TAKEN:
        return Outcome(id=item.id, filtered=COARSE)
    task = planned.behind(front.shot)
    if task is None:
        return Outcome(id=item.id, filtered=NO_BACKGROUND)
    fused = _fused(task, rules=rules)
    if fused is None:
        return Outcome(id=item.id, filtered=CUT_TWICE)
    if fused.recipe.second is None:
        task = replace(task, second=None)  # it could not be seen: the row names no second person
    shown = [one.row for one in (task.foreground, task.second) if one is not None]
    labels = _labels(fused.alpha, rules=rules, is_soft=_label_of(task) == "alpha", file=item.file)
    data = encode_image(fused.image, quality=fused.recipe.quality)
    image = f"{IMAGES}/{item.id}.jpg"
    write_bytes(folder / image, data)
    placed = place_labels(_pictures(labels), sample_id=item.id, folder=folder)
    row = task.foreground.row
    sample = Sample(
        id=item.id,
        image=image,
        mask=placed.paths["mask"],
        alpha=placed.paths.get("alpha"),
        trimap=placed.paths.get("trimap"),
        width=fused.image.shape[1],
        height=fused.image.shape[0],
        source=rules.labels.source,
        source_id=row["source_id"],
        split=task.split,
        person_area=person_area(labels.mask),
        persons=None if any(one["persons"] is None for one in shown) else sum(one["persons"] for one in shown),
        group=group_of(row),
        license=joint_license(task.licenses()),
        sha256=sha256_of(data),
        extra={**placed.digests, **_provenance(task, rules=rules, fused=fused)},
    )
    return Outcome(id=item.id, sample=sample)


def _pictures(labels: Labels) -> dict[str, bytes]:
    """Return the files of the labels that there are, by kind."""
    soft = {"alpha": labels.alpha, "trimap": labels.trimap}
    return {"mask": encode_mask(labels.mask)} | {
        name: encode_gray(one) for name, one in soft.items() if one is not None
    }


def group_of(row: dict[str, Any]) -> str:
    """Return the group of a row; one without a group stands for itself."""
    group: str | None = row["group"]
    return row["id"] if group is None else group


def _fused(task: FusionTask, *, rules: TaskRules) -> Fused | None:
    """Return the fused picture; None where the person does not fit into the frame of the background."""
    front, id_ = _person(_Key(task.foreground), rules=rules), task.foreground.row["id"]
    background = scaled_down(read_image(task.background), max_side=rules.max_side)
    fit = None
    if rules.frame == "background":
        fit = fitted(front.colours, alpha=front.alpha, size=(background.shape[0], background.shape[1]))
        if fit is None:
            return None
        front = replace(front, colours=fit.image, alpha=fit.alpha)
    rng = generator_for(id_, seed=rules.seed, number=task.number)
    once = replace(rules.fusion, estimate=False)  # the colours are estimated already
    scene = staged(front.colours, alpha=front.alpha, background=background, rules=once, rng=rng)
    if task.second is not None:
        second = _person(_Key(task.second), rules=rules)
        rng = generator_for(f"place of second of {id_}", seed=rules.seed, number=task.number)
        scene = with_second(scene, colours=second.colours, alpha=second.alpha, rng=rng)
    if fit is not None:
        scene = replace(scene, recipe=msgspec.structs.replace(scene.recipe, fitted=fit.placement))
    return finished(scene)


def _label_of(task: FusionTask) -> str | None:
    """Return what the labels of a fused sample come from: `mask` where the outline of anybody was guessed from one."""
    is_guessed = task.second is not None and task.second.label == "mask"
    return "mask" if is_guessed else task.foreground.label


def _provenance(task: FusionTask, *, rules: TaskRules, fused: Fused) -> dict[str, Any]:
    recipe = msgspec.to_builtins(fused.recipe) | {"estimate": rules.fusion.estimate, "max_side": rules.max_side}
    columns = ("id", "source", "source_id", "license", "sha256")
    behind = {"second_group": group_of(task.second.row)} if task.second is not None else {}
    return {
        **{f"{part}_{name}": one.row[name] for part, one in task.photographs().items() for name in columns},
        "background_group": group_of(task.background.row),
        **behind,
        **_label_sources(task),
        "alpha_from": _label_of(task),
        "fusion_seed": rules.seed,
        "fusion_number": task.number,
        "recipe": msgspec.json.encode(recipe, order="deterministic").decode(),
    }


def _label_sources(task: FusionTask) -> dict[str, Any]:
    """Return which models made the labels of the persons, and their licences; {} where none did."""
    rows = [one.row for one in (task.foreground, task.second) if one is not None and is_by_model(one.row)]
    if not rows:
        return {}
    return {
        LABEL_SOURCE: BETWEEN.join(dict.fromkeys(row[LABEL_SOURCE] for row in rows)),
        LABEL_LICENSE: joint_license(tuple(row.get(LABEL_LICENSE) for row in rows)),
    }


def _labels(alpha: Alpha, *, rules: TaskRules, is_soft: bool, file: str) -> Labels:
    """Return the labels of a fused sample; an alpha that was only guessed from a mask is not kept."""
    if is_soft:
        return labels_of_alpha(alpha, rules=rules.labels, file=file)
    mask = mask_of(alpha)
    return labels_of_mask(mask, rules=rules.labels, file=file)


class _Key:
    """A photograph that can be looked up: two are the same when file, label and hash are."""

    __slots__ = ("parts", "photograph")

    def __init__(self, photograph: Photograph) -> None:
        self.photograph = photograph
        self.parts = (photograph.folder, photograph.row["id"], photograph.row["sha256"], photograph.label)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self.parts == other.parts

    def __hash__(self) -> int:
        return hash(self.parts)


# the samples of a foreground follow one another, and its colours take most of the time; the other is for a second
@lru_cache(maxsize=2)
def _person(key: _Key, *, rules: TaskRules) -> _Person:
    photograph = key.photograph
    image, alpha = read_person(photograph, threshold=rules.labels.threshold)
    image, alpha = (scaled_down(picture, max_side=rules.max_side) for picture in (image, alpha))
    if photograph.label == "mask":
        drawn = mask_of(alpha)
        mask = without_background(image, mask=drawn)
        taken = 1 - np.count_nonzero(mask) / max(1, np.count_nonzero(drawn))
        colours = colours_of_masked(image, mask=mask) if rules.fusion.estimate else image
        alpha = soft_alpha(mask, sigma_px=edge_of(image, mask=mask))
    else:
        taken = 0.0
        colours = person_colours(image, alpha=alpha) if rules.fusion.estimate else image
    colours.flags.writeable = alpha.flags.writeable = False  # they are shared by all of them
    return _Person(colours=colours, alpha=alpha, shot=shot_of(alpha), taken=taken)
