"""The teachers of a training: identified before the first step, and none of them the student itself."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from curation.errors import ConfigurationProblem, InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import fingerprint_file, sha256_of
from models.card import known_licenses, read_card
from models.model_files import fingerprint_of
from models.prediction.find_model import find_model
from models.training.settings import Stage, TrainSettings
from models.training.starting_network import IMAGENET

KEY_DIGITS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Teacher:
    """A model that teaches: its place, name and hashes, and the licences of it and of those from which it learnt."""

    path: str
    name: str
    licenses: tuple[str, ...]
    sha256: str
    card_sha256: str

    @property
    def key(self) -> str:
        """Return what its answers are known by: they change with its weights and its card."""
        return sha256_of(f"{self.sha256} {self.card_sha256}".encode())[:KEY_DIGITS]


def teachers_of(settings: TrainSettings) -> dict[str, Teacher]:
    """Return the teachers of all stages by their place.

    Raises InputRefused where there is no such model, or no card; ConfigurationProblem where a student would learn from
    itself, which teaches nothing unless it is told what it is sure of.
    """
    found: dict[str, Teacher] = {}
    for stage in settings.stages:
        if stage.teacher is None:
            continue
        teacher = found.setdefault(stage.teacher, _identified(Path(stage.teacher)))
        if not stage.distill_confidence and _starts_from(settings, teacher=teacher):
            raise ConfigurationProblem(
                f"stage {stage.name!r} begins with the weights of its teacher, which it imitates already",
                where=stage.teacher,
                remedy="give --distill-confidence, e.g. 0.9, to learn what the teacher is sure of; or other --weights",
            )
    return found


def refuse_own_folder(stages: tuple[Stage, ...], *, out: Path) -> None:
    """Raise ConfigurationProblem where a teacher is the very model that is to be trained."""
    for stage in stages:
        if stage.teacher is not None and Path(stage.teacher).resolve() == out.resolve():
            raise ConfigurationProblem(
                "the teacher is the run folder of its own student", where=out, remedy="name another --out, or --teacher"
            )


def _identified(path: Path) -> Teacher:
    found = find_model(path)
    card = read_card(found.card)
    try:
        hashes = fingerprint_of(found), fingerprint_file(found.card)
    except BadRecord as problem:
        raise InputRefused(
            problem.reason, where=problem.file, remedy="restore the model from where it came"
        ) from problem
    return Teacher(
        path=str(path),
        name=card.name or found.name,
        licenses=known_licenses(card),
        sha256=hashes[0],
        card_sha256=hashes[1],
    )


def _starts_from(settings: TrainSettings, *, teacher: Teacher) -> bool:
    if settings.weights in (None, IMAGENET):
        return False
    try:
        return fingerprint_of(find_model(Path(settings.weights))) == teacher.sha256
    except InputRefused:
        return False  # whether there are weights at all is found out where they are taken
