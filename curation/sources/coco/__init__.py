"""COCO: images with large persons and their masks, and person-free backgrounds."""

from __future__ import annotations

from curation.sources.coco.backgrounds import BackgroundSelection, plan_backgrounds, work_background
from curation.sources.coco.person_sample import work_person
from curation.sources.coco.person_settings import PersonSelection
from curation.sources.coco.persons import plan_persons

__all__ = [
    "BackgroundSelection",
    "PersonSelection",
    "plan_backgrounds",
    "plan_persons",
    "work_background",
    "work_person",
]
