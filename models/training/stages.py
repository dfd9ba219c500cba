"""The training itself: stages, epochs, steps. Whatever a step draws hangs on the seed and its number alone.

So a training that was killed goes on from its last checkpoint, in the middle of an epoch too, and ends with the same
weights, bit for bit on a CPU.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import torch
from lightning.fabric import Fabric
from safetensors.torch import load, save
from torch import Tensor, nn

from curation.errors import InputRefused
from curation.files import read_file, sha256_of, write_durable
from curation.quarantine import BadRecord
from models.card import ModelCard
from models.data.batches import Batch, BatchLoader
from models.losses import with_auxiliary
from models.training.averaging import AveragedWeights
from models.training.checkpoints import MAX_CHECKPOINT_BYTES, Checkpoints
from models.training.history import Row, write_curves, write_history, write_samples
from models.training.judging import Judged, Verdict, judge, network_input, verdict_of
from models.training.logs import Logs
from models.training.optimizing import (
    freeze,
    keep_frozen_statistics,
    learning_rate,
    optimizer_of,
    resume_optimizer,
)
from models.training.progress import Progress
from models.training.run_folder import CHECKPOINTS
from models.training.settings import Stage, TrainSettings

Told = Callable[[Progress], None]
"""Told of every batch that is done."""
DRAWN_AFTER_S: Final = 10.0
"""Between two drawings of the curves in a stage: one takes 0.2 s, as long as a short epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StageData:
    """Gives the batches of a stage: those that train, by epoch, and those that judge."""

    stage: Stage
    loader: BatchLoader

    @property
    def steps(self) -> int:
        """The number of optimizer steps of the whole stage."""
        return self.stage.epochs * math.ceil(len(self.loader) / self.stage.accumulate)


class Training:
    """A network on its way through the stages. `folder` holds what it leaves; `card` says how its input is made."""

    def __init__(
        self, network: nn.Module, *, settings: TrainSettings, folder: Path, card: ModelCard, fabric: Fabric
    ) -> None:
        self.settings = settings
        self.folder = folder
        self.card = card
        self.progress = Progress()
        self._fabric = fabric
        # measured: a step of a small network on a CPU takes a fifth less with channels last
        self._network: nn.Module = network.to(fabric.device).to(memory_format=torch.channels_last)
        self._averaged = AveragedWeights(self._network, decay=settings.ema)
        self._checkpoints = Checkpoints(folder / CHECKPOINTS)
        self._resumed_optimizer: dict[str, Any] | None = None
        self._drawn_at = -math.inf

    def resume(self) -> list[str]:
        """Go back to the newest whole checkpoint, if there is any; give complaints about damaged ones."""
        state, complaints = self._checkpoints.newest()
        if state is not None:
            self.progress = Progress.from_state(state["progress"])
            self._network.load_state_dict(state["network"])
            self._averaged.network.load_state_dict(state["averaged"])
            self._fabric.strategy.precision.load_state_dict(state["precision"])
            self._resumed_optimizer = state["optimizer"]
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
            self.progress.end_stage()
            if self.progress.stage < len(stages):
                self._checkpoint(optimizer=None)
        return self._network

    def _train_stage(self, data: StageData, *, logs: Logs, told: Told) -> None:
        freeze(self._network, parts=data.stage.frozen)
        bare = optimizer_of(self._network, stage=data.stage)
        if self._resumed_optimizer is not None:
            resume_optimizer(bare, state=self._resumed_optimizer)
            self._resumed_optimizer = None
        network, optimizer = self._fabric.setup(self._network, bare)
        if hasattr(self._network, "forward_with_auxiliary"):
            network.mark_forward_method("forward_with_auxiliary")
        while self.progress.epoch < data.stage.epochs and not self._has_stalled():
            self._train_epoch(network, optimizer=optimizer, data=data, told=told)
            self._end_epoch(data, optimizer=optimizer, logs=logs)

    def _train_epoch(self, network: Any, *, optimizer: Any, data: StageData, told: Told) -> None:
        progress, stage = self.progress, data.stage
        network.train()
        keep_frozen_statistics(self._network)
        started = time.monotonic()
        # counted through all stages, so that two stages on the same data see other pictures
        number = progress.epoch + sum(one.epochs for one in self.settings.stages[: progress.stage])
        for batch in _sound(data.loader.epoch(number, first=progress.batch)):
            is_last = progress.batch + 1 == len(data.loader)
            is_step = (progress.batch + 1) % stage.accumulate == 0 or is_last
            torch.manual_seed(_seed_of(self.settings.seed, progress=progress, rank=self._fabric.global_rank))
            with self._fabric.no_backward_sync(network, enabled=not is_step):
                loss = self._loss(network, batch=batch, stage=stage)
                self._fabric.backward(loss / stage.accumulate)
            progress.batch += 1
            progress.batches += 1
            progress.loss_sum += float(loss.detach())
            progress.loss_count += 1
            progress.seconds, started = progress.seconds + time.monotonic() - started, time.monotonic()
            if is_step:
                self._step(optimizer, data=data)
            told(progress)

    def _loss(self, network: Any, *, batch: Batch, stage: Stage) -> Tensor:
        images = self._fabric.to_device(network_input(batch.image, card=self.card))
        target = self._fabric.to_device(batch.label.long())
        has_heads = hasattr(self._network, "forward_with_auxiliary")
        outputs = network.forward_with_auxiliary(images) if has_heads else (network(images),)
        terms = with_auxiliary(outputs, target, weights=stage.losses, auxiliary_weight=self.settings.auxiliary_weight)
        total = terms["total"]
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
        is_best = verdict.miou_image > progress.best_miou
        if is_best:
            progress.best_miou, progress.best_epoch = verdict.miou_image, progress.epoch
        row = _row(progress, data=data, verdict=verdict, is_best=is_best)
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
            write_samples(self.folder, shown=verdict.shown)
            logs.tell(row, shown=verdict.shown)
        self._checkpoint(optimizer=optimizer)

    def _judge(self, data: StageData) -> Verdict:
        network = self._averaged.network if self.settings.ema else self._network
        network.eval()
        try:
            part = judge(network, batches=data.loader.validation(), card=self.card, losses=data.stage.losses)
        except BadRecord as problem:
            raise _refused(problem) from problem
        parts: list[Judged] = [part]
        if self._fabric.world_size > 1:
            parts = [part] * self._fabric.world_size
            torch.distributed.all_gather_object(parts, part)
        return verdict_of(parts)

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
        self._checkpoints.write(state, step=self.progress.step)

    def _save_kept(self) -> None:
        network = self._averaged.network if self.settings.ema else self._network
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


def _sound(batches: Iterator[Batch]) -> Iterator[Batch]:
    for batch in batches:
        if batch.broken is not None:
            raise _refused(batch.broken) from batch.broken
        yield batch


def _refused(problem: BadRecord) -> InputRefused:
    return InputRefused(
        f"a sample cannot be used: {problem.code}: {problem.reason}",
        where=problem.file,
        remedy="leave it out with --where, or make the dataset anew; `curate stats D --verify` finds all such samples",
    )


def _seed_of(seed: int, *, progress: Progress, rank: int) -> int:
    told = f"{seed} {progress.stage} {progress.epoch} {progress.batch} {rank}"
    return int.from_bytes(hashlib.sha256(told.encode()).digest()[:7], "big")


def _row(progress: Progress, *, data: StageData, verdict: Verdict, is_best: bool) -> Row:
    return {
        "stage": data.stage.name,
        "epoch": progress.epoch + 1,
        "step": progress.step,
        "learning_rate": learning_rate(data.stage, step=progress.stage_step - 1, steps=data.steps),
        "loss": progress.loss_sum / max(1, progress.loss_count),
        "val_loss": verdict.loss,
        "val_miou": verdict.miou_image,
        "val_std": verdict.std,
        "val_iou_person": verdict.iou_person,
        "is_best": is_best,
        "seconds": progress.seconds,
    }
