"""COCO: images with large persons and their masks, and person-free backgrounds."""

from __future__ import annotations

from curation.coco.backgrounds import BackgroundSelection, plan_backgrounds, work_background
from curation.coco.person_selection import CATEGORY_MEANING, PersonSelection
from curation.coco.person_work import work_person
from curation.coco.persons import plan_persons

__all__ = [
    "CATEGORY_MEANING",
    "BackgroundSelection",
    "PersonSelection",
    "plan_backgrounds",
    "plan_persons",
    "work_background",
    "work_person",
]
