"""What annotators read when they begin: what to do first, which keys there are, and pictures of the answers.

Label Studio keeps of the instructions what is HTML without styles, scripts and inline images; so the pictures are
tables with coloured cells.
"""

from __future__ import annotations

from typing import Final

from labeling.answers import MEANINGS, Answer
from labeling.label_tools.label_studio.project.label_config import BLUE, BRUSH_KEY, KEYS, ORANGE

CELL_PX: Final = 9
COLOURS: Final = {".": "#eceff1", "p": "#8d6e63", "b": BLUE, "o": ORANGE}
"""Of nobody, of a person outside the mask, of the mask to start from, of the outline of the other mask."""
PICTURES: Final = {
    Answer.RIGHT: """
        ..............
        .....bbbb.....
        ....bbbbbb....
        ....bbbbbb....
        .....bbbb.....
        ...bbbbbbbb...
        ..bbbbbbbbbb..
        ..bbbbbbbbbb..""",
    Answer.FIXED: """
        ..............
        .....pppp.....
        ....pppppp....
        ....pppppp....
        .....bbbb.....
        ...bbbbbbbbbbb
        ..bbbbbbbbbbbb
        ..bbbbbbbbbbbb""",
    Answer.OTHER: """
        ....oooooo....
        ...oppppppo...
        ...oppppppo...
        ...oppppppo...
        ..ooobbbbooo..
        .opbbbbbbbppo.
        opbbbbbbbbbppo
        opbbbbbbbbbppo""",
}
BENEATH: Final = {
    Answer.RIGHT: "blue covers the person, and nothing else",
    Answer.FIXED: "blue lacks the head, and covers what is no person: paint, erase, then say so",
    Answer.OTHER: "the orange line goes around the person better than blue does",
}


def instruction() -> str:
    """Return the instructions as HTML."""
    answers = "".join(
        f"<tr><td><kbd>{KEYS[one]}</kbd></td><td><b>{one}</b></td><td>{MEANINGS[one]}</td></tr>" for one in Answer
    )
    pictures = "".join(
        f'<td valign="top" width="200">{_table(PICTURES[one])}<b>{one}</b>: {BENEATH[one]}</td>' for one in BENEATH
    )
    return (
        "<p>1. <b>First select the blue mask</b>: press <kbd>Alt</kbd> + <kbd>.</kbd> or click it under Regions; "
        "the eraser changes only what is selected. Where there is no blue mask, paint one.</p>"
        f"<p>2. Paint the person, with hair and all that is held or worn (brush <kbd>{BRUSH_KEY}</kbd>); erase what "
        "is none (eraser <kbd>E</kbd>, brush again <kbd>B</kbd>; <kbd>[</kbd> and <kbd>]</kbd> change the size).</p>"
        "<p>3. Choose one answer above the picture, by click or key; after painting or erasing that is "
        f"<b>{Answer.FIXED}</b>, since the others leave out what you drew.</p>"
        "<p>4. Submit: <kbd>Ctrl</kbd> + <kbd>Enter</kbd>. Skip what somebody else shall look at.</p>"
        f'<table cellpadding="4"><tr>{pictures}</tr></table><table cellpadding="3">{answers}</table>'
    )


def _table(picture: str) -> str:
    """Return a picture of letters as a table."""
    rows = []
    for line in picture.split():
        cells = "".join(f'<td bgcolor="{COLOURS[one]}" width="{CELL_PX}" height="{CELL_PX}"></td>' for one in line)
        rows.append(f"<tr>{cells}</tr>")
    return f'<table cellspacing="0" cellpadding="0">{"".join(rows)}</table>'
