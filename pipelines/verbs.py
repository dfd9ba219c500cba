"""The commands of `curate`: where each lives, and what it does in one line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where a verb lives. It is imported only when it is called, so that `--help` is quick.

    `idle` names the flags of every command that change nothing for this one.
    """

    module: str
    function: str
    meaning: str
    idle: tuple[str, ...] = ()


IMPORTING: Final = ("seed", "device")
"""Idle where a dataset is made from a source: nothing is drawn at random, and no model runs."""


VERBS: Final[dict[str, Entry]] = {
    "coco-person": Entry(
        module="pipelines.coco_person",
        function="coco_person",
        meaning="Images with large persons from COCO, with merged person masks.",
        idle=IMPORTING,
    ),
    "coco-background": Entry(
        module="pipelines.coco_background",
        function="coco_background",
        meaning="Person-free images from COCO, for fusion.",
        idle=IMPORTING,
    ),
    "aifenge": Entry(
        module="pipelines.aifenge",
        function="aifenge",
        meaning="AiFenGe cut-out PNGs to alphas, masks and trimaps.",
        idle=IMPORTING,
    ),
    "celebamask": Entry(
        module="pipelines.celebamask",
        function="celebamask",
        meaning="CelebAMask-HQ part masks to person masks and class maps.",
        idle=IMPORTING,
    ),
    "portrait2000": Entry(
        module="pipelines.portrait2000",
        function="portrait2000",
        meaning='"Automatic Portrait Matting" pairs to alphas, masks and trimaps.',
        idle=IMPORTING,
    ),
    "pairs": Entry(
        module="pipelines.pairs",
        function="pairs",
        meaning="Any folder of images and masks or alphas.",
        idle=IMPORTING,
    ),
    "stats": Entry(
        module="pipelines.stats",
        function="stats",
        meaning="What is in a dataset; --verify checks its files.",
        idle=("seed", "device", "limit", "max_quarantine", "overwrite", "dry_run"),
    ),
    "split": Entry(
        module="pipelines.split",
        function="split",
        meaning="Split a dataset by group into train, val, test.",
        idle=("workers", "device", "limit", "max_quarantine"),
    ),
    "merge": Entry(module="pipelines.merge", function="merge", meaning="Join datasets into one.", idle=IMPORTING),
    "gallery": Entry(
        module="pipelines.gallery",
        function="gallery",
        meaning="One HTML contact sheet to look at.",
        idle=("seed", "device", "max_quarantine", "overwrite"),
    ),
    "models": Entry(
        module="pipelines.models",
        function="models",
        meaning="The networks that can be trained, and what they cost.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite", "dry_run"),
    ),
    "train": Entry(
        module="pipelines.train",
        function="train",
        meaning="Train a network, in stages that can be stopped and resumed.",
        idle=("max_quarantine",),
    ),
    "evaluate": Entry(
        module="pipelines.evaluate",
        function="evaluate",
        meaning="Score a model on data sets, find its worst images, compare it with another.",
    ),
    "export": Entry(
        module="pipelines.export",
        function="export",
        meaning="A trained network as an ONNX file, checked against torch.",
        idle=("workers", "device", "max_quarantine"),
    ),
    "demo": Entry(
        module="pipelines.demo",
        function="demo",
        meaning="The main job on sample data, from nothing.",
        idle=("device",),
    ),
    "doctor": Entry(
        module="pipelines.doctor",
        function="doctor",
        meaning="What works on this machine, and how to mend the rest.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite", "dry_run"),
    ),
}
