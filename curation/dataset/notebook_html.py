"""What a notebook shows of a dataset: its counts, and thumbnails with the outline of the mask.

Ids and reasons come from data that anybody may have made: all text is escaped, and pictures are drawn again.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from html import escape
from itertools import islice
from typing import Final

from curation.dataset.card import Counts
from curation.dataset.stored_sample import StoredSample
from curation.errors import InputRefused
from curation.images.thumbnails import outline_path, thumbnail, thumbnail_size

SHOWN: Final = 6
SIDE_PX: Final = 160


def dataset_html(title: str, *, counts: Counts, samples: Iterable[StoredSample]) -> str:
    """Return the line that names a dataset, its counts, and the first samples as pictures."""
    rows = [("considered", counts.considered), ("selected", counts.selected)]
    rows += [(f"filtered: {reason}", number) for reason, number in counts.filtered.items()]
    rows += [(f"quarantined: {code}", number) for code, number in counts.quarantined.items()]
    cells = "".join(f"<tr><td>{escape(name)}</td><td>{number:,}</td></tr>" for name, number in rows)
    figures = "".join(_figure(sample) for sample in islice(samples, SHOWN))
    return f"{escaped_lines(title)}<table>{cells}</table><div>{figures}</div>"


def escaped_lines(text: str) -> str:
    """Return a text for a page as it is, line by line."""
    return f"<pre>{escape(text)}</pre>"


def _figure(sample: StoredSample) -> str:
    try:
        image, mask = sample.image, sample.mask
    except InputRefused as problem:
        shown = f"<em>{escape(problem.reason)}</em>"
    else:
        height, width = size = thumbnail_size((image.shape[0], image.shape[1]), longest=SIDE_PX)
        data = base64.b64encode(thumbnail(image, size=size)).decode()
        outline = "" if mask is None else outline_path(mask, size=size)
        shown = (
            f'<svg width="{width}" height="{height}"><image href="data:image/webp;base64,{data}" width="{width}" '
            f'height="{height}"/><path d="{outline}" fill="none" stroke="#f0f" fill-rule="evenodd"/></svg>'
        )
    style = f"display:inline-block;margin:4px;max-width:{SIDE_PX}px;overflow-wrap:anywhere;vertical-align:top"
    return f'<figure style="{style}">{shown}<figcaption>{escape(sample.id)}</figcaption></figure>'
