"""What an annotator sees and can say: our label config, and whether a project still has it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final

from curation.errors import InputRefused
from curation.files import sha256_of

IMAGE: Final = "image"
BRUSH: Final = "mask"
VERDICT: Final = "verdict"
PERSON: Final = "person"


class Verdict(StrEnum):
    """What an annotator says of a picture; the value is the choice as it is shown."""

    RIGHT = "right"
    FIXED = "fixed"
    NO_PERSON = "no person"
    AMBIGUOUS = "ambiguous"
    UNUSABLE = "unusable"


MEANINGS: Final[dict[Verdict, str]] = {
    Verdict.RIGHT: "the mask was right as it was shown",
    Verdict.FIXED: "the mask is right now",
    Verdict.NO_PERSON: "nobody is in the picture; leave the mask empty",
    Verdict.AMBIGUOUS: "nobody can tell where the person ends",
    Verdict.UNUSABLE: "the picture should not be in the data",
}
CONFIG: Final = f"""<View>
  <Image name="{IMAGE}" value="$image" zoom="true" zoomControl="true" brightnessControl="true"/>
  <BrushLabels name="{BRUSH}" toName="{IMAGE}">
    <Label value="{PERSON}" background="#1e88e5"/>
  </BrushLabels>
  <Choices name="{VERDICT}" toName="{IMAGE}" choice="single" showInline="true">
{chr(10).join(f'    <Choice value="{verdict}" hint="{MEANINGS[verdict]}"/>' for verdict in Verdict)}
  </Choices>
</View>"""
CONFIG_HASH: Final = sha256_of(CONFIG.encode())[:16]
INSTRUCTION: Final = (
    "Paint the person, with hair and all that is held or worn; erase what is none. Then say what you found: "
    + "; ".join(f"<b>{verdict}</b>: {MEANINGS[verdict]}" for verdict in Verdict)
    + "."
)


def person_labels(parsed: Mapping[str, Any], *, accepted: Iterable[str], where: str) -> frozenset[str]:
    """Give the labels that mean a person in a project, whose config Label Studio has parsed.

    `accepted` are names that the user says mean the same, for a project whose labels were renamed.
    Raises InputRefused when the project has labels or choices that we do not know.
    """
    known = frozenset({PERSON, *accepted})
    brush, choices = _labels(parsed, name=BRUSH), _labels(parsed, name=VERDICT)
    if unknown := sorted(brush - known):
        raise unknown_labels(unknown, where=where)
    if not brush:
        raise InputRefused(
            f"the project has no brush named {BRUSH!r} any more",
            where=where,
            remedy=f"restore the label config under Settings, or push to another --project; ours is:\n{CONFIG}",
        )
    if strange := sorted(choices - set(Verdict)):
        raise InputRefused(
            f"the project has choices that are not ours: {', '.join(strange)}",
            where=where,
            remedy=f"name them again as they were: {', '.join(Verdict)}",
        )
    return known


def unknown_labels(unknown: Iterable[str], *, where: str) -> InputRefused:
    """Say that labels came back which nobody said the meaning of."""
    names = sorted(unknown)
    hint = " ".join(f"--person-label {name!r}" for name in names)
    return InputRefused(
        f"the label config was changed since the push: {', '.join(map(repr, names))} is none of our labels",
        where=where,
        remedy=f"where that means a person, pull with {hint}; else name it {PERSON!r} again. Nothing was changed",
    )


def _labels(parsed: Mapping[str, Any], *, name: str) -> set[str]:
    control = parsed.get(name) or {}
    return set(control.get("labels") or ())
