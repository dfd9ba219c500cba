"""What others' tools show of a training: TensorBoard and MLflow, with pictures of a few samples."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from curation.errors import ConfigurationProblem
from curation.images.pixels import Image
from curation.storage.files import sha256_of
from models.registry.database import Place
from models.registry.mlflow_door import RunRecord, Tracker, require_mlflow
from models.training.history import sample_rows
from models.training.progress import Row
from models.training.settings import LogName
from models.training.validate import Shown


class Logs:
    """Where each epoch is logged, besides the run folder."""

    def __init__(self, names: Sequence[LogName], *, folder: Path, settings: Mapping[str, str]) -> None:
        self._loggers = [_logger(name, folder=folder, settings=settings) for name in names]

    def tell(self, row: Row, *, shown: Sequence[Shown]) -> None:
        """Log the numbers of an epoch, and samples as rows of image, prediction and label."""
        left_out = {"stage", "epoch", "step", "confusion"}
        numbers = {name: float(value) for name, value in row.items() if name not in left_out and value is not None}
        for logger in self._loggers:
            logger.log_metrics(numbers, step=row["step"])
            if not shown:  # a stage of classification has no masks to look at
                continue
            picture = sample_rows(shown)
            if isinstance(logger, MlflowLog):
                logger.log_picture(picture, step=row["step"])
            else:
                logger.experiment.add_image("samples", picture, row["step"], dataformats="HWC")

    def end(self) -> None:
        """Write what is still held back."""
        for logger in self._loggers:
            logger.finalize("success")


class MlflowLog:
    """A run at the server that the environment names, else in files of the run folder; a stopped one continues."""

    def __init__(self, folder: Path, *, settings: Mapping[str, str]) -> None:
        own = Place(uri=f"sqlite:///{folder / 'mlflow.db'}", files=folder / "mlflow")
        place = Place(uri=os.environ["MLFLOW_TRACKING_URI"]) if os.environ.get("MLFLOW_TRACKING_URI") else own
        require_mlflow()
        self._tracker = Tracker(place)
        self._run = self._tracker.begin(
            RunRecord(key=sha256_of(str(folder).encode()), name=folder.name, parameters=settings)
        )

    def log_metrics(self, numbers: Mapping[str, float], *, step: int) -> None:
        """Log the numbers of an epoch."""
        self._tracker.tell(self._run, metrics=numbers, step=step)

    def log_picture(self, picture: Image, *, step: int) -> None:
        """Log the samples of an epoch."""
        self._tracker.tell(self._run, metrics={}, step=step, picture=picture)

    def finalize(self, status: str) -> None:
        """Say that the training is over."""
        self._tracker.end(self._run)


def _logger(name: LogName, *, folder: Path, settings: Mapping[str, str]) -> Any:
    try:
        if name == "tensorboard":
            from lightning.fabric.loggers.tensorboard import TensorBoardLogger

            return TensorBoardLogger(root_dir=folder / "tensorboard", name="", version="")
        return MlflowLog(folder.resolve(), settings=settings)
    except ModuleNotFoundError as error:
        raise ConfigurationProblem(
            f"--log {name} needs a package that is not installed: {error.name}",
            remedy="install portrait-curate[models,loop]",
        ) from error
