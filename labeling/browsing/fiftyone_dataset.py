"""What a person browses: the samples of datasets as columns, the views saved for them, and what their tags mean. Pure.

Nothing here knows FiftyOne; `fiftyone_app` shows it there.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

import pyarrow as pa

from curation.byte_range import byte_range
from curation.dataset.dataset import FILE_COLUMNS, Dataset
from labeling.verdicts.verdict import VERDICTS
from models.evaluation.score_table import OUTDATED, outdated_ids
from models.metrics.summary import HARD_BELOW

Kind: TypeAlias = Literal["text", "number", "whole", "flag", "mask", "map", "class"]
GROUND_TRUTH, PREDICTION, PROBABILITY, ALPHA, VERDICT = "ground_truth", "prediction", "probability", "alpha", "verdict"
UID, DATASET, ID = "uid", "dataset", "curate_id"
MAIN_SCORES: Final = (
    "hard_rank", "miou", "label_doubt", "boundary_iou", "uncertainty_boundary", "label_quality", "contradicted",
)  # fmt: skip
HARD: Final = "hard"
"""The view that opens first, in the order of mining."""
RELABEL, DROP = "relabel", "drop"
REVIEWS: Final = (DROP, RELABEL)
"""Tags that a person sets; the first one counts where both are set, since what is dropped needs no label."""
REVIEW: Final = "review"
"""Column of a manifest that holds such a tag."""
SOURCES_SHOWN: Final = 20
TAKEN: Final = frozenset({"id", "filepath", "tags", "metadata", "media_type", "created_at", "last_modified_at"})
"""Names that FiftyOne keeps for itself."""
ELSEWHERE: Final = frozenset({"split", "width", "height", "sha256", REVIEW, *FILE_COLUMNS, *TAKEN})
"""Columns that are shown as tags, as pictures or by FiftyOne itself."""
ORDER: Final = ("text", "flag", "whole", "number")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Field:
    """One column: what kind of values it holds, and one for each sample, None where there is none."""

    kind: Kind
    values: Sequence[Any]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Browsed:
    """Samples to show: where each image is, its (width, height) as displayed, its tags, and all else by field.

    `tags` hold those that say something of the data, and a review that was read back earlier.
    """

    uids: Sequence[str]
    images: Sequence[str]
    sizes: Sequence[tuple[int, int]]
    tags: Sequence[list[str]]
    versions: Sequence[int]
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A saved view: samples where `field` has a value, or this `value`, or is below one, sorted by another field."""

    name: str
    meaning: str
    field: str = ""
    value: str | None = None
    below: float | None = None
    without: bool = False
    tag: str = ""
    sort_by: str = ""
    reverse: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pictures:
    """For each sample of a dataset: the image to show, and the mask that is cut from its prediction, or None.

    `labels` are files with what lies in tar files, by the names that rows give it.
    """

    images: Sequence[Path]
    predicted: Sequence[Path | None]
    labels: Mapping[str, Path]


def labels_of(folders: Sequence[Path]) -> list[str]:
    """Return a name for each dataset: that of its folder, or the whole path where two folders have one name.

    >>> labels_of([Path("/data/a"), Path("/data/b")])
    ['a', 'b']
    """
    names = [folder.resolve().name for folder in folders]
    return [name if names.count(name) == 1 else str(path.resolve()) for name, path in zip(names, folders, strict=True)]


def browsed(datasets: Sequence[Dataset], *, pictures: Sequence[Pictures]) -> Browsed:
    """Return the samples of datasets, one after the other; `pictures` holds what was prepared for each dataset."""
    labels = labels_of([dataset.folder for dataset in datasets])
    parts = [dataset.table.to_pylist() for dataset in datasets]
    rows = [row for part in parts for row in part]
    origin = [index for index, part in enumerate(parts) for _ in part]
    outdated = [outdated_ids(dataset) for dataset in datasets]
    predicted = [path for one in pictures for path in one.predicted]
    fields = {
        DATASET: Field(kind="text", values=[labels[index] for index in origin]),
        ID: Field(kind="text", values=[row["id"] for row in rows]),
        GROUND_TRUTH: _files(rows, column="mask", kind="mask", datasets=datasets, pictures=pictures, origin=origin),
        PREDICTION: Field(kind="mask", values=[None if path is None else str(path) for path in predicted]),
        PROBABILITY: _files(rows, column="prediction", kind="map", datasets=datasets, pictures=pictures, origin=origin),
        ALPHA: _files(rows, column="alpha", kind="map", datasets=datasets, pictures=pictures, origin=origin),
        VERDICT: Field(kind="class", values=[row.get(VERDICT) for row in rows]),
    }
    for name, kind in plain_columns([dataset.table for dataset in datasets]).items():
        fields.setdefault(name, Field(kind=kind, values=[_plain(row.get(name), kind=kind) for row in rows]))
    return Browsed(
        uids=[f"{labels[index]}/{row['id']}" for index, row in zip(origin, rows, strict=True)],
        images=[str(path) for one in pictures for path in one.images],
        sizes=[(row["width"], row["height"]) for row in rows],
        tags=[
            [*tags_of(row), *([OUTDATED] if row["id"] in outdated[index] else [])]
            for index, row in zip(origin, rows, strict=True)
        ],
        versions=[row["label_version"] for row in rows],
        fields={name: field for name, field in fields.items() if any(value is not None for value in field.values)},
    )


def tags_of(row: Mapping[str, Any]) -> list[str]:
    """Return the tags of a sample: its split, its label version, its round, and what was said of it earlier.

    >>> tags_of({"split": "val", "label_version": 1, "round": 3, "review": "relabel"})
    ['val', 'v1', 'round 3', 'relabel']
    """
    tags = [row["split"]] if row["split"] else []
    tags.append(f"v{row['label_version']}")
    if row.get("round") is not None:
        tags.append(f"round {row['round']}")
    return tags + [review for review in REVIEWS if row.get(REVIEW) == review]


def kept_tags(now: Sequence[str], *, wanted: Sequence[str], was_relabelled: bool) -> list[str]:
    """Return the tags of a sample that is shown already: those that a person set stay, ours become as wanted.

    A new label is the answer to `relabel`, which is then gone.

    >>> kept_tags(["val", "v0", "relabel", "mine"], wanted=["train", "v1"], was_relabelled=True)
    ['train', 'v1', 'mine']
    """
    ours = [tag for tag in wanted if tag not in REVIEWS]
    own = [tag for tag in now if not _is_ours(tag) and not (was_relabelled and tag == RELABEL)]
    return [*ours, *(tag for tag in own if tag not in ours)]


def review_of(tags: Sequence[str]) -> str | None:
    """Return what a person said of a sample with its tags.

    >>> review_of(["train", "relabel", "drop"])
    'drop'
    """
    return next((review for review in REVIEWS if review in tags), None)


def plain_columns(tables: Sequence[pa.Table]) -> dict[str, Kind]:
    """Return the columns that are shown as they are, with their kind; where datasets differ, the one that holds all."""
    found: dict[str, Kind] = {}
    for table in tables:
        for field in table.schema:
            kind = _kind(field.type)
            is_shown = field.name not in ELSEWHERE and not field.name.endswith("sha256") and field.name.isidentifier()
            if kind is None or not is_shown or field.name.startswith("_"):
                continue
            known = found.setdefault(field.name, kind)
            if known != kind:
                found[field.name] = "number" if {known, kind} == {"number", "whole"} else "text"
    return found


def views_of(shown: Browsed) -> list[View]:
    """Return the views worth saving for these samples: only those whose fields are there."""
    fields = shown.fields
    views = [*_hard_views(fields), *_weak_views(fields), *_pool_views(fields)]
    views += [View(name=f"to {tag}", meaning=f"samples with the tag {tag}", tag=tag) for tag in (RELABEL, DROP)]
    sources = Counter(fields["source"].values) if "source" in fields else Counter()
    if len(sources) > 1:
        common = sorted(source for source, _ in sources.most_common(SOURCES_SHOWN) if source is not None)
        views += [View(name=f"source {one}", meaning=f"from {one}", field="source", value=one) for one in common]
    return views


def _hard_views(fields: Mapping[str, Any]) -> Iterator[View]:
    if "hard_rank" in fields:
        yield View(name=HARD, meaning="hard cases, the worst first", field="hard_rank", sort_by="hard_rank")
    elif "miou" in fields:
        meaning = f"mIoU below {HARD_BELOW}, the worst first"
        yield View(name=HARD, meaning=meaning, field="miou", below=HARD_BELOW, sort_by="miou")


def _weak_views(fields: Mapping[str, Any]) -> Iterator[View]:
    if VERDICT in fields:
        yield View(
            name="likely label errors",
            meaning=VERDICTS["label_error"],
            field=VERDICT,
            value="label_error",
            sort_by=next((name for name in ("label_doubt", "contradicted") if name in fields), ""),
            reverse=True,
        )
    for name, meaning, field, reverse in (
        ("worst boundaries", "outlines that fit least, by boundary IoU", "boundary_iou", False),
        ("most uncertain", "outlines that the model is least sure of", "uncertainty_boundary", True),
    ):
        if field in fields:
            yield View(name=name, meaning=meaning, field=field, sort_by=field, reverse=reverse)


def _pool_views(fields: Mapping[str, Any]) -> Iterator[View]:
    masks = fields.get(GROUND_TRUTH)
    if masks is None or any(value is None for value in masks.values):
        yield View(
            name="pool",
            meaning="samples without a label",
            field=GROUND_TRUTH if masks else "",
            without=masks is not None,
            sort_by="uncertainty_boundary" if "uncertainty_boundary" in fields else "",
            reverse=True,
        )


def _files(
    rows: Sequence[Mapping[str, Any]],
    *,
    column: str,
    kind: Kind,
    datasets: Sequence[Dataset],
    pictures: Sequence[Pictures],
    origin: Sequence[int],
) -> Field:
    folders = [dataset.folder.resolve() for dataset in datasets]
    found = [
        None if row.get(column) is None else _file(row[column], folder=folders[index], labels=pictures[index].labels)
        for index, row in zip(origin, rows, strict=True)
    ]
    return Field(kind=kind, values=found)


def _file(name: str, *, folder: Path, labels: Mapping[str, Path]) -> str | None:
    if byte_range(name) is None:
        return str(folder / name)
    return str(labels[name]) if name in labels else None


def _is_ours(tag: str) -> bool:
    is_version = tag[:1] == "v" and tag[1:].isdecimal()
    return is_version or tag in {"train", "val", "test"} or tag.startswith("round ") or tag == OUTDATED


def _kind(kind: pa.DataType) -> Kind | None:
    if pa.types.is_floating(kind):
        return "number"
    if pa.types.is_integer(kind):
        return "whole"
    if pa.types.is_boolean(kind):
        return "flag"
    return "text" if pa.types.is_string(kind) or pa.types.is_large_string(kind) else None


def _plain(value: Any, *, kind: Kind) -> Any:
    if value is None or kind in {"whole", "flag"}:
        return value
    if kind == "number":
        return float(value) if math.isfinite(value) else None  # a slider cannot show it
    return str(value)
