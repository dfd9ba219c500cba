"""Which COCO images become samples with person masks: the settings, and whether they make sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from curation.coco.person_work import Crowd
from curation.errors import ConfigurationProblem
from curation.files import fingerprint_file
from curation.originals import Verify

CATEGORY_MEANING: Final = "Category of persons, by name or id; repeat for several.  [default: the one called person]"
"""The help of `--category`, of every command that has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSelection:
    """Which COCO images become samples with person masks."""

    annotations: tuple[Path, ...]
    """COCO instances files."""
    images: tuple[Path, ...]
    """The images folder of each annotation file, in the same order."""
    min_area: float = 0.05
    """Keep an image when its people cover at least this share of the frame."""
    max_persons: int | None = None
    """Keep an image with at most so many people."""
    crowd: Crowd = "filter"
    """Images with a crowd of people: left out (filter), kept with the crowd marked in ignores/ (ignore), or kept with
    each crowd taken for a person (persons), as where a tool writes every mask as a crowd."""
    keypoints: tuple[Path, ...] = ()
    """COCO person keypoints files, one for each annotation file; needed for --portrait."""
    portrait: bool = False
    """Keep only images whose largest person is framed like a half-body portrait."""
    verify: Verify = "full"
    """How closely each image is checked: every pixel (full), or its structure alone."""
    limit: int | None = None
    """Take only so many images, the first by image id."""
    category: tuple[str, ...] = ()
    """The categories of persons, by name or id; without any, that called person."""
    follow_links: tuple[Path, ...] = ()
    """Folders that links may lead into."""


def check_selection(selection: PersonSelection) -> None:
    """Refuse settings that make no sense; raises ConfigurationProblem."""
    problem = ""
    if not 0 <= selection.min_area <= 1:
        problem = f"--min-area is a share of the frame from 0 to 1, got {selection.min_area}"
    elif selection.max_persons is not None and selection.max_persons < 1:
        problem = f"--max-persons is at least 1, got {selection.max_persons}"
    elif selection.portrait and len(selection.keypoints) != len(selection.annotations):
        problem = "--portrait needs one --keypoints file for each --annotations file"
    elif selection.keypoints and not selection.portrait:
        problem = "--keypoints is only used with --portrait"
    if problem:
        raise ConfigurationProblem(problem, remedy="correct the option; `curate coco-person --help` lists them")


def settings_of(selection: PersonSelection) -> dict[str, Any]:
    """Give the settings for the dataset's card; keypoints files by their fingerprint."""
    plain = {name: getattr(selection, name) for name in ("min_area", "max_persons", "crowd", "portrait", "verify")}
    plain |= added_settings(selection)
    return plain | {
        "limit": selection.limit,
        "images": [str(folder) for folder in selection.images],
        "keypoints": [fingerprint_file(path) for path in selection.keypoints],
    }


def added_settings(selection: Any) -> dict[str, Any]:
    """Return the settings for the card that came after the first version, where they are given."""
    given = {"category": list(selection.category), "follow_links": [str(folder) for folder in selection.follow_links]}
    return {name: value for name, value in given.items() if value}
