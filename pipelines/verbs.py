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


SERVER: Final = ("seed", "workers", "device", "limit", "max_quarantine", "overwrite", "dry_run")
"""Idle where a server is asked, and nothing is worked on."""


GROUPS: Final[dict[str, str]] = {
    "label": "Have masks corrected by hand in Label Studio: serve, push, pull, undo, status, check.",
}
"""Commands that hold others, and what they are for. The verb `push` of `label` is "label push" below."""


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
    "images": Entry(
        module="pipelines.images",
        function="images",
        meaning="Photographs without labels: a pool to mine, or backgrounds.",
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
    "fuse": Entry(
        module="pipelines.fuse",
        function="fuse",
        meaning="Persons on new backgrounds, without halos and leaks.",
        idle=("device",),
    ),
    "lineage": Entry(
        module="pipelines.lineage",
        function="lineage",
        meaning="Everything made from a photograph, and a dataset without it.",
        idle=IMPORTING,
    ),
    "duplicates": Entry(
        module="pipelines.duplicates",
        function="duplicates",
        meaning="Images that are there twice, leaks between splits first.",
        idle=("seed", "device", "overwrite"),
    ),
    "check-backgrounds": Entry(
        module="pipelines.check_backgrounds",
        function="check_backgrounds",
        meaning="Person-free images in which a model sees a person.",
        idle=("overwrite",),
    ),
    "gallery": Entry(
        module="pipelines.gallery",
        function="gallery",
        meaning="One HTML contact sheet to look at.",
        idle=("seed", "device", "max_quarantine", "overwrite"),
    ),
    "browse": Entry(
        module="pipelines.browse",
        function="browse",
        meaning="Browse, filter and tag samples in FiftyOne; pull reads the tags back.",
        idle=("seed", "device", "limit", "max_quarantine", "overwrite"),
    ),
    "browse pull": Entry(
        module="pipelines.browse_pull",
        function="pull",
        meaning="The tags relabel and drop from FiftyOne, into the dataset.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite"),
    ),
    "label serve": Entry(
        module="pipelines.label_serve",
        function="serve",
        meaning="Start Label Studio on this machine, for this user alone.",
        idle=SERVER,
    ),
    "label push": Entry(
        module="pipelines.label_push",
        function="push",
        meaning="Send samples to annotators, the worst first, with a mask to start from.",
        idle=("workers", "device", "max_quarantine", "overwrite"),
    ),
    "label pull": Entry(
        module="pipelines.label_pull",
        function="pull",
        meaning="Bring corrected masks into the dataset as new label versions.",
        idle=SERVER,
    ),
    "label undo": Entry(
        module="pipelines.label_undo",
        function="undo",
        meaning="Take a pull back: the labels before it count again.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite"),
    ),
    "label status": Entry(
        module="pipelines.label_status",
        function="status",
        meaning="How far the labeling is: counts, agreement, minutes per label.",
        idle=SERVER,
    ),
    "label check": Entry(
        module="pipelines.label_check",
        function="check",
        meaning="Send masks that are hard to carry, take them back, and compare.",
        idle=SERVER,
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
    "mine": Entry(
        module="pipelines.mine",
        function="mine",
        meaning="Find the images that a model gets wrong, and tell wrong labels from hard images.",
    ),
    "retrain": Entry(
        module="pipelines.retrain",
        function="retrain",
        meaning="One whole round: pull labels, train, compare, promote or keep, mine, push, report.",
        idle=("seed", "limit"),
    ),
    "report": Entry(
        module="pipelines.report",
        function="report",
        meaning="One page on an evaluation or a round: is the new model better, where, and at what cost.",
        idle=("seed", "device", "max_quarantine", "overwrite"),
    ),
    "registry": Entry(
        module="pipelines.registry",
        function="registry",
        meaning="Versions of a model, with names such as models:/portrait@champion.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite", "dry_run"),
    ),
    "schedule": Entry(
        module="pipelines.schedule",
        function="schedule",
        meaning="Rounds on a calendar, or when new labels are in; status tells how it goes.",
        idle=("seed", "limit", "max_quarantine", "overwrite"),
    ),
    "schedule status": Entry(
        module="pipelines.schedule_status",
        function="status",
        meaning="Whether a schedule is at work, what comes next, and what became of the last slots.",
        idle=SERVER,
    ),
    "init": Entry(
        module="pipelines.init",
        function="init",
        meaning="A commented configuration of the loop, to start from.",
        idle=("seed", "workers", "device", "limit", "max_quarantine"),
    ),
    "ablate": Entry(
        module="pipelines.ablate",
        function="ablate",
        meaning="What each part of a training is worth: arms and seeds in one table with intervals.",
    ),
    "simulate": Entry(
        module="pipelines.simulate",
        function="simulate",
        meaning="Which way to choose the next labels would have paid, on data whose labels are known.",
    ),
    "export": Entry(
        module="pipelines.export",
        function="export",
        meaning="A trained network as an ONNX file, checked against torch.",
        idle=("workers", "device", "max_quarantine"),
    ),
    "matte": Entry(
        module="pipelines.matte",
        function="matte",
        meaning="Trimaps to alphas, for a dataset or an image.",
        idle=IMPORTING,
    ),
    "cutout": Entry(
        module="pipelines.cutout",
        function="cutout",
        meaning="Cut people out of photographs: transparent, or on a new background.",
        idle=("seed", "max_quarantine"),
    ),
    "idphoto": Entry(
        module="pipelines.idphoto",
        function="idphoto",
        meaning="ID photos by size, colour and file size; print sheets.",
        idle=("seed", "max_quarantine"),
    ),
    "group": Entry(
        module="pipelines.group",
        function="group",
        meaning="Several people on one background.",
        idle=("seed", "max_quarantine"),
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
