"""Processes that train together, on one machine or on several: how they start, and what is said when one is lost."""

from __future__ import annotations

import atexit
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import torch
from lightning.fabric import Fabric
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.strategies.parallel import ParallelStrategy

from curation.building.worker_process import die_with
from curation.errors import ConfigurationProblem, EnvironmentProblem, InputRefused

if TYPE_CHECKING:
    from models.training.settings import Precision, TrainingOptions

ACCELERATORS: Final = ("auto", "cpu", "cuda")
LINKS: Final = ("gloo", "NCCL", "Connection")
"""One of these stands in what torch says of a process that it does not reach any more."""
FIRST: Final = "CURATE_FIRST_PROCESS"
"""Names the first process to those that it starts."""
MEETING: Final = "CURATE_MEETING"
"""Names the file by which the processes of one machine find each other."""
LOOPBACK: Final = "lo"
POLL_S: Final = 0.5
PATIENCE_S: Final = 10.0
"""Time that torch has to notice by itself that a process was lost. On a GPU it may wait for that process for ever."""


def launched(options: TrainingOptions, *, precision: Precision) -> Fabric:
    """Start all processes of a training, and give each its link to the others. The first tells the result for all.

    A thread of the first raises EnvironmentProblem where it still waits for a process `PATIENCE_S` after that was lost:
    what it waits in cannot be interrupted.
    """
    if FIRST in os.environ:
        die_with(int(os.environ[FIRST]))
    for name in ("lightning.fabric", "lightning.pytorch"):  # either may greet in the name of every process
        logging.getLogger(name).setLevel(logging.ERROR)
    accelerator, devices = accelerator_of(options)
    fabric = Fabric(
        accelerator=accelerator,
        devices=devices,
        num_nodes=options.nodes,
        strategy="ddp" if options.devices * options.nodes > 1 else "auto",
        precision=precision,
    )
    if isinstance(fabric.strategy, ParallelStrategy):
        environment = fabric.strategy.cluster_environment
        if environment is not None and not environment.creates_processes_externally:  # as torchrun or SLURM do
            _start_others(options, environment=environment)
    with _signals_by_default():
        if MEETING in os.environ:
            _meet(fabric, world_size=options.devices)
        fabric.launch()
    if not fabric.is_global_zero:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    return fabric


def accelerator_of(options: TrainingOptions) -> tuple[str, int | list[int]]:
    """Return what Fabric calls accelerator and devices; raises ConfigurationProblem where there is no such device."""
    accelerator, _, number = options.device.partition(":")
    if accelerator not in ACCELERATORS or (number and not (accelerator == "cuda" and number.isdecimal())):
        raise ConfigurationProblem(f"--device {options.device!r} is unknown", remedy="give auto, cpu, cuda or cuda:N")
    if options.devices < 1 or options.nodes < 1 or (number and options.devices > 1):
        wanted = f"--device {options.device} --devices {options.devices} --nodes {options.nodes}"
        raise ConfigurationProblem(f"{wanted} cannot train", remedy="give numbers from 1 on, and cuda:N for one alone")
    there = torch.cuda.device_count()
    if accelerator == "cuda" and there < max(options.devices, int(number or 0) + 1):
        raise ConfigurationProblem(
            f"--device {options.device}: torch finds {there} GPUs",
            remedy="leave out --device, or name one that is there",
        )
    return accelerator, [int(number)] if number else options.devices


def device_of(options: TrainingOptions) -> str:
    """Return the one device that options name as torch calls it; raises ConfigurationProblem where there is none."""
    accelerator, devices = accelerator_of(options)
    if accelerator == "cpu" or not torch.cuda.is_available():
        return "cpu"
    return f"cuda:{devices[0]}" if isinstance(devices, list) else "cuda"


@contextmanager
def _signals_by_default() -> Iterator[None]:
    """Let Ctrl-C and SIGTERM end us while we wait for the others: what waits is no Python, and would not be told."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {number: signal.signal(number, signal.SIG_DFL) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@contextmanager
def telling_of_loss(fabric: Fabric) -> Iterator[None]:
    """Raise EnvironmentProblem in the first process where another ended that it waits for; the rest leave in silence.

    A process that ends for a reason of its own has told that before.
    """
    try:
        yield
    except RuntimeError as error:
        if fabric.world_size == 1 or not any(word in str(error) for word in LINKS):
            raise
        if not fabric.is_global_zero:
            raise SystemExit(EnvironmentProblem.exit_code) from error
        raise _lost() from error


def agreed(fabric: Fabric, done: dict[str, Any] | None, *, training: str) -> dict[str, Any] | None:
    """Return what the first process tells the others: the metrics of a training that is done, None for one that is not.

    Raises InputRefused in a process that was given another training than the first, by its id.
    """
    told: tuple[dict[str, Any] | None, str] = fabric.broadcast((done, training))
    if told[1] != training:
        raise InputRefused(
            "the first process was given other settings than this one, or data sets of other content",
            remedy="give the same command on each machine; `curate stats` tells whether they see the same data",
        )
    return told[0]


def _meet(fabric: Fabric, *, world_size: int) -> None:
    """Join the processes of this machine by a file that only its user can open, on 127.0.0.1 alone.

    The meeting place that torch has by itself is a port on all addresses of the machine, open to whoever finds it.
    """
    is_on_gpu = fabric.device.type == "cuda"
    os.environ |= {"GLOO_SOCKET_IFNAME": LOOPBACK, "NCCL_SOCKET_IFNAME": LOOPBACK}
    torch.distributed.init_process_group(
        "nccl" if is_on_gpu else "gloo",
        store=torch.distributed.FileStore(os.environ[MEETING], world_size),  # type: ignore[attr-defined]
        rank=int(os.environ["LOCAL_RANK"]),
        world_size=world_size,
        device_id=fabric.device if is_on_gpu else None,
    )
    if is_on_gpu:
        atexit.register(torch.distributed.destroy_process_group)


def _start_others(options: TrainingOptions, *, environment: ClusterEnvironment) -> None:
    """Start the same command once for each further device. Lightning's own start kills us, unheard, when one is lost.

    Source: the variables are those of Lightning's `LightningEnvironment`, for processes that it did not start.
    """
    os.environ |= {
        "LOCAL_RANK": "0",
        "MASTER_ADDR": environment.main_address,
        "MASTER_PORT": str(environment.main_port),
    }
    if options.nodes == 1:
        place = tempfile.TemporaryDirectory(prefix="curate-")
        atexit.register(place.cleanup)
        os.environ[MEETING] = f"{place.name}/meeting"
    command = [sys.executable, *sys.orig_argv[1:]]
    others = [
        subprocess.Popen(command, env={**os.environ, "LOCAL_RANK": str(rank), FIRST: str(os.getpid())})
        for rank in range(1, options.devices)
    ]
    threading.Thread(target=_watch, args=(others,), name="lost processes", daemon=True).start()


def _watch(others: Sequence[subprocess.Popen[bytes]]) -> None:
    while not any(other.poll() for other in others):
        time.sleep(POLL_S)
    time.sleep(PATIENCE_S)
    raise _lost()


def _lost() -> EnvironmentProblem:
    return EnvironmentProblem(
        "another process that trained with this one has ended",
        remedy="see what it said, or what ended it, such as too little memory; then run the same command again, it "
        "continues where it was",
    )
