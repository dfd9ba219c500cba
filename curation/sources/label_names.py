"""How labels are called beside their images: 0001_mask.png, 0001.jpg.png, mask_0001.png."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from curation.errors import InputRefused
from curation.images.folders import OTHER_FILE, FoundFile, Listing
from curation.quarantine import Code
from curation.sources.match_by_name import Matching, without_suffix
from curation.storage.files import folded

LOOKED_AT: Final = 2000
"""So many labels tell how all are called."""


def label_key(
    images: Mapping[str, str], *, files: Iterable[FoundFile], prefix: str, suffix: str
) -> Callable[[str], str]:
    """Return what turns the path of a label into the key of its image: without prefix and suffix.

    A label that is called like the whole file of an image, x.jpg.png, is that image's. `images` are paths by key, of
    the `files`.
    """
    whole = {unicodedata.normalize("NFC", file.name): without_suffix(file.name) for file in files}

    def key(name: str) -> str:
        stem = bare(name, prefix=prefix, suffix=suffix)
        composed = unicodedata.normalize("NFC", stem)
        return stem if composed in images else whole.get(composed, stem)

    return key


def bare(name: str, *, prefix: str, suffix: str) -> str:
    """Return the path of a label without the suffix of its file, and without what its name begins and ends with.

    >>> bare("a/mask_1_seg.png", prefix="mask_", suffix="_seg"), bare("a/1.jpg.png", prefix="", suffix=".jpg")
    ('a/1', 'a/1')
    """
    folder, slash, file = name.rpartition("/")
    file = file.removesuffix(suffix) if suffix and file.endswith(suffix) else without_suffix(file).removesuffix(suffix)
    return folder + slash + file.removeprefix(prefix)


def only_labels(listing: Listing, *, prefix: str, suffix: str) -> Listing:
    """Return a listing in which only files with this prefix and suffix are labels; others are left out, and counted."""
    if not prefix and not suffix:
        return listing
    is_label = {file: _is_named(file.name, prefix=prefix, suffix=suffix) for file in listing.files}
    others = [file.name for file, is_one in is_label.items() if not is_one]
    left_out = dict(listing.left_out)
    if others:
        left_out[OTHER_FILE] = tuple(sorted([*left_out.get(OTHER_FILE, ()), *others]))
    return replace(listing, files=tuple(file for file in listing.files if is_label[file]), left_out=left_out)


def refuse_other_names(matching: Matching, *, roots: tuple[Path, Path]) -> None:
    """Refuse folders without a single pair whose labels are called in a way that can be told; else return.

    Raises InputRefused, naming the pattern and the option for it.
    """
    lonely = [[one for one in matching.lonely if one.code is code] for code in (Code.NO_MASK, Code.ORPHAN_MASK)]
    images, labels = ([str(one.record_id) for one in some] for some in lonely)
    if not images or not labels:
        return
    by_fold = {folded(key): key for key in images}
    if any(folded(key) in by_fold for key in labels):
        _refuse(matching, reason="their names differ in upper and lower case", remedy="rename one side", roots=roots)
    found = Counter(pattern for label in labels[:LOOKED_AT] for pattern in _patterns(label, keys=set(images)))
    if not found:
        return
    (prefix, suffix), count = max(found.items(), key=lambda one: (one[1], -len(one[0][0] + one[0][1])))
    how = " and ".join([f"begin with {prefix!r}"] * bool(prefix) + [f"end in {suffix!r}"] * bool(suffix))
    options = " ".join([f"--label-prefix {prefix}"] * bool(prefix) + [f"--label-suffix {suffix}"] * bool(suffix))
    reason = f"the names of {count:,} labels {how}, where those of the images do not"
    _refuse(matching, reason=reason, remedy=f"give {options}", roots=roots)


def _patterns(label: str, *, keys: set[str]) -> Iterable[tuple[str, str]]:
    """Yield what a label's name has before and behind the name of an image, the longest such name first."""
    folder, slash, file = label.rpartition("/")
    for length in range(len(file) - 1, 0, -1):
        fitting = [
            (file[:start], file[start + length :])
            for start in range(len(file) - length + 1)
            if folder + slash + file[start : start + length] in keys
        ]
        if fitting:
            yield min(fitting, key=lambda around: all(around))  # first what is on one side alone
            return


def _refuse(matching: Matching, *, reason: str, remedy: str, roots: tuple[Path, Path]) -> None:
    first = {one.code: one.file for one in reversed(matching.lonely)}
    raise InputRefused(
        f"no image has a label of the same name: {reason}; e.g. {first[Code.NO_MASK]} and {first[Code.ORPHAN_MASK]}",
        where=roots[0],
        remedy=f"{remedy}; an image and its label have the same path below their folders, but for the suffix",
    )


def _is_named(name: str, *, prefix: str, suffix: str) -> bool:
    file = name.rpartition("/")[2]
    return file.startswith(prefix) and (file.endswith(suffix) or without_suffix(file).endswith(suffix))
