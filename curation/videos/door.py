"""What is a video, and whether it can be read here. PyAV itself is imported by `read`, `encode` and `join` alone."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Final

from curation.errors import EnvironmentProblem
from curation.images.file_kinds import HEAD_BYTES, READ_SUFFIXES, stray_kind, suffix_of
from curation.quarantine import BadRecord
from curation.storage.files import read_start

SUFFIXES: Final = frozenset(
    {".mp4", ".m4v", ".mov", ".qt", ".mkv", ".webm", ".avi", ".ts", ".mts", ".m2ts", ".mpg", ".mpeg", ".vob"}
    | {".wmv", ".asf", ".flv", ".ogv", ".3gp", ".3g2", ".mxf"}
)
INSTALL: Final = "pip install 'portrait-curate[video]', or pip install av; or name images alone"


def require_av(video: Path) -> None:
    """Raise EnvironmentProblem, naming the package and how to get it, where videos cannot be read."""
    if find_spec("av") is None:
        reason = "this is a video, and the package `av` (PyAV), which reads videos, is not installed"
        raise EnvironmentProblem(reason, where=video, remedy=INSTALL)


def is_video_name(name: str) -> bool:
    """Tell whether a file is named as a video.

    >>> is_video_name("a/B.MOV"), is_video_name("a.jpg")
    (True, False)
    """
    return suffix_of(name) in SUFFIXES


def is_video(file: Path) -> bool:
    """Tell whether a file is a video, by its name, and where that says nothing by its first bytes."""
    if is_video_name(file.name) or suffix_of(file.name) in READ_SUFFIXES:
        return is_video_name(file.name)
    try:
        return stray_kind(read_start(file, below=file.parent, length=HEAD_BYTES)) == "video"
    except (BadRecord, OSError):
        return False  # whoever reads it says what is wrong
