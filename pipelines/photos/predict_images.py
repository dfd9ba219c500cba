"""Images of `curate predict`: each predicted, shown in all the kinds that are asked for, and written."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from curation.labels.masks import PERSON_FROM
from curation.quarantine import BadRecord
from models.prediction.edges import Predicted
from models.prediction.predict_files import FilePrediction, predict_files
from models.prediction.ready_model import ReadyModel
from pipelines.command_line.options import RunOptions
from pipelines.command_line.progress import progress_bar
from pipelines.photos.kinds import FOLDERS, Kind, Said, Showing, encoded, shown
from pipelines.photos.made_files import MadeFiles, Making
from pipelines.photos.photographs import Photograph, read_photograph


def image_targets(one: Photograph, *, out: Path, showing: Showing) -> dict[Kind, Path]:
    """Return the files of an image by kind."""
    return {kind: out / FOLDERS[kind] / f"{one.name}{showing.suffix(kind)}" for kind in showing.kinds}


def predict_images(
    makings: Mapping[Photograph, Mapping[Kind, Making]],
    *,
    model: ReadyModel,
    showing: Showing,
    made: MadeFiles,
    run: RunOptions,
) -> int:
    """Write the pictures of all images, note what is broken, and return how many show nobody."""
    if not makings:
        return 0
    waiting, nobody = list(makings), 0
    options = replace(run.predicting, with_classes=bool(model.card.class_names))
    with (
        progress_bar("predict", total=len(waiting), run=run) as show,
        closing(predict_files(model, files=[one.file for one in waiting], options=options)) as predictions,
    ):
        for prediction in predictions:
            one = waiting[prediction.index]
            try:
                nobody += _write(one, prediction, model=model, showing=showing, made=made, makings=makings[one])
            except BadRecord as problem:
                made.broken.append(problem)
            show(prediction.index + 1)
    return nobody


def _write(
    one: Photograph,
    prediction: FilePrediction,
    *,
    model: ReadyModel,
    showing: Showing,
    made: MadeFiles,
    makings: Mapping[Kind, Making],
) -> bool:
    """Write the pictures of an image; tell whether it shows nobody. Raises BadRecord."""
    if prediction.probability is None:
        assert prediction.broken is not None, "a prediction holds a probability or a reason"
        raise prediction.broken
    file = str(one.file)
    image, told = read_photograph(one.file)
    predicted = Predicted(probability=prediction.probability, background=prediction.background)
    pictures, notes = shown(
        image, Said(predicted=predicted, classes=prediction.classes), showing=showing, model=model, file=file
    )
    made.warnings += [f"{file}: {note}" for note in (*told, *notes)]
    for kind, path in image_targets(one, out=made.out, showing=showing).items():
        made.write(path, encoded(kind, pictures[kind], showing=showing), making=makings[kind])
    return not (prediction.probability >= PERSON_FROM).any()
