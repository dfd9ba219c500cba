"""Labels that a model made: the columns that tell which model, under which licence, and what spoke for the label.

A row with these columns and a mask has the mask of a model, unless a person drew it anew, which empties them. A row
without a mask was left for people: there they tell of the prediction that a person starts from.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import pyarrow as pa

LABEL_SOURCE: Final = "label_source"
"""Names of the models whose label it is, joined by ` + `."""
LABEL_LICENSE: Final = "label_license"
"""The licences of these models, each once, joined by ` + `; null where none is known."""
BETWEEN: Final = " + "
UNKNOWN: Final = "unknown"
TEACHER_AGREEMENT: Final = "teacher_agreement"
"""How alike the labels of the models are, or the views of one: the mean mIoU of all pairs, 0..1."""
TEACHER_DOUBT: Final = "teacher_doubt"
"""Why the label is left for people; null where it was kept."""


def is_by_model(row: Mapping[str, Any]) -> bool:
    """Tell whether the mask of a row of a manifest was made by a model."""
    return row.get(LABEL_SOURCE) is not None and row.get("mask") is not None


def told_source(row: Mapping[str, Any]) -> str:
    """Return which models made the label of a row, with their licences.

    >>> told_source({"label_source": "a + b", "label_license": "MIT"}), told_source({"label_source": "a"})
    ('a + b (MIT)', 'a (unknown licence)')
    """
    return f"{row[LABEL_SOURCE]} ({row.get(LABEL_LICENSE) or 'unknown licence'})"


def label_licenses(tables: Iterable[pa.Table]) -> tuple[str, ...]:
    """Return the licences of the models that made labels in manifests, each once; those not known are left out."""
    found: dict[str, None] = {}
    for table in tables:
        if LABEL_LICENSE in table.column_names:
            rows = table.select(["mask", LABEL_SOURCE, LABEL_LICENSE]).to_pylist()
            for text in {row[LABEL_LICENSE] for row in rows if is_by_model(row) and row[LABEL_LICENSE]}:
                found |= dict.fromkeys(text.split(BETWEEN))
    return tuple(sorted(found.keys() - {UNKNOWN}))


def counted_sources(table: pa.Table) -> dict[str, int]:
    """Return how many labels of a manifest were made by which models, with their licences; {} where none was."""
    if LABEL_SOURCE not in table.column_names:
        return {}
    columns = [name for name in ("mask", LABEL_SOURCE, LABEL_LICENSE) if name in table.column_names]
    rows = table.select(columns).to_pylist()
    return dict(Counter(told_source(row) for row in rows if is_by_model(row)).most_common())
