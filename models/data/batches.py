"""Batches: which samples are in each, decided by the seed alone, and the loader that brings them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, NamedTuple, Protocol

import cv2
import numpy as np
import torch
import torch.utils.data
from torch import Tensor

from curation.building.worker_process import MORTAL, die_with
from curation.errors import CurateError, EnvironmentProblem, Interrupted
from curation.quarantine import BadRecord
from models.data.images import Draw, Example, ImageOptions

JUDGED_AT_ONCE = 8
STOPPED_LOADER: Final = re.compile(r"DataLoader worker .* (Terminated|Interrupt)")
"""torch's message about a loading process that a signal ended."""


class Images(Protocol):
    """Samples that train and samples that judge, by `Draw`: `LabelledImages`, or images of classes."""

    options: ImageOptions

    @property
    def training(self) -> Sequence[object]:
        """Return those that train."""

    @property
    def validation(self) -> Sequence[object]:
        """Return those that judge."""

    def __getitem__(self, draw: Draw) -> Example | BadRecord | CurateError:
        """Return the example of a draw, or what is wrong with it, or with the machine."""


class Batch(NamedTuple):
    """Examples stacked: `image` (n, h, w, 3) uint8, `label` (n, h, w) uint8, the `truths` of judging ones
    and their `alphas` where all have one.

    `taught` is what a teacher says, (n, h, w) float32, where there is one, and `place` (n, 2, 3) float32 the places
    of faces, zeros without one, where they are sought.

    Where images are classified, `label` and `truths` are the numbers of classes, (n,) int64.

    Where a sample of it is `broken`, that is all there is.
    """

    keys: list[str]
    image: Tensor
    label: Tensor
    truths: list[Tensor]
    alphas: list[Tensor]
    broken: BadRecord | None
    taught: Tensor | None = None
    place: Tensor | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Which of several training processes this is. A batch is divided among them."""

    rank: int = 0
    processes: int = 1

    def of(self, draws: Sequence[Draw]) -> list[Draw]:
        """Return the draws of this process; one that would have none takes the first, since all have to compute."""
        return list(draws[self.rank :: self.processes]) or list(draws[:1])


def epoch_order(samples: int, *, seed: int, epoch: int) -> list[int]:
    """Return the order in which an epoch goes through the samples, each once."""
    return [int(index) for index in np.random.default_rng([seed, epoch]).permutation(samples)]


class EpochBatches(torch.utils.data.Sampler[list[Draw]]):
    """The batches of an epoch from any of them on, or those that judge; the loader asks again for each round."""

    def __init__(self, images: Images, *, batch_size: int, share: Share) -> None:
        self.images = images
        self.batch_size = batch_size
        self.share = share
        self.epoch: int | None = None
        self.first = 0

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return -(-len(self.images.training) // self.batch_size)

    def __iter__(self) -> Iterator[list[Draw]]:
        """Yield the draws of each batch that is this process's part."""
        if self.epoch is None:
            draws = [Draw(epoch=None, index=index) for index in range(len(self.images.validation))]
            yield from _cut(draws[self.share.rank :: self.share.processes], size=JUDGED_AT_ONCE)
            return
        order = epoch_order(len(self.images.training), seed=self.images.options.seed, epoch=self.epoch)
        draws = [Draw(epoch=self.epoch, index=index) for index in order]
        for batch in _cut(draws, size=self.batch_size)[self.first :]:
            yield self.share.of(batch)


class BatchLoader:
    """Loads batches in worker processes, which stay for the whole training; with no workers, in this process."""

    def __init__(self, images: Images, *, batch_size: int, workers: int, share: Share) -> None:
        self._batches = EpochBatches(images, batch_size=batch_size, share=share)
        samples: Any = images  # the loader asks for no more than items
        self._loader = torch.utils.data.DataLoader(
            samples,
            batch_sampler=self._batches,
            num_workers=workers,
            collate_fn=collate,
            persistent_workers=workers > 0,
            # a forked copy of a process with native threads can hang in their locks
            multiprocessing_context=MORTAL if workers else None,
            worker_init_fn=partial(prepare_loader, parent_pid=os.getpid()),
        )

    def __len__(self) -> int:
        """Return the number of batches of an epoch."""
        return len(self._batches)

    def epoch(self, number: int, *, first: int = 0) -> Iterator[Batch]:
        """Return the batches of an epoch from number `first` on."""
        return self._load(number, first=first)

    def validation(self) -> Iterator[Batch]:
        """Return the samples that judge, in their order."""
        return self._load(None, first=0)

    def _load(self, epoch: int | None, *, first: int) -> Iterator[Batch]:
        self._batches.epoch, self._batches.first = epoch, first
        try:
            for batch in self._loader:
                if isinstance(batch, CurateError):
                    raise batch
                yield batch
        except RuntimeError as error:
            if "DataLoader worker" not in str(error):
                raise
            raise EnvironmentProblem(
                f"a process that loads images died: {error}",
                remedy="run the same command again; it continues; with --workers 0 images are loaded without them",
            ) from error


def collate(examples: Sequence[Example | BadRecord | CurateError]) -> Batch | CurateError:
    """Stack examples; the first broken one stands for all, and so does what stops a training.

    One that trains alone is there twice: a batch norm needs more than one value of a channel, and after global pooling
    an image has one. The gradient is that of the one.
    """
    whole = [example for example in examples if isinstance(example, Example)]
    stopped = next((example for example in examples if isinstance(example, CurateError)), None)
    if stopped is not None:
        return stopped
    broken = next((example for example in examples if isinstance(example, BadRecord)), None)
    if broken is not None:
        nothing = torch.empty(0, dtype=torch.uint8)
        return Batch(keys=[], image=nothing, label=nothing, truths=[], alphas=[], broken=broken)
    keys = [example.key for example in whole]
    if len(whole) == 1 and whole[0].truth is None:
        whole = whole * 2
    taught = [example.taught for example in whole if example.taught is not None]
    places = [example.place for example in whole if example.place is not None]
    return Batch(
        keys=keys,
        image=torch.from_numpy(np.stack([example.image for example in whole])),
        label=torch.from_numpy(np.stack([example.label for example in whole])),
        truths=[torch.from_numpy(example.truth) for example in whole if example.truth is not None],
        alphas=[torch.from_numpy(example.alpha) for example in whole if example.alpha is not None],
        broken=None,
        taught=torch.from_numpy(np.stack(taught)) if taught else None,
        place=torch.from_numpy(np.stack(places)) if places else None,
    )


@contextmanager
def telling_of_interruption() -> Iterator[None]:
    """Tell of an interruption as one: SIGTERM to a whole group, as systemd sends it, may end a loader before us."""
    try:
        yield
    except RuntimeError as error:
        if STOPPED_LOADER.search(str(error)):
            raise Interrupted("SIGTERM") from error
        raise


def prepare_loader(number: int, *, parent_pid: int) -> None:
    """Leave the cores to the training, and Ctrl-C to the process that started this one; die with it."""
    die_with(parent_pid)
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _cut(draws: Sequence[Draw], *, size: int) -> list[list[Draw]]:
    return [list(draws[start : start + size]) for start in range(0, len(draws), size)]
