"""Evaluations drawn by hand, with every number known, for tests of reports."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from models.evaluation.score_table import table_of_scores, write_scores
from tests.models.drawn import Sample, drawn_dataset, person, png, put, score_row


def draw_evaluation(
    folder: Path,
    *,
    before: Sequence[float | None] | None,
    after: Sequence[float | None],
    ids: Sequence[str] = (),
    text: str = "drawn",
) -> Path:
    """Write what `curate evaluate` leaves: mIoU `before` of the baseline and `after` of the model, and a data set.

    `text` stands in every other text: names of models, sources, licences. Ids that are no file names have no pictures.
    """
    names = list(ids) or [f"s{number:02}" for number in range(len(after))]
    data = folder.with_name(f"{folder.name}-data")
    dataset = drawn_dataset(data, [_sample(number, name=name, text=text) for number, name in enumerate(names)])
    folder.mkdir(parents=True)
    for place, values in ((folder, after), (folder / "baseline", before)):
        if values is not None:
            _write_scores(place, names=names, values=values, text=text)
            for number, name in enumerate(names):
                if "/" not in name and len(name) < 100:
                    put(place / "predictions" / f"{name}.png", png(person(top=10 + number % 20)))
    metrics = _metrics(data, manifest=dataset.card.manifest_sha256, before=before, after=after, text=text)
    (folder / "metrics.json").write_text(json.dumps(metrics))
    return folder


def _sample(number: int, *, name: str, text: str) -> Sample:
    gray = np.full((40, 30), number * 7 % 256, np.uint8)
    row = {"id": name, "source": text, "license": text, "split": "test"}
    return Sample(id=f"f{number}", prediction=gray, mask=person(), row=row)


def _metrics(
    data: Path, *, manifest: str, before: Sequence[float | None] | None, after: Sequence[float | None], text: str
) -> dict[str, Any]:
    told = {"path": text, "sha256": "a" * 64, "card_sha256": "b" * 64}
    counts = {"considered": len(after) + 3, "scored": len(after), "filtered": {"split": 3}, "quarantined": {}}
    finite = [value for value in after if value is not None]
    summary = {
        "images": len(after),
        "not_finite": len(after) - len(finite),
        "miou_image": float(np.mean(finite)) if finite else None,
    }
    return {
        "run": "r" * 16,
        "tool_version": text,
        "model": {"name": f"new {text}", **told},
        "baseline": None if before is None else {"name": f"old {text}", **told},
        "seed": 3,
        "precision": "fp32",
        "choice": {"split": "test", "where": None, "limit": None},
        "slices": {"size": "", "holes": ""},
        "sets": {"d": {"dataset": str(data), "manifest_sha256": manifest, "counts": counts}},
        "all": {"summary": summary},
    }


def _write_scores(place: Path, *, names: Sequence[str], values: Sequence[float | None], text: str) -> None:
    place.mkdir(exist_ok=True)
    rows = [
        score_row(
            name,
            miou=value,
            is_finite=value is not None,
            boundary_iou=value,
            source=text,
            person_area=0.02 if number % 2 else 0.6,
            **({} if value is None else {"tp": 5, "fp": 1, "fn": 1, "tn": 5}),
        )
        for number, (name, value) in enumerate(zip(names, values, strict=True))
    ]
    write_scores(place, tables=[table_of_scores(rows)])
