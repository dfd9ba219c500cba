"""Which samples of a dataset a person gets next: what was tagged while browsing first, then by a selection."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from curation.errors import InputRefused
from curation.images.pixels import decode_gray
from curation.storage.files import read_file, safe_join
from labeling.browsing.fiftyone_dataset import DROP, RELABEL, REVIEW
from labeling.findings import Findings, worst_first
from labeling.selection.select import COVERING, Features, Strategy, select
from models.evaluation.score_table import PREDICTIONS

Row = Mapping[str, Any]
SEEN: Final = (
    "is_finite",
    "miou",
    "uncertainty_boundary",
    "view_disagreement",
    "verdict",
    "contradicted",
    "label_doubt",
)
"""What a selection looks at, of the findings about a sample."""
FEATURE_PX: Final = 16
"""Side of a prediction as features: 16 x 16 = 256 numbers. A convention."""


def next_samples(
    rows: Sequence[Row],
    *,
    findings: Findings,
    strategy: Strategy,
    budget: int | None,
    rng: np.random.Generator,
    features_of: Callable[[Sequence[Row]], Features] | None = None,
) -> list[Row]:
    """Return at most `budget` rows of a manifest in the order in which a person should look at them.

    Samples that a person tagged `relabel` come first, under every strategy; those tagged `drop` never come.
    `features_of` gives the features of rows where the strategy asks for them, by default `predicted_features`.
    Raises InputRefused for `views` where one view alone was predicted.
    """
    wanted = worst_first([row for row in rows if row.get(REVIEW) == RELABEL], findings=findings)
    others = [row for row in rows if row.get(REVIEW) not in (RELABEL, DROP)]
    number = len(others) if budget is None else max(0, budget - len(wanted))
    if strategy == "threshold":  # the rank that mining gave is finer
        return [*wanted, *worst_first(others, findings=findings)][:budget]
    found = [{"id": row["id"], **_seen(findings.rows.get(row["id"], {}))} for row in others]
    if strategy == "views":
        _refuse_one_view(found, folder=findings.folder)
    features = None
    if strategy in COVERING:
        features = (
            predicted_features(others, findings=findings) if features_of is None or not others else features_of(others)
        )
    chosen = select(found, strategy=strategy, budget=number, rng=rng, features=features)
    by_id = {row["id"]: row for row in others}
    return [*wanted, *(by_id[id_] for id_ in chosen)][:budget]


def predicted_features(rows: Sequence[Row], *, findings: Findings) -> Features:
    """Return the stored prediction of each sample, 16 x 16, as features: (n, 256); 0 where there is none."""
    features = np.zeros((len(rows), FEATURE_PX * FEATURE_PX), np.float32)
    for number, row in enumerate(rows):
        path = safe_join(findings.folder, f"{PREDICTIONS}/{row['id']}.png")
        if path.exists():
            stored = decode_gray(read_file(path, below=findings.folder), file=str(path))
            small = cv2.resize(stored, (FEATURE_PX, FEATURE_PX), interpolation=cv2.INTER_AREA)
            features[number] = np.asarray(small, np.float32).ravel() / 255
    return features


def _refuse_one_view(found: Sequence[Row], *, folder: Path) -> None:
    finite = [row for row in found if row["is_finite"]]
    if finite and all(row["view_disagreement"] is None for row in finite):
        raise InputRefused(
            "how far views of an image disagree is not known here: view_disagreement is missing or empty",
            where=folder,
            remedy="mine again with --with-flips or --with-scales (and --overwrite), or choose another selection",
        )


def _seen(found: Mapping[str, Any]) -> dict[str, Any]:
    """Return the findings about a sample, None for what is not known; what nobody predicted is not broken."""
    return {name: found.get(name) for name in SEEN} | {"is_finite": found.get("is_finite", True) is not False}
