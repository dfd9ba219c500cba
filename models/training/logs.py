"""What others' tools show of a training: TensorBoard and MLflow, with pictures of a few samples."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from curation.errors import ConfigurationProblem
from models.training.history import Row, sample_rows
from models.training.judging import Shown

LogName = Literal["tensorboard", "mlflow"]
EXPERIMENT = "curate"


class Logs:
    """Where each epoch is told, besides the run folder."""

    def __init__(self, names: Sequence[LogName], *, folder: Path) -> None:
        self._loggers = [_logger(name, folder=folder) for name in names]

    def tell(self, row: Row, *, shown: Sequence[Shown]) -> None:
        """Log the numbers of an epoch, and samples as rows of image, prediction and label."""
        numbers = {name: float(value) for name, value in row.items() if name not in {"stage", "epoch", "step"}}
        for logger in self._loggers:
            logger.log_metrics(numbers, step=row["step"])
            picture = sample_rows(shown)
            if hasattr(logger.experiment, "add_image"):
                logger.experiment.add_image("samples", picture, row["step"], dataformats="HWC")
            else:
                logger.experiment.log_image(logger.run_id, picture, key="samples", step=row["step"])

    def end(self) -> None:
        """Write what is still held back."""
        for logger in self._loggers:
            logger.finalize("success")


def _logger(name: LogName, *, folder: Path) -> Any:
    try:
        if name == "tensorboard":
            from lightning.fabric.loggers.tensorboard import TensorBoardLogger

            return TensorBoardLogger(root_dir=folder / "tensorboard", name="", version="")
        from lightning.pytorch.loggers import MLFlowLogger

        # the server that the environment names, else files of this run's own
        own = f"sqlite:///{folder.resolve() / 'mlflow.db'}"
        return MLFlowLogger(
            experiment_name=EXPERIMENT,
            run_name=folder.resolve().name,
            tracking_uri=os.environ.get("MLFLOW_TRACKING_URI", own),
            artifact_location=(folder.resolve() / "mlflow").as_uri(),
        )
    except ModuleNotFoundError as error:
        raise ConfigurationProblem(
            f"--log {name} needs a package that is not installed: {error.name}",
            remedy="install portrait-curate[models,loop]",
        ) from error
