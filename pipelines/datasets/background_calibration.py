"""How strong a model's sightings are in images that are known to be clean, and whether they tell persons at all.

Half of the clean images, drawn by the seed, calibrate. The others test the model: each is looked at as it is, and with
one person planted in it. Nobody is planted twice, and no photograph of a person may be among the clean images. The
planted images lie in a temporary folder while they are looked at, and nowhere else.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from curation.dataset.dataset import Dataset
from curation.duplicates.fingerprint_dataset import Picture, pictures_of
from curation.errors import InputRefused
from curation.fusion.fuse_sample import group_of
from curation.fusion.plant_persons import cut_out, draw_share, planted
from curation.fusion.read_photograph import Photograph
from curation.images.pixels import Image, decode_image, encode_image
from curation.quarantine import BadRecord, QuarantineRecord
from curation.storage.checksums import check_row_digest
from curation.storage.files import named_file, read_file, sha256_of, write_bytes
from models.evaluation.find_persons import STAGE, Sighting, SightingOptions, find_persons, look_at_files
from models.evaluation.self_test import REQUIRED_AUC, SelfTest, self_test, share_as_strong

LEAST_TESTED: Final = 10
"""Images of the self-test: with fewer, chance decides whether a model passes."""
MOST_TESTED: Final = 200
"""The interval of an AUC near 0.9 is then 0.03 wide on either side."""
MOST_CALIBRATING: Final = 1000

Looking = Callable[[str, int], AbstractContextManager[SightingOptions]]
"""Gives how images are looked at while a progress bar of this name and length is shown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """The strengths of the clean images that calibrate, what the self-test gave, and the inputs that are broken.

    `known` are the SHA-256 of all clean images: an image of these needs no check.
    """

    strengths: tuple[float, ...]
    test: SelfTest
    known: frozenset[str]
    records: tuple[QuarantineRecord, ...]

    def share_as_strong(self, strength: float) -> float:
        """Return the share of clean images that are at least as strong (see `models.evaluation.self_test`)."""
        return share_as_strong(strength, clean=self.strengths)

    def is_stronger(self, strength: float, *, false_alarms: float) -> bool:
        """Tell whether at most a share of clean images is as strong; with few of them, whether none is."""
        least = 1 / (1 + len(self.strengths))
        return self.share_as_strong(strength) <= max(false_alarms, least)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inputs:
    """The clean images, the labelled persons that are planted, the model by its name, and the seed of the drawing."""

    clean: Dataset
    persons: Dataset
    model: str
    seed: int


def calibrated(inputs: Inputs, *, looking: Looking) -> Calibration:
    """Test a model, then calibrate it; raises InputRefused when it does not pass, or when there is too little to test.

    The same seed and data give the same result.
    """
    pictures = pictures_of([inputs.clean])
    known = frozenset(picture.sha256 for picture in pictures)
    photographs = _photographs(inputs.persons, clean=inputs.clean, known=known)
    rng = np.random.default_rng(inputs.seed)
    order = [pictures[number] for number in rng.permutation(len(pictures))]
    tested = order[: min(len(order) // 2, len(photographs), MOST_TESTED)]
    _refuse_few(len(tested), where=inputs.clean.folder if len(order) // 2 < LEAST_TESTED else inputs.persons.folder)
    records: list[QuarantineRecord] = []
    test = _tested(tested, photographs=photographs, inputs=inputs, looking=looking, records=records)
    if not test.is_passed:
        raise InputRefused(
            f"the model does not separate small persons from what clean images show: {test}, at least "
            f"{REQUIRED_AUC} is required. What it sees in backgrounds means nothing",
            where=inputs.model,
            remedy="give a model that was trained with other things than persons in view; or leave out --clean and "
            "--persons for a list that is not calibrated, and look at every image",
        )
    calibrating = order[len(tested) :][:MOST_CALIBRATING]
    with looking("calibrate", len(calibrating)) as options:
        seen = find_persons(calibrating, dataset=inputs.clean, options=options)
    strengths = tuple(sorted(one.strength for one in seen.found.values()))
    return Calibration(strengths=strengths, test=test, known=known, records=(*records, *seen.records))


def _photographs(persons: Dataset, *, clean: Dataset, known: frozenset[str]) -> list[Photograph]:
    """Return one labelled photograph of each group; raises InputRefused when one of them is called clean."""
    groups: dict[str, Photograph] = {}
    for row in persons.table.to_pylist():
        label = next((column for column in ("alpha", "mask") if row.get(column)), None)
        if label is None or row["persons"] == 0:
            continue
        if row["sha256"] in known:
            raise InputRefused(
                f"the photograph {row['id']} is also in {persons.folder}: it shows a person",
                where=clean.folder,
                remedy="look at the images of --clean, and keep only those that show nobody",
            )
        groups.setdefault(group_of(row), Photograph(folder=str(persons.folder.resolve()), row=row, label=label))
    return list(groups.values())


def _refuse_few(tested: int, *, where: Path) -> None:
    if tested < LEAST_TESTED:
        raise InputRefused(
            f"the self-test has {tested} images, and needs {LEAST_TESTED}",
            where=where,
            remedy=f"give at least {2 * LEAST_TESTED} images with --clean, of which half calibrate, and {LEAST_TESTED} "
            "persons with masks or alphas with --persons",
        )


def _tested(
    pictures: Sequence[Picture],
    *,
    photographs: Sequence[Photograph],
    inputs: Inputs,
    looking: Looking,
    records: list[QuarantineRecord],
) -> SelfTest:
    """Look at each picture as it is and with a person; lines for what is broken are added to `records`."""
    rng = np.random.default_rng([inputs.seed, 1])
    with looking("self-test", 2 * len(pictures)) as options:
        plain = find_persons(pictures, dataset=inputs.clean, options=options)
        records += plain.records
        with tempfile.TemporaryDirectory(prefix="curate-planted-") as folder:
            files, numbers = {}, {}
            people = _Drawn(photographs, rng=rng)
            for number in sorted(plain.found):
                picture = people.with_person(_image(pictures[number], dataset=inputs.clean))
                if picture is None:
                    continue
                data = encode_image(picture)
                key = sha256_of(data)[:24]
                files[key], numbers[key] = Path(folder) / f"{number}.png", number
                write_bytes(files[key], data)
            records += people.records
            seen = dict(look_at_files(files, options=options))
    strengths = {numbers[key]: one.strength for key, one in seen.items() if isinstance(one, Sighting)}
    _refuse_few(len(strengths), where=inputs.persons.folder)
    pairs = [(plain.found[number].strength, strengths[number]) for number in sorted(strengths)]
    return self_test([one for one, _ in pairs], [one for _, one in pairs], rng=rng)


def _image(picture: Picture, *, dataset: Dataset) -> Image:
    path = named_file(dataset.folder, picture.image)
    data = read_file(path)
    check_row_digest(data, row={"sha256": picture.sha256}, column="image", file=path)
    return decode_image(data, file=str(path))


class _Drawn:
    """The persons in the order in which they are planted, each once; `records` are lines for those that are broken."""

    def __init__(self, photographs: Sequence[Photograph], *, rng: np.random.Generator) -> None:
        self.records: list[QuarantineRecord] = []
        self._waiting = [photographs[number] for number in rng.permutation(len(photographs))]
        self._rng = rng

    def with_person(self, background: Image) -> Image | None:
        """Return the background with the next person who fits into it; None when nobody is left who does."""
        share = draw_share(self._rng)
        for photograph in tuple(self._waiting):
            try:
                found = planted(background, person=cut_out(photograph), share=share, rng=self._rng)
            except BadRecord as problem:
                self._waiting.remove(photograph)
                self.records.append(problem.record(stage=STAGE, record_id=photograph.row["id"]))
                continue
            if found is not None:
                self._waiting.remove(photograph)
                return found
        return None


def trust_in(calibration: Calibration | None) -> str:
    """Return in words how far the order of a list can be trusted."""
    if calibration is None:
        return "not calibrated: how often the model is right is not known without --clean and --persons"
    return f"self-test: {calibration.test}; calibrated on {len(calibration.strengths)} clean images"


def data_of(calibration: Calibration | None) -> dict[str, Any] | None:
    """Return the same as data."""
    if calibration is None:
        return None
    test = calibration.test
    return {
        "auc": test.auc,
        "auc_interval": [test.low, test.high],
        "tested_images": test.images,
        "calibrating_images": len(calibration.strengths),
    }
