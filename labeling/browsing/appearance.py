"""How the App looks when a dataset opens: which fields are shown, in what groups and colours. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from labeling.browsing.fiftyone_dataset import (
    ALPHA,
    DATASET,
    GROUND_TRUTH,
    ID,
    MAIN_SCORES,
    PREDICTION,
    PROBABILITY,
    UID,
    VERDICT,
    Field,
)

PERSON: Final = 255
COLOURS: Final = {GROUND_TRUTH: "#009e73", PREDICTION: "#d55e00"}
"""Green and vermillion, which can be distinguished with every kind of colour blindness; where both are, they mix.
Source: Okabe and Ito, "Color Universal Design", 2008."""
VERDICT_COLOURS: Final = {
    "label_error": "#cc79a7",
    "model_error": "#0072b2",
    "ambiguous": "#e69f00",
    "boundary_only": "#56b4e9",
    "ok": "#009e73",
}
OPACITY: Final = 0.5
PICTURES: Final = (GROUND_TRUTH, PREDICTION, PROBABILITY, ALPHA, VERDICT)
SHOWN: Final = (GROUND_TRUTH, PREDICTION, VERDICT, "miou")
"""Fields that are switched on; a heat map over them would hide the photograph."""
GUIDE: Final = (
    "Masks are not drawn in this App. Give a sample the tag relabel or drop, and read the tags back with "
    "`curate browse pull`. `curate label push` sends samples to Label Studio, where people correct masks; "
    "`curate label pull` brings these back."
)
"""What the App says of the dataset, and of its labels."""
METADATA: Final = ("metadata.width", "metadata.height", "metadata.num_channels", "metadata.size_bytes")


def sidebar(fields: Mapping[str, Field]) -> list[tuple[str, list[str], bool]]:
    """Return the groups of the sidebar: name, paths, whether it is open."""
    others = [name for name in fields if name not in {*PICTURES, *MAIN_SCORES}]
    scores = [name for name in others if fields[name].kind == "number" and name != "person_area"]
    facts = [name for name in others if name not in scores]
    groups = [
        ("tags", ["tags"], True),
        ("labels", [name for name in PICTURES if name in fields], True),
        ("main scores", [name for name in MAIN_SCORES if name in fields], True),
        ("sample", [*sorted(facts, key=_rank), "id", UID, "filepath", "created_at", "last_modified_at"], False),
        ("more scores", scores, False),
        ("metadata", [*METADATA, "metadata.mime_type"], False),
    ]
    return [(name, paths, is_open) for name, paths, is_open in groups if paths]


def shown(fields: Mapping[str, Field]) -> list[str]:
    """Return the fields that are switched on when the dataset opens."""
    return [name for name in SHOWN if name in fields]


def colours(fields: Mapping[str, Field]) -> dict[str, Any]:
    """Return the colours: label and prediction apart, verdicts apart, and a scale for probabilities."""
    by_field: list[dict[str, Any]] = [
        {
            "path": name,
            "fieldColor": colour,
            "maskTargetsColors": [{"intTarget": PERSON, "color": colour}],
        }
        for name, colour in COLOURS.items()
        if name in fields
    ]
    if VERDICT in fields:
        values = [{"value": value, "color": colour} for value, colour in VERDICT_COLOURS.items()]
        by_field.append({"path": VERDICT, "colorByAttribute": "label", "valueColors": values})
    return {
        "color_by": "value",
        "fields": by_field,
        "opacity": OPACITY,
        "default_colorscale": {"name": "viridis", "list": None},
    }


def _rank(name: str) -> tuple[bool, str]:
    return (name not in {DATASET, ID}, name)
