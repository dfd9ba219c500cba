"""The settings that several sources, and other commands that make data sets, have, each declared once."""

from __future__ import annotations

from typing import Any

from curation.setting import setting


def verify_setting() -> Any:
    """Declare `verify: Verify`."""
    meaning = "How images are checked: full (every pixel is decoded), or structure (quicker, misses damaged pixels)."
    return setting(meaning, default="full")


def follow_links_setting() -> Any:
    """Declare `follow_links: tuple[Path, ...]`, see `followed`."""
    meaning = "Follow symbolic links that lead into this folder, and no others; repeat for several."
    return setting(meaning, default=(), metavar="DIR", added=True)


def image_uris_setting() -> Any:
    """Declare `image_uris: bool`, see `curation.image_uri`."""
    meaning = (
        "Leave images where they are, and name them by URI (s3://..., file:///...), rather than link or copy them; "
        "CURATE_IMAGES_FROM must allow the place."
    )
    return setting(meaning, default=False, added=True)


def label_frame_setting() -> Any:
    """Declare `label_frame: LabelFrame | None`."""
    meaning = (
        "Orientation of the labels of images that EXIF turns: that of the stored image, or of the shown one.  "
        "[default: as shown; where the outline fits the stored image, the pair is set aside]"
    )
    return setting(meaning, default=None)


def threshold_setting(default: int) -> Any:
    """Declare `threshold: int`, see `LabelRules`."""
    return setting("A pixel is person where its alpha (0..255) is larger.", default=default, metavar="N")


def trimap_kernel_setting(default: str) -> Any:
    """Declare `trimap_kernel: str`, see `LabelRules`."""
    meaning = "Side of the trimap's ellipse in pixels; auto scales it with the person, none makes no trimaps."
    return setting(meaning, default=default, metavar="N|auto|none")


def group_by_setting(*, added: bool = False) -> Any:
    """Declare `group_by: str | None`, see `groups_by_name`."""
    meaning = (
        "What belongs together and is never split apart, such as the frames of a clip: folder, or a regular expression "
        "whose first group (or whole match) in the path below the folder names it."
    )
    return setting(meaning, default=None, metavar="folder|REGEX", added=added)


def shards_setting() -> Any:
    """Declare `shards: bool`, see `curation.building.shards`."""
    meaning = "Keep the labels in a few tar files, labels/part-*.tar, as WebDataset reads them, not in one file each."
    return setting(meaning, default=False, added=True)
