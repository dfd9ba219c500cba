"""What `curate predict` is given: images and videos, by name and in folders, each with a name of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from curation.errors import InputRefused
from curation.videos.door import is_video, is_video_name, require_av
from pipelines.photos.photographs import Given, Photograph, named, photographs

VIDEO = "video"
"""Why a folder of images leaves a file out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """The images, with all that was left out and what is broken, and the videos."""

    images: Given
    videos: list[Photograph]


def given_inputs(given: Sequence[Path], *, out: Path, limit: int | None) -> Inputs:
    """Return the images and videos that files and folders name; of two of the same name, the later gets a number.

    Raises InputRefused where there is none, or `out` is a folder that is read; EnvironmentProblem where a video is
    among them and videos cannot be read here.
    """
    for path in given:
        if path.is_dir() and path.resolve() == out.resolve():
            raise InputRefused("this folder is read, and would be written to", where=out, remedy="choose another --out")
    files = [path for path in given if not path.is_dir() and is_video(path)]
    others = [path for path in given if path not in files]
    images = photographs(others, limit=None, elsewhere=out, may_be_none=True)
    seen = {reason: [name for name in names if _is_ours(reason, name)] for reason, names in images.left_out.items()}
    inside = [Path(name) for names in seen.values() for name in names]
    videos = named([one for path in given for one in _videos_of(path, files=files, inside=inside)])
    if not videos and not images.chosen:
        photographs(others, limit=None)  # says what there is instead
    left_out = {
        reason: kept
        for reason, names in images.left_out.items()
        if (kept := [name for name in names if name not in seen[reason]])
    }
    if videos:
        require_av(videos[0].file)
    return _limited(Inputs(images=replace(images, left_out=left_out), videos=videos), limit=limit)


def _is_ours(reason: str, name: str) -> bool:
    return reason == VIDEO or (is_video_name(name) and reason in {"audio", "other_file", "text"})


def _videos_of(path: Path, *, files: Sequence[Path], inside: Sequence[Path]) -> list[tuple[Path, str]]:
    """Return the videos that one input names, with their names in the output: of a folder, the path below it."""
    if path in files:
        return [(path, path.stem)]
    found = [file for file in inside if path.is_dir() and file.is_relative_to(path)]
    return [(file, str(PurePosixPath(file.relative_to(path)).with_suffix(""))) for file in sorted(found)]


def _limited(found: Inputs, *, limit: int | None) -> Inputs:
    """Return the first images, then videos, up to the limit."""
    images, videos = found.images.chosen, found.videos
    if limit is None or len(images) + len(videos) <= limit:
        return found
    cut = [*images[limit:], *videos[max(0, limit - len(images)) :]]
    left_out = found.images.left_out | {"limit": [str(one.file) for one in cut]}
    kept = replace(found.images, chosen=images[:limit], left_out=left_out)
    return Inputs(images=kept, videos=videos[: max(0, limit - len(images))])
