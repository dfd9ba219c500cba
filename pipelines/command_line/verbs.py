"""The commands of `curate`: where each lives, and what it does in one line."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pipelines.command_line.options import Verb


@dataclass(frozen=True, slots=True)
class Entry:
    """Where a verb lives: a function in a module of the same name.

    `idle` names the flags of every command that change nothing for this one.
    """

    module: str
    meaning: str
    idle: tuple[str, ...] = ()

    def load(self) -> Verb:
        """Import the verb; only when it is called, so that `--help` is quick."""
        verb: Verb = getattr(import_module(self.module), self.module.rpartition(".")[2])
        return verb


IMPORTING: Final = ("seed", "device")
"""Idle where a dataset is made from a source: nothing is drawn at random, and no model runs."""
LOOKING_UP: Final = ("seed", "workers", "engine", "device", "limit", "max_quarantine", "overwrite", "dry_run")
"""Idle where a verb only asks for something, and works on no samples."""
ASKING: Final = tuple(name for name in LOOKING_UP if name != "engine")
"""Idle where machines are asked, but get no work."""
GROUPS: Final[dict[str, str]] = {
    "label": "Have masks corrected by hand in Label Studio: serve, push, pull, undo, status, check.",
}
"""Commands that hold others, and what they are for. The verb `push` of `label` is "label push" below."""
VERBS: Final[dict[str, Entry]] = {
    "coco-person": Entry(
        "pipelines.sources.coco_person",
        "Images with large persons from COCO, with merged person masks.",
        idle=IMPORTING,
    ),
    "coco-background": Entry(
        "pipelines.sources.coco_background", "Person-free images from COCO, for fusion.", idle=IMPORTING
    ),
    "aifenge": Entry("pipelines.sources.aifenge", "AiFenGe cut-out PNGs to alphas, masks and trimaps.", idle=IMPORTING),
    "celebamask": Entry(
        "pipelines.sources.celebamask", "CelebAMask-HQ part masks to person masks and class maps.", idle=IMPORTING
    ),
    "portrait2000": Entry(
        "pipelines.sources.portrait2000",
        '"Automatic Portrait Matting" pairs to alphas, masks and trimaps.',
        idle=IMPORTING,
    ),
    "pairs": Entry("pipelines.sources.pairs", "Any folder of images and masks or alphas.", idle=IMPORTING),
    "images": Entry(
        "pipelines.sources.images", "Photographs without labels: a pool to mine, or backgrounds.", idle=IMPORTING
    ),
    "hf": Entry("pipelines.exchange.hf", "A parquet data set with image and mask columns.", idle=IMPORTING),
    "stats": Entry(
        "pipelines.datasets.stats",
        "What is in a dataset; --verify checks its files.",
        idle=("seed", "device", "limit", "max_quarantine", "overwrite", "dry_run"),
    ),
    "split": Entry(
        "pipelines.datasets.split",
        "Split a dataset by group into train, val, test.",
        idle=("workers", "device", "limit", "max_quarantine", "engine"),
    ),
    "merge": Entry("pipelines.datasets.merge", "Join datasets into one.", idle=IMPORTING),
    "convert": Entry(
        "pipelines.exchange.convert",
        "A data set in another tool's form: coco, voc, folders, tfrecord, webdataset, hf.",
        idle=IMPORTING,
    ),
    "fuse": Entry("pipelines.datasets.fuse", "Persons on new backgrounds, without halos and leaks.", idle=("device",)),
    "lineage": Entry(
        "pipelines.datasets.lineage", "Everything made from a photograph, and a dataset without it.", idle=IMPORTING
    ),
    "duplicates": Entry(
        "pipelines.datasets.duplicates",
        "Images that occur twice, leaks between splits first.",
        idle=("seed", "device", "overwrite"),
    ),
    "check-backgrounds": Entry(
        "pipelines.datasets.check_backgrounds",
        "Person-free images in which a model sees a person.",
        idle=("overwrite",),
    ),
    "gallery": Entry(
        "pipelines.datasets.gallery",
        "One HTML contact sheet to look at.",
        idle=("seed", "device", "max_quarantine", "overwrite"),
    ),
    "browse": Entry(
        "pipelines.labels.browse",
        "Browse, filter and tag samples in FiftyOne; pull reads the tags back.",
        idle=("seed", "device", "limit", "max_quarantine", "overwrite", "engine"),
    ),
    "browse pull": Entry(
        "pipelines.labels.browse_pull",
        "The tags relabel and drop from FiftyOne, into the dataset.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite", "engine"),
    ),
    "prelabel": Entry(
        "pipelines.labels.prelabel",
        "Labels from models for a pool, kept where they agree; the rest is for people.",
        idle=("seed",),
    ),
    "label serve": Entry(
        "pipelines.labels.serve", "Start Label Studio on this machine, for this user alone.", idle=LOOKING_UP
    ),
    "label push": Entry(
        "pipelines.labels.push",
        "Send samples to annotators, the worst first, with a mask to start from.",
        idle=("workers", "device", "max_quarantine", "overwrite", "engine"),
    ),
    "label pull": Entry(
        "pipelines.labels.pull", "Bring corrected masks into the dataset as new label versions.", idle=LOOKING_UP
    ),
    "label undo": Entry(
        "pipelines.labels.undo",
        "Undo a pull: the labels before it count again.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "overwrite", "engine"),
    ),
    "label status": Entry(
        "pipelines.labels.status", "The progress of labeling: counts, agreement, minutes per label.", idle=LOOKING_UP
    ),
    "label check": Entry(
        "pipelines.labels.check", "Send difficult masks to Label Studio, take them back, and compare.", idle=LOOKING_UP
    ),
    "models": Entry(
        "pipelines.training.models", "The networks that can be trained, and what they cost.", idle=LOOKING_UP
    ),
    "train": Entry(
        "pipelines.training.train",
        "Train a network, in stages that can be stopped and resumed.",
        idle=("max_quarantine", "engine"),
    ),
    "tune": Entry(
        "pipelines.training.tune",
        "Fit a trained model to one labelled photograph, for the rest of a video or session.",
        idle=("workers", "limit", "max_quarantine", "engine"),
    ),
    "evaluate": Entry(
        "pipelines.evaluation.evaluate", "Score a model on data sets, find its worst images, compare it with another."
    ),
    "mine": Entry(
        "pipelines.mining.mine", "Find the images that a model gets wrong, and separate wrong labels from hard images."
    ),
    "retrain": Entry(
        "pipelines.loop.retrain",
        "One whole round: pull labels, train, compare, promote or keep, mine, push, report.",
        idle=("seed", "limit"),
    ),
    "report": Entry(
        "pipelines.evaluation.report",
        "One page on an evaluation or a round: is the new model better, where, and at what cost.",
        idle=("seed", "device", "max_quarantine", "overwrite"),
    ),
    "registry": Entry(
        "pipelines.training.registry",
        "Versions of a model, with names such as models:/portrait@champion.",
        idle=LOOKING_UP,
    ),
    "schedule": Entry(
        "pipelines.scheduling.schedule",
        "Rounds on a calendar, or when new labels arrive; status shows the progress.",
        idle=("seed", "limit", "max_quarantine", "overwrite", "engine"),
    ),
    "schedule status": Entry(
        "pipelines.scheduling.status",
        "Whether a schedule runs, what comes next, and how the last slots ended.",
        idle=LOOKING_UP,
    ),
    "init": Entry(
        "pipelines.loop.init",
        "A commented configuration of the loop, to start from.",
        idle=("seed", "workers", "device", "limit", "max_quarantine", "engine"),
    ),
    "ablate": Entry(
        "pipelines.experiments.ablate",
        "What each part of a training contributes: arms and seeds in one table with intervals.",
    ),
    "simulate": Entry(
        "pipelines.experiments.simulate",
        "Compare ways to choose the next labels, on data whose labels are known.",
    ),
    "export": Entry(
        "pipelines.training.export",
        "A model as a file for ONNX Runtime, OpenVINO, ncnn or TFLite, run there first.",
        idle=("workers", "device", "max_quarantine", "engine"),
    ),
    "benchmark": Entry(
        "pipelines.evaluation.benchmark",
        "Models beside each other in every runtime: time, memory, size, work, mIoU.",
        idle=("seed", "workers", "max_quarantine", "engine"),
    ),
    "matte": Entry("pipelines.datasets.matte", "Trimaps to alphas, for a dataset or an image.", idle=IMPORTING),
    "cutout": Entry(
        "pipelines.photos.cutout",
        "Cut people out of photographs: transparent, or on a new background.",
        idle=("seed", "max_quarantine"),
    ),
    "predict": Entry(
        "pipelines.photos.predict",
        "Masks, alphas, overlays or cut-outs of images, folders and videos.",
        idle=("seed", "max_quarantine"),
    ),
    "idphoto": Entry(
        "pipelines.photos.idphoto",
        "ID photos by size, colour and file size; print sheets.",
        idle=("seed", "max_quarantine"),
    ),
    "group": Entry("pipelines.photos.group", "Several people on one background.", idle=("seed", "max_quarantine")),
    "demo": Entry("pipelines.demonstration.demo", "The main job on sample data, from nothing.", idle=("device",)),
    "doctor": Entry(
        "pipelines.diagnosis.doctor", "What works on this machine, and how to repair the rest.", idle=ASKING
    ),
}
FUNCTIONS: Final[dict[str, str]] = {name.replace("-", "_").replace(" ", "_"): name for name in VERBS}
"""The verbs by the names that they have as functions in Python: `label_push` is "label push"."""
