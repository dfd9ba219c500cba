"""What to train on what: the flags of `curate train`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pipelines.command_line.license_rules import LICENSES_MEANING
from pipelines.command_line.options import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainFlags:
    """What to train on what. A flag that is given overrides the config, in every stage."""

    out: Path = setting("The run folder to make.", metavar="RUN")
    data: tuple[Path, ...] = setting("Datasets to train on: their split train, or rows without a split.", default=())
    val: tuple[Path, ...] = setting(
        "Datasets to validate on: their split val, or all rows.  [default: the split val of --data]", default=()
    )
    network: str | None = setting("A network; `curate models` lists them.", default=None)
    config: Path | None = setting("All settings in a YAML file, with stages one after the other.", default=None)
    input_size: str | None = setting("Height x width of the network's input.  [default: 224x224]", default=None)
    classes: int | None = setting(
        "1: person; 3: a trimap; with --labels classes as many as the class maps have.  [default: 1]", default=None
    )
    epochs: int | None = setting("Rounds through the data.  [default: 60]", default=None, metavar="N")
    batch_size: int | None = setting("Images in a batch.  [default: 16]", default=None, metavar="N")
    accumulate: int | None = setting("Batches that make one step.  [default: 1]", default=None, metavar="N")
    learning_rate: float | None = setting("The highest learning rate.  [default: 0.005]", default=None)
    optimizer: Literal["adamw", "adam", "sgd"] | None = setting(
        "What changes the weights.  [default: adamw]", default=None
    )
    momentum: float | None = setting("Of sgd.  [default: 0.99]", default=None)
    nesterov: bool = setting("Look ahead along the momentum of sgd.", default=False)
    weight_decay: float | None = setting("How strongly weights are pulled to 0.  [default: 0.01]", default=None)
    schedule: Literal["cosine", "poly", "constant"] | None = setting(
        "How the learning rate falls: as a cosine, by a power of what is left (poly), or not.  [default: cosine]",
        default=None,
    )
    warmup: float | None = setting(
        "The share of the steps over which the learning rate rises.  [default: 0.05]", default=None
    )
    labels: Literal["mask", "alpha", "classes"] | None = setting(
        "What is learnt: masks (trimaps with --classes 3), alphas (soft masks), or class maps of the "
        "parts of a person, such as those of CelebAMask-HQ.  [default: mask]",
        default=None,
    )
    loss: str | None = setting(
        "Terms with weights; of cross_entropy, dice, iou, boundary, lovasz, focal, holes; of networks that give an "
        "alpha, and whose own defaults are those of their source: alpha, composition, laplacian, trimap, semantic, "
        "detail.  "
        "[default: cross_entropy=1,dice=1]",
        default=None,
        metavar="TERM=WEIGHT,...",
    )
    class_weights: str | None = setting(
        "Weights of background and person in the loss: with 1,3 errors on persons count three times. Of class maps one "
        "for each class.",
        default=None,
        metavar="W,W",
    )
    auxiliary_weight: float | None = setting(
        "Weight of heads that only help to train: 0 for none; where left out, 0.4 for bisenet and 0 for the others.",
        default=None,
    )
    output_stride: int | None = setting("8 or 16, of DeepLabV3+.  Left out: 16.", default=None)
    atrous_rates: str | None = setting(
        "Three, of DeepLabV3+.  Left out: 6,12,18 at stride 16 and 12,24,36 at 8.", default=None, metavar="R,R,R"
    )
    dilation: Literal["constant", "hybrid"] | None = setting(
        "Of fcn_dilated: one rate in a stage, or rates that differ from unit to unit.  Left out: constant.",
        default=None,
    )
    prior: Literal["frame", "face"] | None = setting(
        "Of portrait_fcn: where persons usually are, laid over the frame, or over the largest face.  Left out: frame.",
        default=None,
    )
    trimap_kernel: str | None = setting(
        "Of --classes 3: widen the unknown bands by so many pixels, auto with the image, or none.  [default: auto]",
        default=None,
        metavar="N|auto|none",
    )
    augmentation: Literal["modern", "framed", "source", "crop", "patch", "none"] | None = setting(
        "How images are varied while training: modern (flip, zoom, shift, turn, colours, blur, noise), framed (in a "
        "window around the person), source (flip, blur, colours, shift, turn), crop and patch (parts at full "
        "size), none.  [default: modern]",
        default=None,
    )
    patch_px: int | None = setting(
        "The longer side of the patches of --augmentation patch.  [default: 400]", default=None
    )
    vertical_flip: bool = setting("Turn half of the samples upside down as well.", default=False)
    batch_norm: Literal["train", "frozen"] | None = setting(
        "Whether batch norms learn (train), or stay as they are in --weights (frozen), which small batches need.  "
        "[default: train]",
        default=None,
    )
    batch_norm_parts: tuple[str, ...] = setting("Freeze batch norms in these parts alone, e.g. encoder.", default=())
    freeze: tuple[str, ...] = setting("Parts of the network whose weights stay fixed, e.g. encoder.", default=())
    weights: str | None = setting(
        "Start from: imagenet, a run folder, a safetensors file, or models:/NAME@ALIAS.", default=None
    )
    ema: float | None = setting("Decay of averaged weights, 0 for none.  [default: 0.99]", default=None)
    patience: int | None = setting("Stop after N epochs without a better validation.", default=None, metavar="N")
    keep: Literal["best", "last"] | None = setting(
        "Keep the weights of the best epoch on --val, or of the last, where --val has few images.  [default: best]",
        default=None,
    )
    precision: Literal["32", "bf16", "16"] | None = setting("Bits to compute in.  [default: 32]", default=None)
    where: str | None = setting("A pandas query on the rows to train on, e.g. 'person_area > 0.1'.", default=None)
    licenses: Path | None = setting(LICENSES_MEANING, default=None, metavar="FILE")
    fusion_ratio: float | None = setting(
        "Share of the samples laid on new backgrounds.  [default: 0.3 with --backgrounds, else 0]", default=None
    )
    backgrounds: tuple[Path, ...] = setting("Datasets without persons, to lay samples on.", default=(), metavar="D...")
    teacher: str | None = setting(
        "A model whose probabilities are learnt as well, also of samples without a label: a run folder, an ONNX, "
        "TFLite or TensorFlow model with its card beside it, or models:/NAME@ALIAS.",
        default=None,
        metavar="M",
    )
    distill: float | None = setting(
        "Weight of the teacher beside the losses of labels.  [default: 1.0]", default=None, metavar="W"
    )
    distill_temperature: float | None = setting(
        "Divide the logits of teacher and student by this.  [default: 1.0]", default=None, metavar="T"
    )
    distill_boundary: float | None = setting(
        "Weight of pixels near the teacher's outline; all others have 1.  [default: 1.0]", default=None, metavar="B"
    )
    distill_confidence: float | None = setting(
        "Learn only what the teacher is so sure of, from 0.5 on; for a teacher that is the student itself.  "
        "0 means all.  [default: 0.0]",
        default=None,
        metavar="P",
    )
    log: tuple[Literal["tensorboard", "mlflow"], ...] = setting("Also log to these.", default=())
    devices: int = setting("Devices to train on together.", default=1)
    nodes: int = setting(
        "Machines to train on together: the same command on each, with MASTER_ADDR, MASTER_PORT and NODE_RANK.",
        default=1,
    )
    allow_changed_data: bool = setting("Continue although a dataset changed since the training began.", default=False)
