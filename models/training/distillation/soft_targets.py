"""What a teacher says of the images that train: 8-bit probabilities in the run folder, made once for all stages.

An image is known by its SHA-256, so that a training that was stopped, and another stage on the same images, find what
is there. Where a teacher gives nothing that is finite there is no file, and nothing is learnt from it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, TypeAlias

import cv2
import numpy as np

from curation.images.pixels import Gray, Probability, decode_gray, encode_gray
from curation.labels.masks import mask_of
from curation.quarantine import BadRecord
from curation.storage.checksums import digest_column
from curation.storage.files import make_folder, named_file, read_file, write_bytes
from models.data.choose_samples import Chosen, LabelledImage
from models.data.read_labels import read_image, read_label
from models.losses.targets import IGNORED
from models.metrics.confusion import confusion, image_miou
from models.metrics.summary import HARD_BELOW
from models.prediction.checks.blind import refuse_blind
from models.prediction.checks.real_pictures import ENOUGH, Sample, few
from models.prediction.predict_files import predict_files
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel
from models.training.distillation.teachers import Teacher
from models.training.settings import Stage, TrainingOptions

FOLDER: Final = "teachers"
LONGEST_PX: Final = 1024
"""No network sees more; what a teacher says of a larger photograph is kept so small."""
COMPARED: Final = 64
"""So many samples with labels tell how good a teacher is."""
Told: TypeAlias = Callable[[str, int, int], None]
"""Called with what is under way before the first step, how many images are done, and of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Taught:
    """What a teacher said of the samples of a training: of how many images, for how many it gave nothing, and its mIoU
    on some that have labels, None without any."""

    teacher: Teacher
    images: int
    unanswered: int
    miou: float | None

    @property
    def told(self) -> dict[str, Any]:
        """Return it as `metrics.json` and the model's card tell it."""
        return {
            "name": self.teacher.name,
            "licenses": list(self.teacher.licenses),
            "sha256": self.teacher.sha256,
            "images": self.images,
            "unanswered": self.unanswered,
            "miou_on_labels": self.miou,
        }

    @property
    def warnings(self) -> list[str]:
        """Say where a teacher may mislead."""
        found = []
        if self.unanswered:
            found.append(
                f"the teacher {self.teacher.name} gives nothing that is finite for {self.unanswered} of {self.images} "
                "images, from which labels alone are learnt"
            )
        if self.miou is not None and self.miou < HARD_BELOW:
            told = f"the teacher {self.teacher.name} has an mIoU of {self.miou:.3f} on labels of this training"
            found.append(f"{told}: look at what it says in {FOLDER}/ of the run folder")
        return found


def make_soft_targets(
    stages: Sequence[tuple[Stage, Chosen]],
    *,
    teachers: Mapping[str, Teacher],
    out: Path,
    options: TrainingOptions,
    told: Told,
) -> None:
    """Let the teachers predict all images of their stages that are not there yet.

    Raises what refuses a model, also for what it says of some of the samples, and InputRefused for one that sees nobody
    in any image.
    """
    for path, teacher in teachers.items():
        samples = _of_teacher(stages, path=path)
        missing = {
            file: named_file(sample.folder, sample.image)
            for sample in samples
            if not (file := _file(sample, teacher=teacher, out=out)).exists()
        }
        if missing:
            make_folder(out / FOLDER / teacher.key, below=out)
            engine = EngineOptions(device="cpu" if options.device == "cpu" else "auto", workers=max(1, options.workers))
            model = prepare(Path(teacher.path), options=engine, samples=_looked_at(samples))
            _predict(missing, teacher=teacher, model=model, engine=engine, told=told)
        wanted = {_file(sample, teacher=teacher, out=out) for sample in samples}
        there = sorted(file for file in wanted if file.exists())
        refuse_blind(there, model=Path(teacher.path), asked=len(wanted))


def with_soft_targets(chosen: Chosen, *, teacher: Teacher | None, out: Path) -> Chosen:
    """Return samples with the files of what their teacher says, where it says anything."""
    if teacher is None:
        return chosen
    files = [_file(sample, teacher=teacher, out=out) for sample in chosen.training]
    training = tuple(
        replace(sample, taught=file if file.exists() else None)
        for sample, file in zip(chosen.training, files, strict=True)
    )
    return replace(chosen, training=training)


def taught_by(teacher: Teacher, *, stages: Sequence[tuple[Stage, Chosen]]) -> Taught:
    """Return what a teacher said of samples that have its files."""
    samples = {sample.digest: sample for sample in _of_teacher(stages, path=teacher.path)}
    labelled = [one for one in samples.values() if one.label is not None and one.taught is not None]
    scores = [score for one in labelled[:: -(-len(labelled) // COMPARED) or 1] if (score := _score(one)) is not None]
    return Taught(
        teacher=teacher,
        images=len(samples),
        unanswered=sum(one.taught is None for one in samples.values()),
        miou=float(np.mean(scores)) if scores else None,
    )


def _of_teacher(stages: Sequence[tuple[Stage, Chosen]], *, path: str) -> list[LabelledImage]:
    return [sample for stage, chosen in stages if stage.teacher == path for sample in chosen.training]


def _file(sample: LabelledImage, *, teacher: Teacher, out: Path) -> Path:
    return out / FOLDER / teacher.key / f"{sample.digest}.png"


def _looked_at(samples: Sequence[LabelledImage]) -> list[Sample]:
    """Return a few of the samples, with labels where some have one."""
    labelled = [sample for sample in samples if sample.label is not None]
    return [
        Sample(file=named_file(sample.folder, sample.image), row=_row(sample), folder=sample.folder)
        for sample in few(labelled if len(labelled) >= ENOUGH else samples)
    ]


def _row(sample: LabelledImage) -> dict[str, Any]:
    """Return what a manifest says of the label of a sample."""
    named = {"mask": sample.label, "ignore": sample.ignore}
    return named | {digest_column(name): sample.digests.get(path) for name, path in named.items() if path is not None}


def _predict(
    missing: Mapping[Path, Path], *, teacher: Teacher, model: ReadyModel, engine: EngineOptions, told: Told
) -> None:
    targets = list(missing)
    with closing(predict_files(model, files=list(missing.values()), options=engine)) as predictions:
        for done, one in enumerate(predictions, start=1):
            if one.probability is not None and np.isfinite(one.probability).all():
                write_bytes(targets[one.index], encode_gray(_stored(one.probability)))
            told(f"what {teacher.name} says", done, len(targets))


def _stored(probability: Probability) -> Gray:
    """Return a probability (h, w) in 0..1 as it is kept: 255 x it, no longer than `LONGEST_PX`."""
    scale = LONGEST_PX / max(probability.shape)
    if scale < 1:
        width, height = (max(1, round(side * scale)) for side in probability.shape[::-1])
        probability = np.asarray(cv2.resize(probability, (width, height), interpolation=cv2.INTER_AREA), np.float32)
    return np.asarray(np.rint(probability * 255), np.uint8)


def _score(sample: LabelledImage) -> float | None:
    """Return the mIoU of what a teacher says with the label, None where the sample is broken: the training names it."""
    assert sample.taught is not None
    try:
        image = read_image(sample)
        label = read_label(sample, classes=1, size=(image.shape[0], image.shape[1]))
        stored = decode_gray(read_file(sample.taught), file=str(sample.taught))
    except BadRecord:
        return None
    whole = cv2.resize(stored, (label.shape[1], label.shape[0]), interpolation=cv2.INTER_LINEAR)
    truth = np.where(label == 1, np.uint8(255), np.uint8(0))
    return image_miou(confusion(mask_of(np.asarray(whole, np.uint8)), truth=truth, valid=label != IGNORED))
