"""What is refused of annotation files and images folders as a whole, before anything is made."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from curation.dataset.sample import Item
from curation.errors import InputRefused
from curation.sources.coco.annotation_files import CocoSource
from curation.storage.files import folded
from curation.storage.followed_links import LOOKED_AT, refuse_links_alone


def refuse_missing_folders(folders: Sequence[Path]) -> None:
    """Refuse images folders that are not there, before anything is made."""
    for folder in folders:
        if not folder.is_dir():
            reason = "this is no folder" if folder.exists() else "there is no such folder"
            raise InputRefused(reason, where=folder, remedy="give the folder that holds the images as --images")


def refuse_wrong_folders(sources: Sequence[CocoSource]) -> None:
    """Refuse images folders that hold no image of their annotation file: each would be missing, one by one."""
    for source in sources:
        paths = [Path(source.path_of(image)) for image in source.images[:LOOKED_AT]]
        refuse_links_alone(paths, where=source.folder, links=source.links)
        if not source.images or any(os.path.lexists(source.path_of(image)) for image in source.images):
            continue
        if source.names.near:  # they are there, and each line says so
            continue
        name = source.images[0].file_name
        around = [source.folder.resolve().parent, *source.folder.iterdir()]
        inner = sorted(path for path in around if os.path.lexists(path / name))
        found = f"; it is in {inner[0]}" if inner else ""
        raise InputRefused(
            f"none of the {len(source.images):,} images of {source.file.path} is in this folder",
            where=source.folder,
            remedy=f"give the folder that holds {name} as --images{found}",
        )


def refuse_changed_files(sources: Sequence[CocoSource]) -> None:
    """Refuse annotation files that were written to while they were read: outlines are taken from them to the end."""
    for source in sources:
        if source.file.path.stat().st_mtime_ns != source.file.changed_ns:
            remedy = "run the command again when nothing writes to it"
            raise InputRefused("the file changed while it was being read", where=source.file.path, remedy=remedy)


def refuse_shared_ids(items: Iterable[Item]) -> None:
    """Refuse two pairs that give one id, to some file system, to two samples."""
    claimed: set[str] = set()
    for item in items:
        name = folded(item.id)
        if name in claimed:
            reason = f"two of the annotation files give the sample id {item.id!r}, but for upper and lower case"
            raise InputRefused(reason, remedy="give each pair once, and images folders of different names")
        claimed.add(name)
