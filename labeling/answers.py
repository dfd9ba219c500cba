"""What a person says of a label: the answers that are possible, and the columns that keep them."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

STATUS: Final = "label_status"
ANNOTATOR: Final = "label_annotator"
SECONDS: Final = "label_seconds"
ANNOTATED_AT: Final = "label_annotated_at"
ANNOTATION: Final = "label_annotation"
AGREEMENT: Final = "label_agreement"


class Answer(StrEnum):
    """What an annotator says of a picture; the value is the choice as it is shown."""

    RIGHT = "right"
    FIXED = "fixed"
    OTHER = "other right"
    NO_PERSON = "no person"
    AMBIGUOUS = "ambiguous"
    UNUSABLE = "unusable"


LABELLED: Final = frozenset({Answer.RIGHT, Answer.FIXED, Answer.NO_PERSON})
"""What an annotator says of a label that trains."""
MEANINGS: Final[dict[Answer, str]] = {
    Answer.RIGHT: "the blue mask is right as it was shown",
    Answer.FIXED: "I changed the blue mask, and it is right now",
    Answer.OTHER: "the mask inside the orange line is right; take that one",
    Answer.NO_PERSON: "nobody is in the picture; leave the mask empty",
    Answer.AMBIGUOUS: "nobody can tell where the person ends",
    Answer.UNUSABLE: "the picture should not be in the data",
}
