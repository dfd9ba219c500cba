"""Training: how much time loading takes beside the step it feeds, and with how many workers an epoch is fastest."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.bench.aifenge import portraits
from tests.bench.measuring import CURATE, child, say, sized

SAMPLES = sized(192, short=4)
BATCH = sized(16, short=2)
SIZE = (224, 224)
NETWORK = "unet_shufflenet"


def bench(folder: Path) -> None:
    """Print the figures of data loading."""
    dataset = folder / "training"
    root = portraits(folder)
    command = [CURATE, "aifenge", "--root", root, "--out", dataset, "--limit", SAMPLES, "--quiet"]
    subprocess.run([*map(str, command)], check=False, stdout=subprocess.DEVNULL)
    say(f"\nTraining: {NETWORK} at {SIZE[0]} x {SIZE[1]}, batches of {BATCH}, images of 600 x 800; CPU time an image")
    costs, _ = child("tests.bench.training:measure_costs", dataset)
    step = costs.pop("step")
    say(f"  step (forward, cross-entropy + Dice, backward, AdamW): {step:.1f} ms")
    for name, cost in costs.items():
        say(f"  loading, {name}: {cost:.1f} ms -> the step takes {step / cost:.1f} times as long")
    rates, _ = child("tests.bench.training:measure_epochs", dataset)
    told = ", ".join(f"{workers} workers {rate:.0f}" for workers, rate in rates.items())
    say(f"  images trained a second, second epoch on all cores: {told}")


def measure_costs(folder: str) -> dict[str, float]:
    """Return the CPU milliseconds of an image in the step, and in loading by different ways; in a process of its
    own.
    """
    import cv2
    import torch

    from models.data.augmentation import augmented
    from models.data.images import Draw, generator_of
    from models.data.read_labels import fitted, read_image, read_label

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    found = {"step": measure_step()}
    for policy in ("source", "modern"):
        images = dataset(folder, policy=policy)
        for epoch, name in enumerate(("first epoch", "later epochs, pictures kept")):
            found[f"{policy}, {name}"] = cpu_ms(lambda i, e=epoch, d=images: d[Draw(epoch=e, index=i)])

    def resized_last(index: int) -> Any:
        sample = images.training[index]
        image = read_image(sample)
        label = read_label(sample, classes=1, size=image.shape[:2])
        rng = generator_of(sample.key, seed=0, epoch=0)
        return fitted(*augmented(image, label, policy="source", rng=rng), size=SIZE, classes=1)

    found["source, resized after the augmentation as is usual"] = cpu_ms(resized_last)
    return found


def measure_step(batches: int = sized(6, short=1)) -> float:
    """Return the CPU milliseconds of an image in a training step on one thread."""
    import torch

    from models.losses.terms import loss_terms
    from models.networks.catalogue import build_network

    network = build_network(NETWORK).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    image = torch.randn(BATCH, 3, *SIZE).contiguous(memory_format=torch.channels_last)
    label = torch.randint(0, 2, (BATCH, *SIZE))
    taken = []
    for _ in range(batches):
        start = time.process_time()
        train_step(network, optimizer=optimizer, image=image, label=label, loss_terms=loss_terms)
        taken.append(time.process_time() - start)
    return min(taken) / BATCH * 1e3


def train_step(network: Any, *, optimizer: Any, image: Any, label: Any, loss_terms: Callable[..., Any]) -> None:
    """Do one step of training."""
    terms = loss_terms(network(image), label, weights={"cross_entropy": 1.0, "dice": 1.0})
    optimizer.zero_grad()
    terms["total"].backward()
    optimizer.step()


def measure_epochs(folder: str) -> dict[int, float]:
    """Return the images trained in a second by the number of workers, on all cores; in a process of its own."""
    # threads that wait for work by spinning take the cores from those that load
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    import torch

    from models.data.batches import BatchLoader, Share
    from models.losses.terms import loss_terms
    from models.networks.catalogue import build_network

    network = build_network(NETWORK).to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters())
    rates = {}
    for workers in range(sized(3, short=1)):
        loader = BatchLoader(dataset(folder, policy="modern"), batch_size=BATCH, workers=workers, share=Share())
        for epoch in range(sized(3, short=2)):
            start = time.perf_counter()
            for batch in loader.epoch(epoch):
                image = batch.image.permute(0, 3, 1, 2).float().sub(110).div(60)
                train_step(network, optimizer=optimizer, image=image, label=batch.label.long(), loss_terms=loss_terms)
            if epoch:
                rates[workers] = max(rates.get(workers, 0), SAMPLES / (time.perf_counter() - start))
    return rates


def dataset(folder: str, *, policy: Any) -> Any:
    """Return the samples of a dataset, all to train with, none kept yet."""
    from curation.dataset.dataset import read_dataset
    from models.data.choose_samples import LabelledImage
    from models.data.images import ImageOptions, LabelledImages

    read = read_dataset(Path(folder))
    samples = [
        LabelledImage(key=row["id"], folder=read.folder, image=row["image"], label=row["mask"], ignore=None)
        for row in read.table.to_pylist()[:SAMPLES]
    ]
    options = ImageOptions(classes=1, input_size=SIZE, policy=policy, seed=0)
    return LabelledImages(samples, validation=[], options=options)


def cpu_ms(load: Callable[[int], Any]) -> float:
    """Return the mean CPU milliseconds of loading one sample, the first (which brings libraries) left out."""
    load(0)
    start = time.process_time()
    for index in range(1, SAMPLES):
        load(index)
    return (time.process_time() - start) / (SAMPLES - 1) * 1e3
