"""What an annotator sees and can say: our label config, and whether a project still has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from curation.errors import InputRefused
from curation.quarantine import printable
from curation.storage.files import sha256_of
from labeling.answers import MEANINGS, Answer
from labeling.label_tools.label_studio.server.responses import Control

IMAGE: Final = "image"
BRUSH: Final = "mask"
VERDICT: Final = "verdict"
PERSON: Final = "person"
OTHER: Final = "other mask"
"""Labels the outline of a mask that is offered beside the one to start from; it is only looked at."""
BLUE, ORANGE = "#1e88e5", "#ff6d00"
"""Of the mask to start from, and of the outline of the other."""
DRAWN: Final = frozenset({"brush", "bitmask", "polygon", "ellipse", "rectangle"})
"""What can be drawn that we read: tags and types of regions are named after it, as `PolygonLabels` and `polygon`."""
LABELS: Final = "labels"
SAID: Final = frozenset(
    {"choices", "textarea", "rating", "number", "datetime", "taxonomy", "pairwise", "ranker", "relation"}
)
"""What is said of a picture or of a region, and draws nothing."""
HELPERS: Final = frozenset({"magicwand"})
"""Tools that draw regions of another tool, here of the brush."""


def hash_of(config: str) -> str:
    """Return what a label config is known by in tasks and ledgers."""
    return sha256_of(config.encode())[:16]


KEYS: Final = {verdict: str(number) for number, verdict in enumerate(Answer, start=2)}
"""The key of each answer, and of the brush: digits, since letters belong to Label Studio's tools."""
BRUSH_KEY: Final = "1"
CONFIG: Final = f"""<View>
  <Choices name="{VERDICT}" toName="{IMAGE}" choice="single" showInline="true" required="true"
    requiredMessage="Choose one of the answers above the picture first: what did you find?">
{chr(10).join(f'    <Choice value="{one}" hotkey="{KEYS[one]}" hint="{MEANINGS[one]}"/>' for one in Answer)}
  </Choices>
  <BrushLabels name="{BRUSH}" toName="{IMAGE}" opacity="0.45">
    <Label value="{PERSON}" background="{BLUE}" hotkey="{BRUSH_KEY}"/>
    <Label value="{OTHER}" background="{ORANGE}" visible="false"/>
  </BrushLabels>
  <Image name="{IMAGE}" value="$image" zoom="true" zoomControl="true" brightnessControl="true"
    maxHeight="calc(100vh - 270px)"/>
</View>"""
CONFIG_HASH: Final = hash_of(CONFIG)
FORMER_CONFIGS: Final = frozenset({"4dc5a604fc648c4f"})
"""The hashes of our configs of earlier versions, in which an answer was not required."""


def tool_of(name: str) -> str:
    """Return what a tag or a type of region draws with; `labels` alone names what another tool has drawn.

    >>> tool_of("PolygonLabels"), tool_of("polygon"), tool_of("Labels")
    ('polygon', 'polygon', 'labels')
    """
    return name.lower().removesuffix(LABELS) or LABELS


def person_labels(
    controls: Mapping[str, Control | Mapping[str, Any]], *, accepted: Iterable[str], where: str
) -> frozenset[str]:
    """Return the labels that mean a person in a project, whose config Label Studio has parsed.

    `accepted` are names that the user says mean the same, for a project whose labels were renamed.
    Raises InputRefused when our brush or our choices have names that we do not know.
    """
    known = frozenset({PERSON, *accepted})
    brush, choices = (_labels(controls, name=name) for name in (BRUSH, VERDICT))
    if unknown := sorted(brush - known - {OTHER}):
        raise unknown_labels(unknown, where=where)
    if not brush:
        raise InputRefused(
            f"the project has no brush named {BRUSH!r} any more",
            where=where,
            remedy=f"restore the label config under Settings, or push to another --project; ours is:\n{CONFIG}",
        )
    if strange := sorted(choices - set(Answer)):
        raise InputRefused(
            f"the project has choices that are not ours: {', '.join(strange)}",
            where=where,
            remedy=f"name them again as they were: {', '.join(Answer)}",
        )
    return known


def unread_tools(controls: Mapping[str, Control | Mapping[str, Any]]) -> list[str]:
    """Return the tools of a project whose regions are not read, each with its name and its tag."""
    read = DRAWN | SAID | HELPERS | {LABELS}
    types = {name: control.type for name, control in _known(controls).items()}
    return sorted(printable(f"{name} ({type_})") for name, type_ in types.items() if tool_of(type_) not in read)


def unknown_labels(unknown: Iterable[str], *, where: str) -> InputRefused:
    """Say that labels came back which nobody said the meaning of."""
    names = sorted(unknown)
    hints = [" ".join(f"--{flag}-label {name!r}" for name in names) for flag in ("person", "other")]
    return InputRefused(
        f"the project has labels that are not ours: {', '.join(map(repr, names))}",
        where=where,
        remedy=f"where that means a person, pull with {hints[0]}; where it means something else, with {hints[1]}, and "
        f"its regions are left out. Or name it {PERSON!r} again. Nothing was changed",
    )


def _labels(controls: Mapping[str, Control | Mapping[str, Any]], *, name: str) -> set[str]:
    known = _known(controls)
    return set(known[name].labels) if name in known else set()


def _known(controls: Mapping[str, Control | Mapping[str, Any]]) -> dict[str, Control]:
    """Return the tools as they are known; those that are such already pass as they are."""
    return msgspec.convert(controls, dict[str, Control])
