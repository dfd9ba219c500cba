"""Which COCO images become samples with person masks: the settings, and whether they make sense."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from curation.errors import ConfigurationProblem
from curation.labels.source_images import Verify
from curation.setting import setting
from curation.sources.coco.person_sample import Crowd
from curation.sources.shared_settings import follow_links_setting, image_uris_setting, verify_setting
from curation.storage.files import fingerprint_file


def annotations_setting() -> Any:
    """Declare `annotations: tuple[Path, ...]`."""
    return setting("Instances JSON file, 2014 or 2017; repeat for several.", metavar="JSON")


def images_setting() -> Any:
    """Declare `images: tuple[Path, ...]`, a folder for each file of `annotations`."""
    return setting("Folder with its images; one for each --annotations, in turn.", metavar="DIR")


def category_setting() -> Any:
    """Declare `category: tuple[str, ...]`."""
    meaning = "Category of persons, by name or id; repeat for several.  [default: the one called person]"
    return setting(meaning, default=(), metavar="NAME|ID")


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonSelection:
    """Which COCO images become samples with person masks."""

    annotations: tuple[Path, ...] = annotations_setting()
    images: tuple[Path, ...] = images_setting()
    min_area: float = setting("Least share of the frame that persons must cover together, 0..1.", default=0.05)
    max_persons: int | None = setting("Most persons in an image.", default=None, metavar="N")
    category: tuple[str, ...] = category_setting()
    crowd: Crowd = setting(
        "Images with a person crowd region: leave them out, mark those pixels 128 in ignores/<id>.png, or take each "
        "crowd for a person, since CVAT writes persons so.",
        default="filter",
    )
    keypoints: tuple[Path, ...] = setting(
        "person_keypoints JSON file, for --portrait; one for each --annotations, in turn.", default=(), metavar="JSON"
    )
    portrait: bool = setting("Keep only half-body portraits: face visible, upper body large.", default=False)
    verify: Verify = verify_setting()
    limit: int | None = None
    """Take only so many images, the first by image id."""
    follow_links: tuple[Path, ...] = follow_links_setting()
    image_uris: bool = image_uris_setting()


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
    """Return the settings for the dataset's card; keypoints files by their fingerprint."""
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
    given |= {"image_uris": selection.image_uris}
    return {name: value for name, value in given.items() if value}
