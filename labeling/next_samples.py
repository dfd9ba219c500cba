"""Which samples of a dataset a person gets next: what was tagged while browsing first, then by a selection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import cv2
import numpy as np

from curation.files import read_file, safe_join
from curation.pixels import decode_gray
from labeling.browsing import DROP, RELABEL, REVIEW
from labeling.label_studio.prefill import Findings, worst_first
from labeling.selection import Features, Strategy, select
from models.scores import PREDICTIONS

Row = Mapping[str, Any]
SEEN: Final = ("is_finite", "miou", "uncertainty_boundary", "verdict", "contradicted")
"""What a selection looks at, of the findings about a sample."""
FEATURE_PX: Final = 16


def next_samples(
    rows: Sequence[Row], *, findings: Findings, strategy: Strategy, budget: int | None, rng: np.random.Generator
) -> list[Row]:
    """Give at most `budget` rows of a manifest in the order in which a person should look at them.

    Samples that a person tagged `relabel` come first, under every strategy; those tagged `drop` never come.
    """
    wanted = worst_first([row for row in rows if row.get(REVIEW) == RELABEL], findings=findings)
    others = [row for row in rows if row.get(REVIEW) not in (RELABEL, DROP)]
    number = len(others) if budget is None else max(0, budget - len(wanted))
    if strategy == "threshold":  # the rank that mining gave is finer
        return [*wanted, *worst_first(others, findings=findings)][:budget]
    found = [{"id": row["id"], **_seen(findings.rows.get(row["id"], {}))} for row in others]
    features = features_of(others, findings=findings) if strategy in ("diverse", "mixed") else None
    chosen = select(found, strategy=strategy, budget=number, rng=rng, features=features)
    by_id = {row["id"]: row for row in others}
    return [*wanted, *(by_id[id_] for id_ in chosen)][:budget]


def features_of(rows: Sequence[Row], *, findings: Findings) -> Features:
    """Give what the model makes of each sample, (n, 256): its prediction, 16 x 16; 0 where there is none."""
    features = np.zeros((len(rows), FEATURE_PX * FEATURE_PX), np.float32)
    for number, row in enumerate(rows):
        path = safe_join(findings.folder, f"{PREDICTIONS}/{row['id']}.png")
        if path.exists():
            stored = decode_gray(read_file(path, below=findings.folder), file=str(path))
            small = cv2.resize(stored, (FEATURE_PX, FEATURE_PX), interpolation=cv2.INTER_AREA)
            features[number] = np.asarray(small, np.float32).ravel() / 255
    return features


def _seen(found: Mapping[str, Any]) -> dict[str, Any]:
    """Give the findings about a sample, None for what is not known; what nobody predicted is not broken."""
    return {name: found.get(name) for name in SEEN} | {"is_finite": found.get("is_finite", True) is not False}
