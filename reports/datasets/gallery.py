"""One HTML contact sheet of datasets: a single file that opens from the disk and asks nothing of the network.

Where it still lies beside the datasets, a close-up shows their own files, pixel by pixel; elsewhere its small pictures.

Ids, file names and reasons come from data that anybody may have made. They reach the page as escaped text or as JSON
that the script puts in as text; the policy in the page's head allows no script but ours, by its hash.
"""

from __future__ import annotations

import base64
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec
import numpy as np

from curation.building.workers import RunnerOptions, run_items
from curation.dataset.card import tool_version
from curation.dataset.class_names import CLASSES
from curation.dataset.dataset import Dataset, read_quarantine
from curation.dataset.query import select_rows
from curation.dataset.sample import COLUMNS, Item, Outcome, Sample
from curation.image_uri import FILE, file_of_uri, image_uri
from curation.images.pixels import decode_gray, decode_image, decode_mask, encode_image
from curation.images.thumbnails import outline_path, thumbnail, thumbnail_size
from curation.storage.checksums import check_row_digest
from curation.storage.files import named_file, read_file, safe_join, write_durable
from curation.storage.safe_id import SafeId
from models.data.class_maps import PREDICTED_CLASSES
from models.data.truth import IGNORED, has_truth, read_truth
from models.evaluation.score_table import OUTDATED, outdated_ids
from reports.page.class_colours import class_tile, palette
from reports.page.templates import page_templates, policy_hash, refuse_other_page
from reports.page.thumbnails import alpha_tile, error_paths, prediction_path, trimap_tile

QUARANTINE_SHOWN: Final = 500
SIGNIFICANT_DIGITS: Final = 4
RANK: Final = "hard_rank"
ORIGINALS: Final = ("image", "mask", "alpha", "trimap")
NOTES: Final = ("verdict", "review", "mined_from", "mined_id", "teacher_doubt", "label_source")
"""Columns of text that commands add and a card shows."""
PREDICTED_VIEW: Final = "predicted classes"


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryOptions:
    """Which samples are shown: at most `limit` of those for which the pandas `query` holds.

    `verdicts` says what the values of the column `verdict` mean.
    """

    limit: int = 500
    query: str | None = None
    verdicts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class GalleryResult:
    """What was written: how many samples are shown of how many, how many pictures failed, and the size in bytes."""

    shown: int
    total: int
    failed: int
    size_bytes: int


def write_gallery(
    datasets: Sequence[Dataset],
    *,
    out: Path,
    options: GalleryOptions,
    runner: RunnerOptions,
    progress: Callable[[int], None] | None = None,
) -> GalleryResult:
    """Write the contact sheet of `datasets` to the file `out`; `progress` is called with the number of samples drawn.

    A sample whose files cannot be read gets a card that says so. The page is the same for any number of workers.
    Raises InputRefused when `out` is a file of something else, or the query does not fit.
    """
    refuse_other_page(out, kind="gallery -->", name="gallery")
    items = gallery_items(datasets, options=options)
    cards: dict[str, dict[str, Any]] = {}
    for outcome in run_items(items, work=draw_sample, folder=out.parent, stage="gallery", options=runner):
        cards[outcome.id] = _card_of(outcome)
        if progress is not None:
            progress(len(cards))
    rows = [_facts(item.payload, page=out) | cards[item.id] for item in items]
    page = "".join(render(datasets, rows=rows, options=options)).encode()
    write_durable(out, page)
    failed = sum("problem" in row for row in rows)
    return GalleryResult(shown=len(rows), total=sum(map(len, datasets)), failed=failed, size_bytes=len(page))


def gallery_items(datasets: Sequence[Dataset], *, options: GalleryOptions) -> list[Item]:
    """Return one item for each sample to show, in the order of datasets; hard cases go by rank, others by id."""
    items: list[Item] = []
    tables = [select_rows(dataset, options.query) for dataset in datasets]
    shares = equal_shares([table.num_rows for table in tables], limit=options.limit)
    for index, (dataset, table, share) in enumerate(zip(datasets, tables, shares, strict=True)):
        outdated = outdated_ids(dataset)
        ranked = [(RANK, "ascending")] if RANK in table.column_names else []
        for row in table.sort_by([*ranked, ("id", "ascending")]).slice(0, share).to_pylist():
            payload = {"folder": str(dataset.folder.resolve()), "dataset": index, "row": row}
            payload["outdated"] = row["id"] in outdated
            shown = SafeId(f"{index}-{row['id']}")
            items.append(Item(id=shown, payload=payload, file=str(dataset.folder / str(row["image"]))))
    return items


def equal_shares(sizes: Sequence[int], *, limit: int) -> list[int]:
    """Return how many of each dataset are shown: equally many, or all where it has fewer, and `limit` together.

    >>> equal_shares([900, 10, 700], limit=100)
    [45, 10, 45]
    """
    shares = list(sizes)
    for rank, index in enumerate(sorted(range(len(sizes)), key=sizes.__getitem__)):
        shares[index] = min(sizes[index], limit // (len(sizes) - rank))
        limit -= shares[index]
    return shares


def draw_sample(item: Item, folder: Path) -> Outcome:
    """Draw the small pictures of one sample; they come back as columns of a sample that is never stored.

    Raises BadRecord when one of its files is missing or broken.
    """
    row, origin = item.payload["row"], Path(item.payload["folder"])

    def read(column: str) -> tuple[bytes, str]:
        path = named_file(origin, row[column])
        data = read_file(path)
        check_row_digest(data, row=row, column=column, file=path)
        return data, str(path)

    data, file = read("image")
    image = decode_image(data, file=file)
    size = thumbnail_size((image.shape[0], image.shape[1]))
    pictures: dict[str, Any] = {"image": _text(thumbnail(image, size=size)), "height": size[0], "width": size[1]}
    if row["mask"] is not None:
        data, file = read("mask")
        pictures["outline"] = outline_path(decode_mask(data, file=file), size=size)
    if row["alpha"] is not None:
        data, file = read("alpha")
        pictures["alpha"] = _text(alpha_tile(decode_gray(data, file=file), size=size))
    if row["trimap"] is not None:
        data, file = read("trimap")
        pictures["trimap"] = _text(trimap_tile(decode_gray(data, file=file), size=size))
    if row.get(CLASSES) is not None:
        data, file = read(CLASSES)
        pictures[CLASSES] = _text(class_tile(image, classes=decode_gray(data, file=file), size=size))
    if row.get(PREDICTED_CLASSES) is not None:
        data, file = read(PREDICTED_CLASSES)
        pictures[PREDICTED_VIEW] = _text(class_tile(image, classes=decode_gray(data, file=file), size=size))
    if row.get("ignore") is not None:
        data, file = read("ignore")
        ignored = np.where(decode_gray(data, file=file) == IGNORED, np.uint8(255), np.uint8(0))
        pictures["ignored"] = outline_path(ignored, size=size)
    if row.get("prediction") is not None:
        pictures |= _compared(row, origin=origin, size=size)
    known = {name: row[name] for name in COLUMNS}
    return Outcome(id=item.id, sample=Sample(**known, extra=pictures))


def _compared(row: Mapping[str, Any], *, origin: Path, size: tuple[int, int]) -> dict[str, str]:
    """Return the outline of the prediction and, where there is a label, the two kinds of errors."""
    path = safe_join(origin, row["prediction"])
    probability = decode_gray(read_file(path), file=str(path))
    drawn = {"prediction": prediction_path(probability, size=size)}
    if has_truth(row):
        truth = read_truth(row, folder=origin, with_alpha=False)
        drawn["extra"], drawn["missed"] = error_paths(probability, label=truth.mask, valid=truth.valid, size=size)
    return drawn


def render(datasets: Sequence[Dataset], *, rows: Sequence[dict[str, Any]], options: GalleryOptions) -> Iterator[str]:
    """Yield the page piece by piece; `rows` are plain data, one for each card."""
    names = [dataset.folder.resolve().name for dataset in datasets]
    labels = [name if names.count(name) == 1 else str(d.folder) for name, d in zip(names, datasets, strict=True)]
    lines = [line for dataset in datasets for line in msgspec.to_builtins(read_quarantine(dataset.folder))]
    yield from (
        page_templates()
        .get_template("gallery.html.j2")
        .generate(
            title=", ".join(dict.fromkeys(names)),
            labels=labels,
            datasets=[_summary(dataset) for dataset in datasets],
            rows=rows,
            total=sum(map(len, datasets)),
            query=options.query,
            verdicts=_verdicts(rows, meanings=options.verdicts),
            with_errors=any("missed" in row.get("pictures", {}) for row in rows),
            classes=_legend(datasets) if any(_has_classes(row.get("pictures", {})) for row in rows) else [],
            with_ignored=any(row.get("pictures", {}).get("ignored") for row in rows),
            quarantine=lines[:QUARANTINE_SHOWN],
            quarantine_more=max(0, len(lines) - QUARANTINE_SHOWN),
            tool_version=tool_version(),
            script_hash=policy_hash("gallery.js"),
            style_hash=policy_hash("gallery.css"),
        )
    )


def _verdicts(rows: Sequence[Mapping[str, Any]], *, meanings: Mapping[str, str]) -> list[tuple[str, int, str]]:
    """Return the verdicts that occur and mean something: name, samples, meaning."""
    counts = Counter(row["notes"].get("verdict") for row in rows)
    return [(name, counts[name], meaning) for name, meaning in meanings.items() if counts[name]]


def _has_classes(pictures: Mapping[str, Any]) -> bool:
    return CLASSES in pictures or PREDICTED_VIEW in pictures


def _legend(datasets: Sequence[Dataset]) -> list[tuple[str, str]]:
    """Return the classes that the cards of datasets name, in the order of their values: name, colour as PNG in text."""
    notes = [one.card.notes.get(kind, {}) for kind in (PREDICTED_CLASSES, CLASSES) for one in datasets]
    names = {int(value): name for note in notes for name, value in note.items()}
    return [(names[value], _text(encode_image(palette()[value][None, None]))) for value in sorted(names)]


def _summary(dataset: Dataset) -> dict[str, Any]:
    card = dataset.card
    counts = card.counts
    return {
        "name": dataset.folder.resolve().name,
        "command": card.command,
        "considered": counts.considered,
        "parts": [
            {"kind": "selected", "number": counts.selected, "reasons": {}},
            {"kind": "filtered", "number": sum(counts.filtered.values()), "reasons": counts.filtered},
            {"kind": "quarantined", "number": sum(counts.quarantined.values()), "reasons": counts.quarantined},
        ],
        "records": card.records,
        "sources": [source.name for source in card.sources],
    }


def _facts(payload: dict[str, Any], *, page: Path) -> dict[str, Any]:
    """Return what a card says about its sample; numbers that commands added become `scores`, and `files` are those of
    its pictures as seen from the page, for whoever looks at every pixel where both still lie."""
    row = payload["row"]
    scores = {
        name: float(f"{value:.{SIGNIFICANT_DIGITS}g}")
        for name, value in row.items()
        if name not in COLUMNS and isinstance(value, int | float) and value == value  # NaN is not equal to itself
    }
    return {
        "dataset": payload["dataset"],
        "id": row["id"],
        "size": [row["width"], row["height"]],
        "area": row["person_area"],
        "persons": row["persons"],
        "split": row["split"],
        "source": row["source"],
        "source_id": row["source_id"],
        "license": row["license"],
        "version": row["label_version"],
        "files": {
            name: f"./{quote(os.path.relpath(place, page.resolve().parent))}"
            for name in ORIGINALS
            if row.get(name) is not None and (place := _place(row[name], folder=payload["folder"])) is not None
        },
        "scores": scores,
        "notes": {name: row[name] for name in NOTES if isinstance(row.get(name), str)}
        | ({"scores": OUTDATED} if payload["outdated"] else {}),
    }


def _place(name: str, *, folder: str) -> Path | None:
    """Return where on this machine a file lies that a row names; None where it lies in an object store."""
    if (uri := image_uri(name)) is None:
        return Path(folder) / name
    return file_of_uri(uri) if uri.startswith(FILE) else None


def _card_of(outcome: Outcome) -> dict[str, Any]:
    if outcome.sample is not None:
        return {"pictures": outcome.sample.extra}
    record = outcome.records[0]
    return {"problem": f"{record.code}: {record.reason}"}


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
