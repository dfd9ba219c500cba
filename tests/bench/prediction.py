"""Prediction over files: against a plain torch loop, and against the runtime alone on tensors that lie ready.

Wall-clock time per image is that of the best stretch of a run, since what else the machine does only adds: of 4 images
for what runs in one process, of 20 for files, which come in bursts. Processor time is that of the whole run; of torch
with one thread too, since more threads spin while they wait for a core that others have.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil
import torch

from curation.images.pixels import decode_image
from curation.sources.demo_sources import write_aifenge_sample
from models.card import ModelCard
from models.networks.catalogue import build_network
from models.prediction import engines
from models.prediction.predict_files import predict_files
from models.prediction.prepare import prepare
from models.prediction.protocol import EngineOptions
from models.prediction.weights import save_model
from models.preprocessing import normalised, resized
from tests.bench.measuring import child, say, sized
from tests.places import REAL_DATA

CORES = len(os.sched_getaffinity(0))
WARM_UP = sized(10, short=1)
CARD = ModelCard(
    input_size=(400, 400),
    channels="RGB",
    layout="NCHW",
    mean=(123.675, 116.28, 103.53),
    std=(58.395, 57.12, 57.375),
    output="logit",
    network="deeplabv3plus",
)


def bench(folder: Path) -> None:
    """Print the figures of prediction."""
    run = folder / "deeplabv3plus"
    run.mkdir()
    torch.manual_seed(0)
    network = build_network("deeplabv3plus")
    with torch.no_grad():  # untrained, activations shrink until numbers are denormal, which slows torch tenfold
        for _ in range(3):
            network(torch.randn(4, 3, 128, 128))
    save_model(network, folder=run, card=CARD)
    models = {"DeepLabV3+ MobileNetV2 at 400": run}
    if (sinet := REAL_DATA / "models" / "sinet.onnx").exists():
        models["SINet at 320"] = sinet
    for name, model in models.items():
        for what, files in {"photographs of 600 x 800": drawn(folder), "small portraits": portraits()}.items():
            if files.is_dir():
                say(f"\nPrediction: {name}, {what}, {CORES} threads")
                rows(model, files=files, has_torch=model == run)


def rows(model: Path, *, files: Path, has_torch: bool) -> None:
    """Print what one image takes in each way, and the ratios that matter."""
    plain = child("tests.bench.prediction:torch_loop", model, files, CORES)[0] if has_torch else None
    single = child("tests.bench.prediction:torch_loop", model, files, 1)[0] if has_torch else None
    if plain and single:
        say(f"  torch loop: {told(plain)}; with one thread: {told(single)}")
    for precision in ("fp32", "fast"):
        bare, _ = child("tests.bench.prediction:bare_runtime", model, files, precision)
        ours, _ = child("tests.bench.prediction:over_files", model, files, precision)
        say(f"  {bare['engine']} alone: {told(bare)}")
        say(f"  curate, {ours['engine']}: {told(ours)}")
        of_bare = f"{ours['wall_ms'] / bare['wall_ms']:.2f} of the runtime's time, "
        of_bare += f"{ours['cpu_ms'] / bare['cpu_ms']:.2f} of its processor time"
        say(f"  -> {of_bare}")
        if plain and single:
            faster = f"{plain['wall_ms'] / ours['wall_ms']:.1f} times faster than the torch loop"
            say(f"  -> {faster}; {single['cpu_ms'] / ours['cpu_ms']:.1f} times less processor time than its one thread")


def told(row: dict[str, Any]) -> str:
    return f"{row['wall_ms']:.1f} ms an image, {row['cpu_ms']:.1f} ms of processor time"


def torch_loop(run: str, folder: str, threads: str) -> dict[str, Any]:
    """Read, resize, normalise and predict one image after the other, as a script would; in a process of its own."""
    from models.prediction.weights import load_network

    torch.set_num_threads(int(threads))
    network, card = load_network(Path(run))
    mean, std = np.array(card.mean, np.float32), np.array(card.std, np.float32)

    def predict(path: Path) -> None:
        image = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        small = cv2.resize(image, card.input_size[::-1]).astype(np.float32)
        inputs = torch.from_numpy(((small - mean) / std).transpose(2, 0, 1)[None].copy())
        with torch.no_grad():
            probability = torch.sigmoid(network(inputs))[0, 0].numpy()
        cv2.resize(probability, (image.shape[1], image.shape[0]))

    return measured(predict, some(folder, number=sized(40, short=2)), stretch=sized(4, short=1)) | {"engine": "torch"}


def bare_runtime(model: str, folder: str, precision: str) -> dict[str, Any]:
    """Run OpenVINO on inputs that lie ready, with all threads; in a process of its own."""
    ready = prepare(Path(model), options=options(precision))
    assert ready.engine == "openvino", ready.notes
    engine = engines.open_openvino(ready.data, card=ready.card, threads=CORES, with_bfloat16=ready.with_bfloat16)
    images = [decode_image(path.read_bytes(), file=path.name) for path in some(folder, number=sized(16, short=2))]
    size = ready.card.input_size
    inputs = [normalised(resized(image, size=size), card=ready.card)[None] for image in images]
    return measured(engine.run, inputs * sized(6, short=1), stretch=sized(4, short=1)) | {
        "engine": f"OpenVINO {ready.precision}"
    }


def over_files(model: str, folder: str, precision: str) -> dict[str, Any]:
    """Predict files as every command does; in a process of its own. Opening the model is not counted."""
    ready = prepare(Path(model), options=options(precision))
    files = some(folder, number=sized(200, short=2))
    predictions = predict_files(ready, files=files, options=options(precision))

    def next_one(_: Path) -> None:
        prediction = next(predictions)
        assert prediction.probability is not None, prediction.broken

    found = measured(next_one, files, stretch=sized(20, short=1))
    predictions.close()
    return found | {"engine": f"{ready.engine} {ready.precision}"}


def measured(action: Callable[[Any], Any], items: Sequence[Any], *, stretch: int) -> dict[str, Any]:
    """Return the milliseconds of an item in the best stretch, and those of the processor, child processes included."""
    for item in items[:WARM_UP]:
        action(item)
    before, ends = processor_s(), [time.perf_counter()]
    for item in items[WARM_UP:]:
        action(item)
        ends.append(time.perf_counter())
    best = min(later - earlier for earlier, later in zip(ends, ends[stretch:])) / stretch
    return {"wall_ms": best * 1e3, "cpu_ms": (processor_s() - before) / (len(items) - WARM_UP) * 1e3}


def processor_s() -> float:
    here = psutil.Process()
    times = [process.cpu_times() for process in (here, *here.children(recursive=True))]
    return sum(one.user + one.system for one in times)


def options(precision: str) -> EngineOptions:
    return EngineOptions(device="cpu", precision="fast" if precision == "fast" else "fp32", workers=CORES)


def some(folder: str, *, number: int) -> list[Path]:
    """Return so many of the JPEGs in a folder, again from the first where it has fewer."""
    files = sorted(Path(folder).glob("*.jpg"))
    return [files[index % len(files)] for index in range(number)]


def portraits() -> Path:
    return REAL_DATA / "data" / "portraits" / "images"


def drawn(folder: Path) -> Path:
    root = folder / "drawn"
    pictures = root / "clip_img" / "1803151818" / "clip_00000000"
    if not pictures.is_dir():
        write_aifenge_sample(root, images=sized(41, short=2), seed=0)
    return pictures
