"""The training itself: stages, epochs, steps. Whatever a step draws depends on the seed and its number alone.

So a training that was killed continues from its last checkpoint, in the middle of an epoch too, and ends with the same
weights, bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from lightning.fabric import Fabric
from safetensors.torch import load, save
from torch import Tensor, nn

from curation.errors import InputRefused
from curation.quarantine import BadRecord
from curation.storage.files import read_file, sha256_of, write_durable
from models.card import ModelCard
from models.data.batches import Batch, BatchLoader
from models.networks.alpha.alpha_network import AlphaNetwork
from models.networks.auxiliary import LearningNetwork, weight_of_heads
from models.training.average_weights import AveragedWeights
from models.training.checkpoints import MAX_CHECKPOINT_BYTES, Checkpoints
from models.training.history import epoch_row, write_curves, write_history, write_samples
from models.training.logs import Logs
from models.training.optimizer import freeze, keep_frozen_statistics, learning_rate, optimizer_of, resume_optimizer
from models.training.progress import Progress
from models.training.run_folder import CHECKPOINTS
from models.training.settings import Stage, TrainSettings
from models.training.step_loss import (
    Shares,
    alpha_loss,
    batches_of_steps,
    refused,
    shares_in_step,
    target_of,
    total_loss,
)
from models.training.transfer.classifier import Classifier, classifier_of
from models.training.transfer.judge_classes import Accuracy, accuracy_of, judge_classes
from models.training.validate import ValidationScore, judge, network_input, verdict_of

Told = Callable[[Progress], None]
"""Told of every batch that is done."""
DRAWN_AFTER_S: Final = 10.0
"""Between two drawings of the curves in a stage: one takes 0.2 s, as long as a short epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageData:
    """Gives the batches of a stage: those that train, by epoch, and those that judge.

    `classes` are those of a folder of classes, 0 where the stage segments.
    """

    stage: Stage
    loader: BatchLoader
    classes: int = 0

    @property
    def steps(self) -> int:
        """The number of optimizer steps of the whole stage."""
        return self.stage.epochs * math.ceil(len(self.loader) / self.stage.accumulate)


class Training:
    """A network on its way through the stages. `folder` holds what it leaves; `card` says how its input is made."""

    def __init__(
        self, network: LearningNetwork, *, settings: TrainSettings, folder: Path, card: ModelCard, fabric: Fabric
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.card = card
        self.progress = Progress()
        self._fabric = fabric
        # measured: a step of a small network on a CPU takes a fifth less with channels last
        self._learning: LearningNetwork = network.to(fabric.device).to(memory_format=torch.channels_last)
        self._network = self._learning.network
        self._auxiliary_weight = weight_of_heads(settings.network, given=settings.auxiliary_weight)
        self._averaged = AveragedWeights(self._network, decay=settings.ema)
        self._checkpoints = Checkpoints(folder / CHECKPOINTS)
        self._resumed_optimizer: dict[str, Any] | None = None
        self._classifier: Classifier | None = None
        self._resumed_classifier: dict[str, Any] | None = None
        self._drawn_at = -math.inf

    def resume(self) -> list[str]:
        """Go back to the newest whole checkpoint, if there is any; give complaints about damaged ones."""
        state, complaints = self._checkpoints.newest()
        if state is not None:
            self.progress = Progress.from_state(state["progress"])
            self._network.load_state_dict(state["network"])
            self._averaged.network.load_state_dict(state["averaged"])
            if self._learning.head is not None:
                self._learning.head.load_state_dict(state["head"])
            self._fabric.strategy.precision.load_state_dict(state["precision"])
            self._resumed_optimizer = state["optimizer"]
            self._resumed_classifier = state.get("classifier")
        return complaints

    def run(self, data: Callable[[Stage], StageData], *, logs: Logs, told: Told) -> nn.Module:
        """Train through all stages that are left and give the network with the weights that the last keeps.

        Raises InputRefused: a broken sample, or a loss that is not finite.
        """
        stages = self.settings.stages
        while self.progress.stage < len(stages):
            stage = data(stages[self.progress.stage])
            self._train_stage(stage, logs=logs, told=told)
            if self._fabric.is_global_zero:
                write_curves(self.folder, rows=self.progress.rows)
            self._load_kept()
            self._classifier = None
            self.progress.end_stage()
            if self.progress.stage < len(stages):
                self._checkpoint(optimizer=None)
        return self._network

    def _train_stage(self, data: StageData, *, logs: Logs, told: Told) -> None:
        freeze(self._network, stage=data.stage)
        learning = self._learning if not data.classes else self._to_classify(data.classes)
        bare = optimizer_of(learning, stage=data.stage)
        if self._resumed_optimizer is not None:
            resume_optimizer(bare, state=self._resumed_optimizer)
            self._resumed_optimizer = None
        network, optimizer = self._fabric.setup(learning, bare)
        while self.progress.epoch < data.stage.epochs and not self._has_stalled():
            self._train_epoch(network, optimizer=optimizer, data=data, told=told)
            self._end_epoch(data, optimizer=optimizer, logs=logs)

    def _to_classify(self, classes: int) -> Classifier:
        """Return what learns in a stage of classification: the encoder with a layer behind it, as it was if resumed."""
        made = classifier_of(self._network, name=self.settings.network, classes=classes, seed=self.settings.seed)
        classifier = made.to(self._fabric.device)
        if self._resumed_classifier is not None:
            classifier.head.load_state_dict(self._resumed_classifier)
        self._classifier, self._resumed_classifier = classifier, None
        return classifier

    def _train_epoch(self, network: Any, *, optimizer: Any, data: StageData, told: Told) -> None:
        progress, stage = self.progress, data.stage
        network.train()
        keep_frozen_statistics(self._network)
        started = time.monotonic()
        # counted through all stages, so that two stages on the same data see other pictures
        number = progress.epoch + sum(one.epochs for one in self.settings.stages[: progress.stage])
        for batches in batches_of_steps(data.loader.epoch(number, first=progress.batch), stage=stage):
            shares = shares_in_step(batches, stage=stage, classes=self.settings.classes)
            for batch, share in zip(batches, shares, strict=True):
                is_step = batch is batches[-1]
                torch.manual_seed(_seed_of(self.settings.seed, progress=progress, rank=self._fabric.global_rank))
                with self._fabric.no_backward_sync(network, enabled=not is_step):
                    loss = self._loss(network, batch=batch, stage=stage, shares=share)
                    self._fabric.backward(loss)
                progress.batch += 1
                progress.batches += 1
                progress.loss_sum += float(loss.detach()) * len(batches)  # their sum is the loss of the step
                progress.loss_count += 1
                progress.seconds, started = progress.seconds + time.monotonic() - started, time.monotonic()
                if is_step:
                    self._step(optimizer, data=data)
                told(progress)

    def _loss(self, network: Any, *, batch: Batch, stage: Stage, shares: Shares) -> Tensor:
        images = self._fabric.to_device(network_input(batch.image, card=self.card))
        target = self._fabric.to_device(target_of(batch.label))
        if isinstance(self._network, AlphaNetwork):
            total = alpha_loss(network, images, label=target, pictures=batch.image, stage=stage, shares=shares)
        else:
            weight = self._auxiliary_weight
            taught = None if batch.taught is None else self._fabric.to_device(batch.taught)
            beside = {} if batch.place is None else {"place": self._fabric.to_device(batch.place)}
            outputs = network(images, **beside)
            total = total_loss(outputs, target, stage=stage, auxiliary_weight=weight, shares=shares, taught=taught)
        worst: Any = self._fabric.all_reduce(total.detach(), reduce_op="sum")  # all processes stop, or none
        if not bool(torch.isfinite(worst)):
            place = f"epoch {self.progress.epoch + 1}, batch {self.progress.batch + 1}"
            raise InputRefused(
                f"the loss is {float(worst)} in {place} of stage {stage.name!r}",
                where=self.folder,
                remedy=f"give a lower --learning-rate than {stage.learning_rate} with --overwrite; the last good "
                f"checkpoint is in {self.folder / CHECKPOINTS}",
            )
        return total

    def _step(self, optimizer: Any, *, data: StageData) -> None:
        progress = self.progress
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(data.stage, step=progress.stage_step, steps=data.steps)
        optimizer.step()
        optimizer.zero_grad()
        progress.step += 1
        progress.stage_step += 1
        self._averaged.update(self._network, step=progress.step)
        is_epoch_over = progress.batch == len(data.loader)
        if progress.step % self.settings.checkpoint_every_steps == 0 and not is_epoch_over:
            self._checkpoint(optimizer=optimizer)

    def _end_epoch(self, data: StageData, *, optimizer: Any, logs: Logs) -> None:
        progress, started = self.progress, time.monotonic()
        verdict = self._judge(data)
        progress.seconds += time.monotonic() - started
        is_best = verdict.score > progress.best_miou
        if is_best:
            progress.best_miou, progress.best_epoch = verdict.score, progress.epoch
        row = epoch_row(progress, stage=data.stage, steps=data.steps, verdict=verdict, is_best=is_best)
        progress.rows.append(row)
        progress.end_epoch()
        is_kept = progress.epoch == data.stage.epochs if self.settings.keep == "last" else is_best
        if self._fabric.is_global_zero:
            if is_kept:
                self._save_kept()
            write_history(self.folder, rows=progress.rows)
            if time.monotonic() - self._drawn_at > DRAWN_AFTER_S:
                write_curves(self.folder, rows=progress.rows)
                self._drawn_at = time.monotonic()
            if verdict.shown:
                write_samples(self.folder, shown=verdict.shown)
            logs.tell(row, shown=verdict.shown)
        self._checkpoint(optimizer=optimizer)

    def _judge(self, data: StageData) -> ValidationScore | Accuracy:
        batches = data.loader.validation()
        try:
            if self._classifier is not None:
                self._classifier.eval()
                return accuracy_of(self._gathered(judge_classes(self._classifier, batches=batches, card=self.card)))
            network = self._kept_network().eval()
            return verdict_of(self._gathered(judge(network, batches=batches, card=self.card, stage=data.stage)))
        except BadRecord as problem:
            raise refused(problem, stage=data.stage) from problem

    def _gathered(self, part: Any) -> list[Any]:
        """Return the parts of all processes."""
        if len(parts := [part] * self._fabric.world_size) > 1:
            torch.distributed.all_gather_object(parts, part)
        return parts

    def _kept_network(self) -> nn.Module:
        """Return the network that is judged and kept: averaged, but for a classifier, whose layer is not."""
        is_averaged = self.settings.ema and self._classifier is None
        return self._averaged.network if is_averaged else self._network

    def _has_stalled(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.progress.epoch - self.progress.best_epoch > patience

    def _checkpoint(self, *, optimizer: Any | None) -> None:
        if not self._fabric.is_global_zero:
            return
        state = {
            "progress": self.progress.to_state(),
            "network": self._network.state_dict(),
            "averaged": self._averaged.network.state_dict(),
            "optimizer": None if optimizer is None else optimizer.state_dict(),
            "precision": self._fabric.strategy.precision.state_dict(),
        }
        if self._learning.head is not None:
            state["head"] = self._learning.head.state_dict()
        if self._classifier is not None:
            state["classifier"] = self._classifier.head.state_dict()
        self._checkpoints.write(state, step=self.progress.step)

    def _save_kept(self) -> None:
        network = self._kept_network()
        data = save({name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()})
        path = self._kept_file()
        write_durable(path.with_suffix(".sha256"), sha256_of(data).encode())
        write_durable(path, data)

    def _kept_file(self) -> Path:
        return self.folder / CHECKPOINTS / f"{self.settings.keep}-{self.progress.stage}.safetensors"

    def _load_kept(self) -> None:
        self._fabric.barrier()
        path = self._kept_file()
        data = read_file(path, max_bytes=MAX_CHECKPOINT_BYTES)
        if sha256_of(data).encode() != read_file(path.with_suffix(".sha256"), max_bytes=1000):
            raise InputRefused(
                "the weights to keep were damaged on disk", where=path, remedy="train again with --overwrite"
            )
        self._network.load_state_dict(load(data))
        self._averaged.network.load_state_dict(self._network.state_dict())


def _seed_of(seed: int, *, progress: Progress, rank: int) -> int:
    told = f"{seed} {progress.stage} {progress.epoch} {progress.batch} {rank}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:7], "big")
