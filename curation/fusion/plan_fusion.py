"""Plan fused samples: which foreground on which background, so that no photograph is on two sides of a split."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from curation.dataset.dataset import MANIFEST, Dataset
from curation.dataset.licenses import FILTERED as LICENSE
from curation.dataset.licenses import LicenseRules, allowed_rows, terms_of
from curation.dataset.sample import Item, Plan, Source
from curation.errors import ConfigurationProblem, InputRefused
from curation.fusion.background_splits import deal_backgrounds, split_of
from curation.fusion.fuse import FusionRules, generator_for
from curation.fusion.fuse_sample import FusionTask, Photograph, TaskRules, fuse_sample
from curation.fusion.partners import draw_second, partners_among
from curation.labels.made_labels import LabelRules
from curation.labels.masks import ALPHA_THRESHOLD
from curation.operations.join import Joined, join_tables
from curation.operations.merge import joined_sources, parent_name
from curation.quarantine import BadRecord, Code, QuarantineRecord
from curation.setting import setting
from curation.sources.shared_settings import threshold_setting, trimap_kernel_setting
from curation.storage.files import fingerprint_file
from curation.storage.safe_id import safe_id

COMMAND: Final = "fuse"
SOURCE: Final = "fused"
MARK: Final = "-fused-"
"""Stands in an id between that of the foreground and its number among those of that person: `0001-fused-1`."""
SECOND_COLUMNS: Final = tuple(f"second_{name}" for name in ("id", "source", "source_id", "license", "sha256", "group"))
PERSON: Final = "person"
NO_DERIVATIVES: Final = "no_derivatives"
"""Reasons why photographs are not used: they show a person; their licence forbids pictures that are derived of them."""
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

    What one draws depends on the seed, the foreground's id and its number alone. Rows without alpha and mask are
    quarantined, rows that are fused themselves are filtered, and a background that shows a person is not used. A second
    person is of the same split, but of another group. Foregrounds are filtered as `license`, or `no_derivatives`, and
    backgrounds not used, where `settings.allowed` says so.
    Raises InputRefused: no foreground, no background (also: none for a split), ids taken twice, groups on two sides.
    """
    front, back = (join_tables(datasets, prefixes=[""] * len(datasets)) for datasets in (foregrounds, backgrounds))
    where = " + ".join(str(dataset.folder) for dataset in (*foregrounds, *backgrounds))
    usable, counts, broken = _usable_foregrounds(front, datasets=foregrounds, rules=settings.allowed)
    empty, unused = _usable_backgrounds(back.table, rules=settings.allowed)
    _refuse_nothing(usable, counts=counts, backgrounds=empty, unused=unused, where=where)
    dealt = deal_backgrounds(usable, backgrounds=empty, where=where)
    rows = empty.to_pylist()
    pool = {split: [rows[number] for number in numbers] for split, numbers in dealt.items()}
    photograph = partial(_photograph, joined=front, datasets=foregrounds)
    where_to = partial(_photograph, joined=back, datasets=backgrounds)
    tasks = [
        FusionTask(
            foreground=photograph(row),
            background=where_to(_drawn(row, number, pool=pool, seed=settings.seed)),
            second=None if second is None else photograph(second),
            split=split_of(row),
            number=number,
        )
        for row, number, second in _with_seconds(usable, settings=settings)
    ]
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
        notes=_notes(kept, pool=pool, unused=unused),
        parents=[parent_name(dataset) for dataset in datasets],
        inputs=[dataset.folder for dataset in datasets],
        folders=_task_rules(settings).labels.folders(with_alpha=True),
        columns=dict.fromkeys(SECOND_COLUMNS, pa.string()) if settings.second_person else {},
    )


def _usable_foregrounds(
    front: Joined, *, datasets: Sequence[Dataset], rules: LicenseRules | None
) -> tuple[pa.Table, Counter[str], list[QuarantineRecord]]:
    """Return the rows of persons that may be used, and are not fused; count others, and report those without masks."""
    counts: Counter[str] = Counter()
    broken, keep = [], []
    for row in front.table.to_pylist():
        is_fused = row.get("background_id") is not None
        is_empty = row["persons"] == 0
        has_person = not is_empty and (row["alpha"] is not None or row["mask"] is not None)
        counts["fused"] += is_fused
        counts["no_person"] += is_empty and not is_fused
        if not is_fused and not has_person and not is_empty:
            problem = BadRecord(Code.NO_MASK, "the foreground has neither alpha nor mask", record_id=row["id"])
            broken.append(
                problem.record(stage=COMMAND, file=datasets[front.owner[row["id"]]].folder / str(row["image"]))
            )
        keep.append(has_person and not is_fused)
    table, forbidden = _permitted(front.table.filter(pa.array(keep, pa.bool_())), rules=rules)
    return table, counts + forbidden, broken


def _usable_backgrounds(table: pa.Table, *, rules: LicenseRules | None) -> tuple[pa.Table, Counter[str]]:
    """Return the rows that may lie behind a person, and how many may not, by reason: those that show somebody, as far
    as the manifest knows, or of which it does not say how many, and those under licences that are not allowed."""
    columns = (table[name].to_pylist() for name in ("persons", "person_area"))
    keep = [persons == 0 and not area for persons, area in zip(*columns, strict=True)]
    empty, forbidden = _permitted(table.filter(pa.array(keep, pa.bool_())), rules=rules)
    return empty, Counter({PERSON: keep.count(False)}) + forbidden


def _permitted(table: pa.Table, *, rules: LicenseRules | None) -> tuple[pa.Table, Counter[str]]:
    """Return the rows of photographs that may be fused, and how many may not, by reason."""
    if rules is not None:
        kept = allowed_rows(table, rules=rules)
        return kept, Counter({LICENSE: len(table) - len(kept)})
    allowed = [not terms_of(text or "").no_derivatives for text in table["license"].to_pylist()]
    kept = table.filter(pa.array(allowed, pa.bool_()))
    return kept, Counter({NO_DERIVATIVES: len(table) - len(kept)})


def _refuse_nothing(
    foregrounds: pa.Table, *, counts: Counter[str], backgrounds: pa.Table, unused: Counter[str], where: str
) -> None:
    no_person = "no row has an alpha or a mask, and is not fused already"
    no_scene = (
        f"none of the {unused[PERSON]} rows is known to show nobody" if unused[PERSON] else "the datasets are empty"
    )
    persons = "with persons as --foregrounds, e.g. made by `curate aifenge`"
    scenes = (
        "without persons as --backgrounds, e.g. made by `curate coco-background`, or `curate images --as background`"
    )
    for kind, table, left_out, reason, how in (
        ("foreground", foregrounds, counts, no_person, persons),
        ("background", backgrounds, unused, no_scene, scenes),
    ):
        if not len(table):
            number = left_out[LICENSE] + left_out[NO_DERIVATIVES]
            told = f"the licence of each of the {number} that could serve is not allowed" if number else reason
            remedy = f"name datasets {how}" + ("; or allow these licences with --licenses FILE" if number else "")
            raise InputRefused(f"there is no {kind}: {told}", where=where, remedy=remedy)


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


def _drawn(row: dict[str, Any], number: int, *, pool: dict[str, list[dict[str, Any]]], seed: int) -> dict[str, Any]:
    rng = generator_for(f"background of {row['id']}", seed=seed, number=number)
    choices = pool[split_of(row)]
    return choices[int(rng.integers(len(choices)))]


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
    return TaskRules(fusion=settings.rules, labels=labels, seed=settings.seed, max_side=settings.max_side)


def _told(settings: FusionSettings, *, datasets: Sequence[Dataset]) -> dict[str, Any]:
    manifests = [fingerprint_file(dataset.folder / MANIFEST)[:16] for dataset in datasets]
    names = {field.name: "licenses" if field.name == "allowed" else field.name for field in fields(FusionSettings)}
    told = {name: getattr(settings, own) for own, name in names.items()}
    told |= {"rules": asdict(settings.rules), "manifests": manifests}
    for name in ("second_person", "licenses"):
        if not told[name]:
            del told[name]  # datasets that were made before there was this setting are known again
    return told


def _source(datasets: Sequence[Dataset]) -> Source:
    """Return the source `fused`."""
    manifests = "".join(fingerprint_file(dataset.folder / MANIFEST) for dataset in datasets)
    fingerprint = hashlib.sha256(manifests.encode()).hexdigest()
    path = " + ".join(dataset.folder.name for dataset in datasets)
    return Source(name=SOURCE, path=path, fingerprint=fingerprint)


def _notes(items: Sequence[Item], *, pool: dict[str, list[dict[str, Any]]], unused: Counter[str]) -> dict[str, Any]:
    tasks: list[FusionTask] = [item.payload for item in items]
    seconds = sum(task.second is not None for task in tasks)
    by_license = {reason: number for reason, number in unused.items() if reason != PERSON}
    return {
        "alpha_from_mask": sum(task.foreground.label == "mask" for task in tasks),
        "without_split": sum(task.foreground.row["split"] is None for task in tasks),
        "backgrounds": {split: len(rows) for split, rows in pool.items()},
        "backgrounds_with_person": unused[PERSON],
        **({"backgrounds_by_license": by_license} if by_license else {}),
        **({"seconds_drawn": seconds} if seconds else {}),
    }
