"""Groups that names tell: frames of one clip, and copies of one photograph that an augmentation made."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final

from curation.errors import ConfigurationProblem

FOLDER: Final = "folder"
AUGMENTED: Final = re.compile(r"(?:.*/)?(?P<photo>[^/]+)\.rf\.[0-9A-Za-z]+")
"""Roboflow names the copies of IMG_1.jpg that it made IMG_1_jpg.rf.<hash>.jpg."""


def groups_by_name(names: Iterable[str], *, by: str | None, source: str) -> Mapping[str, str]:
    """Return the group of each of `names`, paths without a suffix, that tells one; without `by`, of augmented copies.

    Raises ConfigurationProblem for what is no regular expression, or matches none of the names.

    >>> dict(groups_by_name(["a/1", "a/2", "3"], by="folder", source="own"))
    {'a/1': 'own/a', 'a/2': 'own/a'}
    >>> dict(groups_by_name(["IMG_1_jpg.rf.0a", "IMG_1_jpg.rf.0b"], by=None, source="own"))
    {'IMG_1_jpg.rf.0a': 'own/IMG_1_jpg', 'IMG_1_jpg.rf.0b': 'own/IMG_1_jpg'}
    """
    names = list(names)
    if by is None:
        found = {name: match["photo"] for name in names if (match := AUGMENTED.fullmatch(name))}
    elif by.lower() == FOLDER:
        found = {name: folder for name in names if (folder := name.rpartition("/")[0])}
    else:
        pattern = _pattern(by)
        matches = ((name, pattern.search(name)) for name in names)
        found = {name: match[1] if pattern.groups else match[0] for name, match in matches if match}
        found = {name: text for name, text in found.items() if text}
    if by is not None and names and not found:
        raise ConfigurationProblem(
            f"--group-by {by!r} names a group for none of the {len(names):,} files; e.g. {names[0]!r}",
            remedy="give a regular expression that matches such paths, e.g. '^(.*)_[0-9]+$' for frames of clips",
        )
    return {name: f"{source}/{text}" for name, text in found.items()}


def grouping_line(groups: Mapping[str, str], *, by: str | None, names: int) -> list[str]:
    """Return the lines about groups, where names show any."""
    if not groups:
        return []
    how = "copies that an augmentation made (.rf. in their names)" if by is None else f"--group-by {by}"
    alone = names - len(groups)
    rest = f"; {alone:,} others stand for themselves" if alone else ""
    return [f"{how}: {len(groups):,} files in {len(set(groups.values())):,} groups{rest}"]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise ConfigurationProblem(
            f"--group-by {text!r} is no regular expression: {error}", remedy=f"give {FOLDER}, or a regular expression"
        ) from error
