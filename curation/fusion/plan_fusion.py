"""Plan fused samples: which foreground on which background, so that no photograph is on two sides of a split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Final, NoReturn

import numpy as np
import pyarrow as pa

from curation.dataset.dataset import Dataset
from curation.dataset.licenses import LicenseRules
from curation.dataset.sample import Item, Plan, Source
from curation.errors import ConfigurationProblem, InputRefused
from curation.fusion.background_splits import deal_backgrounds, split_of
from curation.fusion.fitting_backgrounds import Frame, Pool, drawn_backgrounds, fitting, pool_of, scaled_size
from curation.fusion.fuse import FusionRules
from curation.fusion.fuse_sample import NO_BACKGROUND, FusionTask, TaskRules, fuse_sample
from curation.fusion.partners import draw_second, partners_among
from curation.fusion.read_photograph import Photograph
from curation.fusion.standing import LEAST_METRES
from curation.fusion.usable_photographs import (
    COMMAND,
    PERSON,
    refuse_nothing,
    usable_backgrounds,
    usable_foregrounds,
)
from curation.labels.made_labels import LabelRules
from curation.labels.masks import ALPHA_THRESHOLD
from curation.operations.join import Joined, join_tables
from curation.operations.merge import joined_sources, parent_name
from curation.setting import setting
from curation.sources.shared_settings import threshold_setting, trimap_kernel_setting
from curation.storage.safe_id import safe_id

SOURCE: Final = "fused"
MARK: Final = "-fused-"
"""Stands in an id between that of the foreground and its number among those of that person: `0001-fused-1`."""
SECOND_COLUMNS: Final = tuple(f"second_{name}" for name in ("id", "source", "source_id", "license", "sha256", "group"))
MAX_SIDE_PX: Final = 2048
MIN_SIDE_PX: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class FusionSettings:
    """How many fused samples to make of each foreground, or (`count`) of all together, and how.

    In a share `second_person` (0..1) of them a second person stands behind the first. `threshold` makes a mask of an
    alpha, `trimap_kernel` a trimap (see `LabelRules`). Photographs are taken as `allowed` says; without it, all but
    those under a licence that forbids derived pictures.
    """

    per_foreground: int = setting("Fused samples of each foreground.", default=1, metavar="N")
    count: int | None = setting("Fused samples in all, instead of --per-foreground.", default=None, metavar="N")
    seed: int = 0
    second_person: float = setting(
        "Share of the fused samples, 0 to 1, for which a second person is drawn to stand behind the first.",
        default=0.0,
        metavar="SHARE",
    )
    frame: Frame = setting(
        "Whose frame a fused picture has: the person's photograph's, or the background's, into which she is laid.",
        default="foreground",
    )
    keep_cut: bool = setting(
        "Use COCO persons also where more than 15 % of their outline touches other things, which may hide a part.",
        default=False,
    )
    rules: FusionRules = field(default_factory=FusionRules)
    threshold: int = threshold_setting(ALPHA_THRESHOLD)
    trimap_kernel: str = trimap_kernel_setting("none")
    max_side: int = setting(
        "Photographs whose longer side is larger are scaled down to it first.", default=MAX_SIDE_PX, metavar="PX"
    )
    limit: int | None = None
    allowed: LicenseRules | None = None

    def __post_init__(self) -> None:
        """Refuse numbers that can make nothing."""
        least = {"--per-foreground": (self.per_foreground, 1), "--count": (self.count or 1, 1)}
        for flag, (number, lowest) in (least | {"--max-side": (self.max_side, MIN_SIDE_PX)}).items():
            if number < lowest or self.count == 0:
                raise ConfigurationProblem(f"{flag} {number} is too little", remedy=f"give {lowest} or more")
        if not 0 <= self.second_person <= 1:
            raise ConfigurationProblem(
                f"--second-person {self.second_person:g} is no share of the samples",
                remedy="give a number from 0 to 1: 0.1 is 10 %",
            )


def plan_fusion(foregrounds: Sequence[Dataset], *, backgrounds: Sequence[Dataset], settings: FusionSettings) -> Plan:
    """Plan fused samples of all foregrounds; a fused sample is in the split of its foreground, `train` for none.

    Where a person is laid depends on the seed, the foreground's id and its number alone. No background is drawn again
    before all others were, so that it also depends on the other foregrounds. Rows without alpha and mask are
    quarantined, rows that are fused themselves are filtered, and a background that shows a person is not used. Samples
    that no background fits are filtered. A second person is of the same split, but of another group. Foregrounds are
    filtered as `license`, or `no_derivatives`, and backgrounds not used, where `settings.allowed` says so.
    Raises InputRefused: no foreground, no background (also: none for a split, none that fits), ids taken twice, groups
    on two sides.
    """
    front, back = (join_tables(datasets, prefixes=[""] * len(datasets)) for datasets in (foregrounds, backgrounds))
    where = " + ".join(str(dataset.folder) for dataset in (*foregrounds, *backgrounds))
    usable, counts, broken = usable_foregrounds(
        front, datasets=foregrounds, rules=settings.allowed, keep_cut=settings.keep_cut
    )
    empty, unused = usable_backgrounds(back.table, rules=settings.allowed)
    refuse_nothing(usable, counts=counts, backgrounds=empty, unused=unused, where=where)
    dealt = deal_backgrounds(usable, backgrounds=empty, where=where)
    rows = empty.to_pylist()
    pools = {
        split: pool_of([rows[number] for number in numbers], max_side=settings.max_side)
        for split, numbers in dealt.items()
    }
    tasks, lacking = _tasks(
        usable, front=(front, foregrounds), back=(back, backgrounds), pools=pools, settings=settings
    )
    if not tasks:
        _refuse_no_task(lacking, pools=pools, settings=settings, where=where)
    counts[NO_BACKGROUND] += lacking
    items = sorted((_item(task) for task in tasks), key=lambda item: item.id)
    kept = items[: settings.limit]
    datasets = [*foregrounds, *backgrounds]
    return Plan(
        command=COMMAND,
        settings=_told(settings, datasets=datasets),
        sources=[*joined_sources(s for d in datasets for s in d.card.sources), _source(datasets)],
        considered=len(items) + len(broken) + counts.total(),
        items=kept,
        work=partial(fuse_sample, rules=_task_rules(settings)),
        filtered=dict(+(counts + Counter(limit=len(items) - len(kept)))),
        quarantined=broken,
        notes=_notes(kept, pools=pools, unused=unused)
        | _too_small(usable, pools=pools, settings=settings)
        | _too_close(pools),
        parents=[parent_name(dataset) for dataset in datasets],
        inputs=[dataset.folder for dataset in datasets],
        folders=_task_rules(settings).labels.folders(with_alpha=True),
        columns=dict.fromkeys(SECOND_COLUMNS, pa.string()) if settings.second_person else {},
    )


def _tasks(
    usable: pa.Table,
    *,
    front: tuple[Joined, Sequence[Dataset]],
    back: tuple[Joined, Sequence[Dataset]],
    pools: Mapping[str, Pool],
    settings: FusionSettings,
) -> tuple[list[FusionTask], int]:
    """Return the samples to make, and how many are not made since no background fits their foreground."""
    tasks, lacking = [], 0
    photograph = partial(_photograph, joined=front[0], datasets=front[1])
    for row, number, second in sorted(_with_seconds(usable, settings=settings), key=lambda one: (one[0]["id"], one[1])):
        pool = pools[split_of(row)]
        fits = fitting(pool, size=scaled_size(row, max_side=settings.max_side), frame=settings.frame)
        drawn = drawn_backgrounds(row, number, pool=pool, fits=fits, seed=settings.seed)
        if not drawn:
            lacking += 1
            continue
        task = FusionTask(
            foreground=photograph(row),
            backgrounds=tuple(_photograph(one, joined=back[0], datasets=back[1]) for one in drawn),
            second=None if second is None else photograph(second),
            split=split_of(row),
            number=number,
        )
        tasks.append(task)
    return tasks, lacking


def _refuse_no_task(lacking: int, *, pools: Mapping[str, Pool], settings: FusionSettings, where: str) -> NoReturn:
    least = min(LEAST_METRES.values())
    if all((pool.metres < least).all() for pool in pools.values()):
        reason = (
            f"all show less than {least:g} m of a scene, as the things in them tell, which is too close for anybody"
        )
        remedy = (
            "give --backgrounds with rooms and streets, e.g. of other --supercategories of `curate coco-background`"
        )
    elif settings.frame == "background":
        reason = "the photograph of every person is so small that it would be enlarged too much to fit a background"
        remedy = "give a smaller --max-side, which makes the backgrounds smaller, or leave --frame away"
    else:
        reason = "every background is too small for the frame of every person's photograph"
        remedy = (
            "give larger --backgrounds; or a smaller --max-side, which makes the frames smaller; or --frame background"
        )
    raise InputRefused(f"no background fits any of {lacking} samples: {reason}", where=where, remedy=remedy)


def _too_small(usable: pa.Table, *, pools: Mapping[str, Pool], settings: FusionSettings) -> dict[str, Any]:
    """Return how many backgrounds fit none of the photographs, and how many only some of them."""
    sizes: dict[str, set[tuple[int, int]]] = {split: set() for split in pools}
    for row in usable.to_pylist():
        sizes[split_of(row)].add(scaled_size(row, max_side=settings.max_side))
    none = some = 0
    for split, pool in pools.items():
        often = sum(fitting(pool, size=size, frame=settings.frame).astype(np.int64) for size in sorted(sizes[split]))
        none += int(np.count_nonzero(often == 0))
        some += int(np.count_nonzero((often > 0) & (often < len(sizes[split]))))
    return {"backgrounds_unfit": {"all": none, "some": some}, "frame": settings.frame} if none or some else {}


def _too_close(pools: Mapping[str, Pool]) -> dict[str, Any]:
    """Return how many backgrounds show too few metres for anybody, and how many for a whole person."""
    metres = np.concatenate([pool.metres for pool in pools.values()])
    told = {"nobody": min(LEAST_METRES.values()), "whole": LEAST_METRES["whole"]}
    counts = {name: int(np.count_nonzero(metres < least)) for name, least in told.items()}
    return {"backgrounds_close": counts} if counts["whole"] else {}


def _numbered(rows: Sequence[dict[str, Any]], *, settings: FusionSettings) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield each foreground with a number, from 1, for each of its samples; `count` goes round in a shuffled order."""
    if settings.count is None:
        yield from ((row, number) for row in rows for number in range(1, settings.per_foreground + 1))
        return
    order = sorted(rows, key=lambda row: hashlib.sha256(f"{settings.seed}\0{row['id']}".encode()).hexdigest())
    for number in range(settings.count):
        yield order[number % len(order)], number // len(order) + 1


def _with_seconds(
    foregrounds: pa.Table, *, settings: FusionSettings
) -> Iterator[tuple[dict[str, Any], int, dict[str, Any] | None]]:
    """Yield each foreground with its numbers (see `_numbered`), and who is to stand behind it, if anybody."""
    numbered = _numbered(foregrounds.to_pylist(), settings=settings)
    if not settings.second_person:
        yield from ((row, number, None) for row, number in numbered)
        return
    draw = partial(draw_second, partners=partners_among(foregrounds), share=settings.second_person, seed=settings.seed)
    yield from ((row, number, draw(row, number)) for row, number in numbered)


def _photograph(row: dict[str, Any], *, joined: Joined, datasets: Sequence[Dataset]) -> Photograph:
    folder = str(datasets[joined.owner[row["id"]]].folder.resolve())
    label = next((name for name in ("alpha", "mask") if row[name] is not None), None)
    return Photograph(folder=folder, row=row, label=label)


def _item(task: FusionTask) -> Item:
    front = task.foreground
    file = Path(front.folder) / front.row["image"]
    return Item(id=safe_id(f"{front.row['id']}{MARK}{task.number}"), payload=task, file=str(file))


def _task_rules(settings: FusionSettings) -> TaskRules:
    labels = LabelRules(
        source=SOURCE, threshold=settings.threshold, trimap_kernel=settings.trimap_kernel, verify="structure"
    )
    return TaskRules(
        fusion=settings.rules, labels=labels, seed=settings.seed, max_side=settings.max_side, frame=settings.frame
    )


def _told(settings: FusionSettings, *, datasets: Sequence[Dataset]) -> dict[str, Any]:
    manifests = [dataset.card.manifest_sha256[:16] for dataset in datasets]
    names = {field.name: "licenses" if field.name == "allowed" else field.name for field in fields(FusionSettings)}
    told = {name: getattr(settings, own) for own, name in names.items()}
    told |= {"rules": asdict(settings.rules), "manifests": manifests}
    for name in ("second_person", "licenses", "keep_cut"):
        if not told[name]:
            del told[name]  # datasets that were made before there was this setting are known again
    if told["frame"] == "foreground":
        del told["frame"]
    return told


def _source(datasets: Sequence[Dataset]) -> Source:
    """Return the source `fused`."""
    manifests = "".join(dataset.card.manifest_sha256 for dataset in datasets)
    fingerprint = hashlib.sha256(manifests.encode()).hexdigest()
    path = " + ".join(dataset.folder.name for dataset in datasets)
    return Source(name=SOURCE, path=path, fingerprint=fingerprint)


def _notes(items: Sequence[Item], *, pools: Mapping[str, Pool], unused: Counter[str]) -> dict[str, Any]:
    tasks: list[FusionTask] = [item.payload for item in items]
    seconds = sum(task.second is not None for task in tasks)
    by_license = {reason: number for reason, number in unused.items() if reason != PERSON}
    return {
        "alpha_from_mask": sum(task.foreground.label == "mask" for task in tasks),
        "without_split": sum(task.foreground.row["split"] is None for task in tasks),
        "backgrounds": {split: len(pool.rows) for split, pool in pools.items()},
        "backgrounds_with_person": unused[PERSON],
        **({"backgrounds_by_license": by_license} if by_license else {}),
        **({"seconds_drawn": seconds} if seconds else {}),
    }
