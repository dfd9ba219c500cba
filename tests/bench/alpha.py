"""Alpha networks against closed-form matting from the trimap of the same network, on composites whose alpha is known.

Persons are portraits, matted from their masks, on photographs of COCO that show nobody; a fifth of the persons and a
quarter of the backgrounds have no part in training, nor have those of P3M. Drawn ones stand in where there are none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

import pipelines as curate
from curation.dataset.dataset import read_dataset
from curation.images.pixels import decode_gray, decode_image, encode_gray, encode_image
from curation.matting.composite import composite, person_colours
from curation.matting.from_mask import matting_trimap
from curation.matting.from_probability import trimap_of, trimap_of_classes
from curation.matting.matte import matte
from curation.quarantine import BadRecord
from models.metrics.matting import error_maps
from models.networks.alpha.alpha_network import AlphaNetwork
from models.prediction.weights import load_network
from models.training.settings import Stage, TrainingOptions, TrainSettings
from models.training.train import plan_training, train
from models.training.validate import network_input
from tests.bench.matting import portraits
from tests.bench.measuring import IS_SHORT, say, sized
from tests.curation.fusion.fusion_data import grounds
from tests.places import REAL_DATA

SIZE = (64, 48) if IS_SHORT else (192, 144)
"""Of the composites and of the networks, so that nothing is enlarged."""
MATTED = (128, 96) if IS_SHORT else (384, 288)
"""At which the portraits are matted, before they are scaled down."""
PERSONS = sized(100, short=5)
EPOCHS = {"trimap": sized(20, short=1), "matting": sized(12, short=1), "together": sized(8, short=1)}
MODNET_EPOCHS = sized(8, short=1)
GOAL = 0.8
"""Of the errors of closed-form matting."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Person:
    """Colours (h, w, 3) and alpha (h, w) of a person."""

    colours: Any
    alpha: Any


def bench(folder: Path) -> None:
    """Train both networks, and print SAD and gradient errors on what neither has seen."""
    torch.manual_seed(0)
    found = list(persons(folder))
    held_out, training = found[::5], [one for number, one in enumerate(found) if number % 5]
    place = written(training, folder=folder / "alpha-persons")
    behind, unseen = backgrounds(folder)
    tests = list(composites([*held_out, *p3m()], behind=unseen))
    say(f"\nAlpha networks at {SIZE[0]} x {SIZE[1]}: {len(training)} persons train, {len(tests)} composites judge")
    for network, stages in (("shm_light", shm_stages(place, behind)), ("modnet", modnet_stages(place, behind))):
        start = time.process_time()
        run = folder / f"alpha-{network}"
        settings = TrainSettings(network=network, input_size=SIZE, val=(place,), stages=stages, ema=0.98)
        train(plan_training(settings), out=run, options=TrainingOptions(), told=lambda progress: None)
        say(f"  {network}: trained in {time.process_time() - start:.0f} s of the processor")
        compared(run, tests=tests, network=network)


def compared(run: Path, *, tests: Sequence[tuple[Any, Any]], network: str) -> None:
    """Print the errors of a network, and of closed-form matting from its trimap."""
    loaded, card = load_network(run)
    assert isinstance(loaded, AlphaNetwork)
    ours, theirs, refused = [], [], 0
    for image, alpha in tests:
        with torch.inference_mode():
            parts = loaded.parts(network_input(torch.from_numpy(image)[None], card=card))
        predicted = parts.alpha[0, 0].numpy()
        if parts.trimap is not None:
            shares = torch.softmax(parts.trimap[0], dim=0).numpy()
            trimap = trimap_of_classes(shares[0], person=shares[2])
        else:
            trimap = trimap_of(predicted, input_size=SIZE)
        try:
            matted = matte(image, trimap=trimap).astype(np.float32) / 255
        except BadRecord:  # nothing is sure, or nothing unknown
            refused += 1
            continue
        ours.append(errors(predicted, alpha=alpha))
        theirs.append(errors(matted, alpha=alpha))
    say(f"  {network}: {refused} of {len(tests)} trimaps cannot be matted")
    if not ours:
        return
    for name, own, other in zip(("SAD", "gradient"), np.mean(ours, axis=0), np.mean(theirs, axis=0)):
        told = "reached" if own <= GOAL * other else "not reached"
        say(f"    {name}: {own:.4f}, closed form {other:.4f} -> {own / other:.2f} of it (goal {GOAL}: {told})")


def errors(prediction: Any, *, alpha: Any) -> tuple[float, float]:
    """Return SAD and the gradient error, in thousands."""
    found = error_maps(np.asarray(prediction, np.float32), truth=alpha).over()
    assert found is not None
    return found.sad, found.gradient


def shm_stages(data: str, behind: str) -> tuple[Stage, ...]:
    """Return the three steps of the source."""
    losses = {"alpha": 0.5, "composition": 0.5, "laplacian": 0.5}
    given: dict[str, Any] = common(data, behind)
    return (
        Stage(name="trimap", epochs=EPOCHS["trimap"], losses={"trimap": 1.0}, frozen=("m_net",), **given),
        Stage(name="matting", epochs=EPOCHS["matting"], losses=losses, frozen=("t_net",), true_trimap=True, **given),
        Stage(name="together", epochs=EPOCHS["together"], losses={**losses, "trimap": 0.1}, **given),
    )


def modnet_stages(data: str, behind: str) -> tuple[Stage, ...]:
    """Return the one stage of the source."""
    return (Stage(epochs=MODNET_EPOCHS, **common(data, behind)),)


def common(data: str, behind: str) -> dict[str, Any]:
    return {
        "data": (data,),
        "backgrounds": (behind,),
        "fusion_ratio": 0.9,
        "batch_size": 4,
        "learning_rate": 5e-3,
        "augmentation": "source",
    }


def persons(folder: Path) -> Iterator[Person]:
    """Yield persons of portraits, their alphas by closed-form matting at `MATTED`, brought to `SIZE`."""
    for image, mask in portraits(folder, number=PERSONS):
        large, hard = scaled(image, size=MATTED), np.where(scaled(mask, size=MATTED) > 127, np.uint8(255), np.uint8(0))
        try:
            alpha = matte(large, trimap=matting_trimap(hard))
        except BadRecord:
            continue
        yield person(large, alpha=alpha)


def p3m() -> Iterator[Person]:
    """Yield the persons of P3M, which no network here trains on."""
    root = REAL_DATA / "data" / "p3m"
    for file in sorted((root / "alphas").glob("*")) if root.is_dir() and not IS_SHORT else ():
        image = next((root / "images").glob(f"{file.stem}.*"))
        alpha = decode_gray(file.read_bytes(), file=file.name)
        yield person(decode_image(image.read_bytes(), file=image.name), alpha=alpha)


def person(image: Any, *, alpha: Any) -> Person:
    """Return a person at `SIZE`, with its own colours in the soft edge."""
    return Person(colours=scaled(person_colours(image, alpha=alpha), size=SIZE), alpha=scaled(alpha, size=SIZE))


def written(chosen: Sequence[Person], *, folder: Path) -> str:
    """Write persons on gray as a data set with alphas, of which a tenth judges the epochs, and return its folder."""
    for name in ("images", "alphas"):
        (folder / "in" / name).mkdir(parents=True)
    for number, one in enumerate(chosen):
        gray = np.full_like(one.colours, 128)
        image = composite(one.colours, alpha=one.alpha, background=gray)
        (folder / "in" / "images" / f"{number:03}.png").write_bytes(encode_image(image))
        (folder / "in" / "alphas" / f"{number:03}.png").write_bytes(encode_gray(one.alpha))
    quiet: dict[str, Any] = {"workers": 0, "quiet": True}
    source = folder / "in"
    curate.pairs(images=source / "images", alphas=source / "alphas", out=folder / "D", **quiet)
    curate.split(folder / "D", val=0.15, overwrite=True, **quiet)
    return str(folder / "D")


def backgrounds(folder: Path) -> tuple[str, list[Any]]:
    """Return a data set of backgrounds that train, and images of others."""
    root, out = REAL_DATA / "data" / "coco", folder / "alpha-grounds"
    quiet: dict[str, Any] = {"workers": 0, "quiet": True}
    if root.is_dir() and not IS_SHORT:
        annotations = root / "annotations" / "instances_train2017.json"
        curate.coco_background(annotations=annotations, images=root / "train2017", out=out, **quiet)
    else:
        grounds(out, [f"b{number}" for number in range(8)], scale=12)
    curate.split(out, test=0.25, overwrite=True, **quiet)
    dataset = read_dataset(out)
    rows = [row for row in dataset.table.to_pylist() if row["split"] == "test"]
    return str(out), [decode_image((out / row["image"]).read_bytes(), file=row["id"]) for row in rows]


def composites(chosen: Sequence[Person], *, behind: Sequence[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield an image (h, w, 3) for each person, and its true alpha (h, w)."""
    for number, one in enumerate(chosen):
        background = scaled(behind[number % len(behind)], size=SIZE)
        yield composite(one.colours, alpha=one.alpha, background=background), one.alpha


def scaled(picture: Any, *, size: tuple[int, int]) -> Any:
    """Return a picture at `size` (height, width)."""
    return np.asarray(cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
