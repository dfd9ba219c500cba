"""The verbs as functions; written by `make stub` from the settings of the verbs, not by hand."""

# ruff: noqa: A002

from collections.abc import Iterable
from os import PathLike
from typing import Literal, TypeAlias

from pipelines.command_line.options import Result

AnyPath: TypeAlias = str | PathLike[str]

__all__ = [
    "ablate",
    "aifenge",
    "benchmark",
    "browse",
    "browse_pull",
    "celebamask",
    "check_backgrounds",
    "coco_background",
    "coco_person",
    "convert",
    "cutout",
    "demo",
    "doctor",
    "duplicates",
    "evaluate",
    "export",
    "fuse",
    "gallery",
    "group",
    "hf",
    "idphoto",
    "images",
    "init",
    "label_check",
    "label_pull",
    "label_push",
    "label_serve",
    "label_status",
    "label_undo",
    "lineage",
    "matte",
    "merge",
    "mine",
    "models",
    "pairs",
    "portrait2000",
    "predict",
    "prelabel",
    "registry",
    "report",
    "retrain",
    "schedule",
    "schedule_status",
    "simulate",
    "split",
    "stats",
    "train",
    "tune",
]

def ablate(
    *,
    config: AnyPath,
    out: AnyPath | None = None,
    example: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """What each part of a training contributes: arms and seeds in one table with intervals."""

def aifenge(
    *,
    root: AnyPath,
    out: AnyPath,
    threshold: int = 50,
    trimap_kernel: str = "6",
    label_frame: Literal["stored", "shown"] | None = None,
    verify: Literal["full", "structure"] = "full",
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """AiFenGe cut-out PNGs to alphas, masks and trimaps."""

def benchmark(
    *,
    model: AnyPath | Iterable[AnyPath],
    data: AnyPath | Iterable[AnyPath] = ...,
    split: Literal["train", "val", "test", "all"] = "all",
    runtime: Literal["torch", "onnxruntime", "openvino", "ncnn"]
    | Iterable[Literal["torch", "onnxruntime", "openvino", "ncnn"]] = ...,
    threads: int = 1,
    runs: int = 100,
    seconds: float = 20.0,
    out: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Models beside each other in every runtime: time, memory, size, work, mIoU."""

def browse(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    port: int | None = None,
    no_open: bool = False,
    no_serve: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Browse, filter and tag samples in FiftyOne; pull reads the tags back."""

def browse_pull(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """The tags relabel and drop from FiftyOne, into the dataset."""

def celebamask(
    *,
    root: AnyPath,
    out: AnyPath,
    white: bool = False,
    known_bad: Literal["skip", "keep"] = "skip",
    verify: Literal["full", "structure"] = "full",
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """CelebAMask-HQ part masks to person masks and class maps."""

def check_backgrounds(
    dataset: AnyPath,
    *,
    model: AnyPath,
    clean: AnyPath | None = None,
    persons: AnyPath | None = None,
    false_alarms: float = 0.05,
    min_area: float = 0.002,
    out: AnyPath | None = None,
    quarantine: bool = False,
    keep: str | Iterable[str] = ...,
    images: int = 500,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Person-free images in which a model sees a person."""

def coco_background(
    *,
    annotations: AnyPath | Iterable[AnyPath],
    images: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    supercategories: str = "indoor,outdoor",
    category: str | Iterable[str] = ...,
    verify: Literal["full", "structure"] = "full",
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Person-free images from COCO, for fusion."""

def coco_person(
    *,
    annotations: AnyPath | Iterable[AnyPath],
    images: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    min_area: float = 0.05,
    max_persons: int | None = None,
    category: str | Iterable[str] = ...,
    crowd: Literal["filter", "ignore", "persons"] = "filter",
    keypoints: AnyPath | Iterable[AnyPath] = ...,
    portrait: bool = False,
    verify: Literal["full", "structure"] = "full",
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Images with large persons from COCO, with merged person masks."""

def convert(
    dataset: AnyPath,
    *,
    to: Literal["coco", "voc", "folders", "tfrecord", "webdataset", "hf"],
    out: AnyPath,
    shard_samples: int = 1000,
    png: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """A data set in another tool's form: coco, voc, folders, tfrecord, webdataset, hf."""

def cutout(
    images: AnyPath | Iterable[AnyPath],
    *,
    model: AnyPath,
    background: str = "transparent",
    out: AnyPath = ...,
    edge: Literal["none", "guided", "matting"] | None = None,
    refine: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Cut people out of photographs: transparent, or on a new background."""

def demo(
    *,
    out: AnyPath = ...,
    images: int = 48,
    no_loop: bool = False,
    no_labels: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """The main job on sample data, from nothing."""

def doctor(
    *,
    config: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """What works on this machine, and how to repair the rest."""

def duplicates(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    out: AnyPath | None = None,
    fix: bool = False,
    pairs: int = 300,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Images that occur twice, leaks between splits first."""

def evaluate(
    *,
    model: AnyPath,
    data: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    baseline: AnyPath | None = None,
    split: Literal["train", "val", "test", "all"] | Iterable[Literal["train", "val", "test", "all"]] = ...,
    where: str | None = None,
    badcases: int = 20,
    slices: Literal["size", "persons", "border", "holes", "source"]
    | Iterable[Literal["size", "persons", "border", "holes", "source"]] = ...,
    precision: Literal["fp32", "fast"] = "fp32",
    edge: Literal["none", "guided", "matting"] = "none",
    with_flips: bool = False,
    no_predictions: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Score a model on data sets, find its worst images, compare it with another."""

def export(
    *,
    model: AnyPath,
    to: Literal["onnx", "openvino", "ncnn", "tflite"] | None = None,
    out: AnyPath | None = None,
    onnx: AnyPath | None = None,
    int8: bool = False,
    calibrate: AnyPath | Iterable[AnyPath] = ...,
    data: AnyPath | Iterable[AnyPath] = ...,
    max_loss: float = 0.005,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """A model as a file for ONNX Runtime, OpenVINO, ncnn or TFLite, run there first."""

def fuse(
    *,
    foregrounds: AnyPath | Iterable[AnyPath],
    backgrounds: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    per_foreground: int = 1,
    count: int | None = None,
    second_person: float = 0.0,
    threshold: int = 50,
    trimap_kernel: str = "none",
    max_side: int = 2048,
    keep_place: bool = False,
    keep_light: bool = False,
    keep_sharpness: bool = False,
    keep_edges: bool = False,
    licenses: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Persons on new backgrounds, without halos and leaks."""

def gallery(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    out: AnyPath | None = None,
    where: str | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """One HTML contact sheet to look at."""

def group(
    images: AnyPath | Iterable[AnyPath],
    *,
    model: AnyPath,
    background: str,
    out: AnyPath,
    size: str | None = None,
    alike: Literal["auto", "head", "body"] = "auto",
    refine: bool = False,
    faces: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Several people on one background."""

def hf(
    *,
    root: AnyPath,
    out: AnyPath,
    image_column: str | None = None,
    mask_column: str | None = None,
    alpha_column: str | None = None,
    person_value: str | None = None,
    source: str | None = None,
    split: Literal["train", "val", "test"] | None = None,
    license: str | None = None,
    label_frame: Literal["stored", "shown"] | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """A parquet data set with image and mask columns."""

def idphoto(
    images: AnyPath | Iterable[AnyPath],
    *,
    model: AnyPath,
    size: str = "1-inch",
    dpi: int = 300,
    colour: str = "white",
    head: float | None = None,
    above: float | None = None,
    max_kb: float | None = None,
    sheet: str | None = None,
    out: AnyPath = ...,
    edge: Literal["none", "guided", "matting"] | None = None,
    faces: AnyPath | None = None,
    check: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """ID photos by size, colour and file size; print sheets."""

def images(
    *,
    root: AnyPath,
    out: AnyPath,
    as_: Literal["pool", "background"] = "pool",
    source: str | None = None,
    split: Literal["train", "val", "test"] | None = None,
    license: str | None = None,
    group_by: str | None = None,
    verify: Literal["full", "structure"] = "full",
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Photographs without labels: a pool to mine, or backgrounds."""

def init(
    *,
    kind: Literal["loop", "stages", "alpha"] = "loop",
    out: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """A commented configuration of the loop, to start from."""

def label_check(
    *,
    images: Literal["auto", "local", "upload"] = "auto",
    folder: AnyPath | None = None,
    patience: float = 60.0,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Send difficult masks to Label Studio, take them back, and compare."""

def label_pull(
    dataset: AnyPath,
    *,
    project: str | None = None,
    where: str | None = None,
    person_label: str | Iterable[str] = ...,
    other_label: str | Iterable[str] = ...,
    folder: AnyPath | None = None,
    patience: float = 60.0,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Bring corrected masks into the dataset as new label versions."""

def label_push(
    dataset: AnyPath,
    *,
    project: str | None = None,
    scores: AnyPath | None = None,
    prefill: Literal["auto", "prediction", "label", "none"] = "auto",
    budget: int | None = None,
    select: Literal["threshold", "uncertainty", "verdict", "views", "diverse", "mixed", "random"] = "threshold",
    where: str | None = None,
    ids: AnyPath | None = None,
    golden: int = 0,
    golden_from: AnyPath | None = None,
    images: Literal["auto", "local", "upload", "url"] = "auto",
    image_url: str = "",
    model_version: str | None = None,
    folder: AnyPath | None = None,
    patience: float = 60.0,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Send samples to annotators, the worst first, with a mask to start from."""

def label_serve(
    *,
    folder: AnyPath | None = None,
    port: int | None = None,
    show_login: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Start Label Studio on this machine, for this user alone."""

def label_status(
    dataset: AnyPath,
    *,
    project: str | None = None,
    folder: AnyPath | None = None,
    patience: float = 60.0,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """The progress of labeling: counts, agreement, minutes per label."""

def label_undo(
    dataset: AnyPath,
    *,
    batch: int | None = None,
    folder: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Undo a pull: the labels before it count again."""

def lineage(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    of: str | Iterable[str],
    out: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Everything made from a photograph, and a dataset without it."""

def matte(
    source: AnyPath,
    *,
    out: AnyPath,
    trimap: AnyPath | None = None,
    model: AnyPath | None = None,
    from_masks: bool = False,
    band: int | None = None,
    method: Literal["cf", "knn", "lbdm", "rw"] = "cf",
    max_megapixels: float = 1.0,
    seconds: float = 120.0,
    cutouts: bool = False,
    masks: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Trimaps to alphas, for a dataset or an image."""

def merge(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    out: AnyPath,
    where: str | None = None,
    licenses: AnyPath | None = None,
    prefix: bool = False,
    drop_splits: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Join datasets into one."""

def mine(
    *,
    model: AnyPath,
    data: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    threshold: float = 0.8,
    pool_share: float = 0.1,
    split: Literal["train", "val", "test", "all"] = "all",
    where: str | None = None,
    second: AnyPath | Iterable[AnyPath] = ...,
    folds: int = 0,
    network: str = "unet_shufflenet",
    epochs: int = 60,
    precision: Literal["fp32", "fast"] = "fast",
    with_flips: bool = False,
    with_scales: bool = False,
    prefix: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Find the images that a model gets wrong, and separate wrong labels from hard images."""

def models(
    *,
    network: str | Iterable[str] = ...,
    size: str = "224x224",
    no_latency: bool = False,
    encoders: str | None = None,
    inspect: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """The networks that can be trained, and what they cost."""

def pairs(
    *,
    images: AnyPath,
    out: AnyPath,
    masks: AnyPath | None = None,
    alphas: AnyPath | None = None,
    source: str | None = None,
    split: Literal["train", "val", "test"] | None = None,
    license: str | None = None,
    threshold: int | None = None,
    trimap_kernel: str = "none",
    fit: bool = False,
    label_frame: Literal["stored", "shown"] | None = None,
    verify: Literal["full", "structure"] = "full",
    person_value: str | None = None,
    label_prefix: str = "",
    label_suffix: str = "",
    group_by: str | None = None,
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Any folder of images and masks or alphas."""

def portrait2000(
    *,
    root: AnyPath,
    out: AnyPath,
    threshold: int = 127,
    trimap_kernel: str = "6",
    label_frame: Literal["stored", "shown"] | None = None,
    verify: Literal["full", "structure"] = "full",
    follow_links: AnyPath | Iterable[AnyPath] = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """ "Automatic Portrait Matting" pairs to alphas, masks and trimaps."""

def predict(
    inputs: AnyPath | Iterable[AnyPath],
    *,
    model: AnyPath,
    out: AnyPath,
    as_: Literal["mask", "alpha", "overlay", "cutout", "classes"]
    | Iterable[Literal["mask", "alpha", "overlay", "cutout", "classes"]] = ...,
    edge: Literal["none", "guided", "matting"] = "none",
    background: str = "transparent",
    smooth: bool = False,
    smooth_time: float = 0.15,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Masks, alphas, overlays or cut-outs of images, folders and videos."""

def prelabel(
    pool: AnyPath | Iterable[AnyPath],
    *,
    teacher: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    agreement: float = 0.9,
    support: float = 0.2,
    test: AnyPath | Iterable[AnyPath] = ...,
    with_flips: bool = False,
    with_scales: bool = False,
    where: str | None = None,
    prefix: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Labels from models for a pool, kept where they agree; the rest is for people."""

def registry(
    name: str,
    *,
    add: AnyPath | None = None,
    evaluation: AnyPath | None = None,
    alias: str | None = None,
    version: int | None = None,
    workspace: AnyPath | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Versions of a model, with names such as models:/portrait@champion."""

def report(
    run: AnyPath,
    *,
    out: AnyPath | None = None,
    pdf: bool = False,
    pictures: int = 12,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """One page on an evaluation or a round: is the new model better, where, and at what cost."""

def retrain(
    *,
    config: AnyPath,
    explain: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """One whole round: pull labels, train, compare, promote or keep, mine, push, report."""

def schedule(
    *,
    config: AnyPath,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Rounds on a calendar, or when new labels arrive; status shows the progress."""

def schedule_status(
    *,
    config: AnyPath = ...,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Whether a schedule runs, what comes next, and how the last slots ended."""

def simulate(
    *,
    data: AnyPath | Iterable[AnyPath],
    out: AnyPath,
    test: AnyPath | Iterable[AnyPath] = ...,
    val: AnyPath | Iterable[AnyPath] = ...,
    start: int = 50,
    budget: int = 50,
    rounds: int = 5,
    select: Literal["uncertainty", "diverse", "mixed", "random", "threshold", "verdict"]
    | Iterable[Literal["uncertainty", "diverse", "mixed", "random", "threshold", "verdict"]] = ...,
    seeds: int | Iterable[int] = ...,
    config: AnyPath | None = None,
    network: str | None = None,
    input_size: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Compare ways to choose the next labels, on data whose labels are known."""

def split(
    dataset: AnyPath,
    *,
    val: float = 0.1,
    test: float = 0.1,
    from_train: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Split a dataset by group into train, val, test."""

def stats(
    datasets: AnyPath | Iterable[AnyPath],
    *,
    verify: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """What is in a dataset; --verify checks its files."""

def train(
    *,
    out: AnyPath,
    data: AnyPath | Iterable[AnyPath] = ...,
    val: AnyPath | Iterable[AnyPath] = ...,
    network: str | None = None,
    config: AnyPath | None = None,
    input_size: str | None = None,
    classes: int | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    accumulate: int | None = None,
    learning_rate: float | None = None,
    optimizer: Literal["adamw", "adam", "sgd"] | None = None,
    momentum: float | None = None,
    nesterov: bool = False,
    weight_decay: float | None = None,
    schedule: Literal["cosine", "poly", "constant"] | None = None,
    warmup: float | None = None,
    labels: Literal["mask", "alpha", "classes"] | None = None,
    loss: str | None = None,
    class_weights: str | None = None,
    auxiliary_weight: float | None = None,
    output_stride: int | None = None,
    atrous_rates: str | None = None,
    dilation: Literal["constant", "hybrid"] | None = None,
    trimap_kernel: str | None = None,
    augmentation: Literal["modern", "framed", "source", "crop", "patch", "none"] | None = None,
    patch_px: int | None = None,
    vertical_flip: bool = False,
    batch_norm: Literal["train", "frozen"] | None = None,
    batch_norm_parts: str | Iterable[str] = ...,
    freeze: str | Iterable[str] = ...,
    weights: str | None = None,
    ema: float | None = None,
    patience: int | None = None,
    keep: Literal["best", "last"] | None = None,
    precision: Literal["32", "bf16", "16"] | None = None,
    where: str | None = None,
    licenses: AnyPath | None = None,
    fusion_ratio: float | None = None,
    backgrounds: AnyPath | Iterable[AnyPath] = ...,
    teacher: str | None = None,
    distill: float | None = None,
    distill_temperature: float | None = None,
    distill_boundary: float | None = None,
    distill_confidence: float | None = None,
    log: Literal["tensorboard", "mlflow"] | Iterable[Literal["tensorboard", "mlflow"]] = ...,
    devices: int = 1,
    nodes: int = 1,
    allow_changed_data: bool = False,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Train a network, in stages that can be stopped and resumed."""

def tune(
    *,
    model: AnyPath,
    image: AnyPath,
    mask: AnyPath,
    out: AnyPath,
    steps: int = 100,
    learning_rate: float = 0.001,
    seed: int = 0,
    workers: int = ...,
    device: str = "auto",
    limit: int | None = None,
    max_quarantine: str | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
) -> Result:
    """Fit a trained model to one labelled photograph, for the rest of a video or session."""
