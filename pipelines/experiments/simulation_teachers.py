"""What teachers say of a pool, for all selections and seeds of a simulation: asked once, and kept in its folder."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from curation.building.build_dataset import BuildOptions, build_dataset
from curation.errors import InputRefused
from curation.images.pixels import decode_gray, encode_mask
from curation.labels.masks import mask_of
from curation.storage.files import make_folder, read_file, write_durable
from labeling.findings import Findings
from labeling.selection.select import COVERING, Features
from labeling.teachers.teacher_label import mean_of
from models.evaluation.checked_model import CheckedModel
from models.evaluation.choose_sets import Model, identify
from models.evaluation.score_dataset import Part
from models.evaluation.score_table import PREDICTIONS
from models.prediction.checks.blind import refuse_blind
from models.prediction.checks.real_pictures import samples_of
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import tell
from pipelines.experiments.simulation_pool import Given, key_of
from pipelines.experiments.simulation_steps import Simulation, Taught
from pipelines.labels.features import own_features
from pipelines.labels.scored import scored

TEACHERS: Final = "teachers"


def named_teachers(paths: Sequence[Path]) -> tuple[Model, ...]:
    """Return the models that paths name. Raises InputRefused where one is named twice, or is none."""
    found: dict[str, Model] = {}
    for path in paths:
        model = identify(path)
        if model.sha256 in found:
            raise InputRefused(
                f"this is the model {found[model.sha256].path} once more", where=path, remedy="name each teacher once"
            )
        found[model.sha256] = model
    return tuple(found.values())


def taught(simulation: Simulation, *, run: RunOptions) -> Taught | None:
    """Ask the teachers about all images of the pool, or read what they said; None without teachers.

    Raises InputRefused for one that sees nobody, and what a model is refused for.
    """
    if not simulation.teachers:
        return None
    parts = simulation.pool.hidden((), out=simulation.out)
    folders = [_asked(one, parts=parts, simulation=simulation, run=run) for one in simulation.teachers]
    return Taught(
        predictions=folders,
        labels=_labels(simulation, predictions=folders, run=run) if simulation.wrong is None else None,
        features=_features(simulation, parts=parts, run=run) if COVERING & set(simulation.strategies) else None,
    )


def _asked(model: Model, *, parts: Sequence[Part], simulation: Simulation, run: RunOptions) -> Path:
    """Return the folder with the predictions of a teacher."""
    out = _folder(model, simulation=simulation)
    teacher = CheckedModel(
        model, options=run.predicting, samples=samples_of((part.place.dataset, part.rows) for part in parts)
    )
    places = simulation.pool.hidden((), out=out)
    table = scored(places, model=teacher, run=run, name=f"teacher {model.name}", work=out.name).table
    answers = [out / PREDICTIONS / f"{row['id']}.png" for row in table.to_pylist() if row["is_finite"]]
    refuse_blind(answers, model=Path(model.path), asked=table.num_rows)
    return out / PREDICTIONS


def _labels(simulation: Simulation, *, predictions: Sequence[Path], run: RunOptions) -> Path:
    """Return the dataset of the pool with the mask of the teachers' mean; what one gives nothing for has none."""
    out, masks = simulation.out / TEACHERS / "labels", simulation.out / TEACHERS / "masks"
    make_folder(masks)
    files: dict[str, Path | None] = {}
    for id_ in simulation.pool.ids:
        answers = [folder / f"{id_}.png" for folder in predictions]
        if not all(answer.exists() for answer in answers):
            files[id_] = None
            continue
        files[id_] = masks / f"{id_}.png"
        if not (masks / f"{id_}.png").exists():
            mean = mean_of([decode_gray(read_file(answer), file=str(answer)) for answer in answers])
            write_durable(masks / f"{id_}.png", encode_mask(mask_of(mean)))
    given = Given(files=files, told={"teachers": [one.sha256[:16] for one in simulation.teachers]})
    options = BuildOptions(runner=run.runner, overwrite=run.overwrite, max_quarantine=run.max_quarantine)
    build_dataset(simulation.pool.plan_labelled(simulation.pool.ids, given=given), out=out, options=options)
    return out


def _features(simulation: Simulation, *, parts: Sequence[Part], run: RunOptions) -> Features:
    """Return what the first teacher makes of all images, in the order of the pool."""
    teacher = simulation.teachers[0]
    file = simulation.out / TEACHERS / f"features-{key_of([teacher.sha256, *simulation.pool.ids])}.f32"
    if file.exists():
        return np.frombuffer(read_file(file), dtype="<f4").reshape(len(simulation.pool.ids), -1)
    places = {row["id"]: (part.place.dataset, str(row["image"])) for part in parts for row in part.rows}
    features = own_features(
        [{"id": id_} for id_ in simulation.pool.ids],
        place=lambda row: places[row["id"]],
        findings=Findings(folder=_folder(teacher, simulation=simulation), rows={}, model=teacher.name, source=teacher),
        run=run,
        warn=lambda reason: tell(f"warning: {reason}", run=run),
    )
    write_durable(file, features.astype("<f4").tobytes())
    return features


def _folder(model: Model, *, simulation: Simulation) -> Path:
    return simulation.out / TEACHERS / key_of([model.sha256, model.card_sha256])
