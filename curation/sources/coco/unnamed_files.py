"""Files of an images folder that no record of its annotation files names: reported by kind, not ignored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unicodedata import normalize

from curation.images.folders import NAMES_KEPT, UNNAMED, list_folder
from curation.sources.coco.annotation_files import CocoSource


def unnamed_note(sources: Sequence[CocoSource]) -> dict[str, Any]:
    """Return the card's note on such files, by images folder: their number and first names by kind; none, no note."""
    named: dict[Path, set[str]] = {}
    for source in sources:
        paths = [*(source.path_of(image) for image in source.images), *(line.file for line in source.quarantined)]
        named.setdefault(source.folder, set()).update(normalize("NFC", path) for path in paths)
    found = {str(folder): kinds for folder, names in named.items() if (kinds := _unnamed(folder, names))}
    return {UNNAMED: found} if found else {}


def _unnamed(folder: Path, named: set[str]) -> dict[str, dict[str, Any]]:
    listing = list_folder(folder)
    kinds = {"image": [file.name for file in listing.files], **listing.left_out}
    unnamed = {
        kind: [name for name in names if normalize("NFC", f"{folder}/{name}") not in named]
        for kind, names in kinds.items()
    }
    return {kind: {"count": len(names), "names": names[:NAMES_KEPT]} for kind, names in unnamed.items() if names}
