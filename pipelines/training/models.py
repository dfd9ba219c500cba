"""`curate models`: the networks that can be trained, and what they cost."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from curation.errors import ConfigurationProblem
from pipelines.command_line.options import Result, RunOptions, setting
from pipelines.command_line.progress import progress_bar
from pipelines.training.inspect_file import inspected

if TYPE_CHECKING:
    from models.networks.compare_networks import Description

LEAST_SIDE: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelsFlags:
    """Which networks, and at which size."""

    network: tuple[str, ...] = setting("Only these networks; smp:ARCHITECTURE:ENCODER too.", default=(), metavar="NAME")
    size: str = setting("Size of the image that cost is counted for.", default="224x224", metavar="HxW")
    no_latency: bool = setting("Count only, do not measure time.", default=False)
    encoders: str | None = setting(
        "List the encoders for smp:ARCHITECTURE:ENCODER whose name holds this text, and nothing else.",
        default=None,
        metavar="TEXT",
    )
    inspect: Path | None = setting(
        "Print what this model of another tool takes and gives, and a card to start from, and nothing else.",
        default=None,
        metavar="FILE",
    )


def models(settings: ModelsFlags, *, run: RunOptions) -> Result:
    """List the networks: name, parameters, multiply-adds and time for one image on this processor, meaning, source.

    Nothing is downloaded; the weights are random. Time is the median of some images, one by one, through torch; a model
    predicts faster than that once it is exported.

    With --inspect: the inputs and outputs of an ONNX or TFLite file, of a frozen graph (.pb, .tar.gz) or a SavedModel,
    and its card as far as the file tells; what a person has to say is marked ???.

    \b
    Examples:
      curate models --network unet_shufflenet sinet smp:unet:resnet18 --size 320x240
      curate models --inspect portrait.tflite > portrait.yaml
    """
    if settings.encoders is not None:
        return encoders_named(settings.encoders)
    if settings.inspect is not None:
        return inspected(settings.inspect)
    # Here, so that -h does not wait for torch
    from models.networks.catalogue import NETWORKS, network_named
    from models.networks.compare_networks import described, is_busy, machine

    size = size_of(settings.size)
    names = settings.network or tuple(NETWORKS)
    for name in names:
        network_named(name)  # a wrong name is reported at once, before what takes time
    found: list[Description] = []
    busy = "the machine is busy with other work: times are too long" if is_busy() and not settings.no_latency else ""
    with progress_bar("models", total=len(names), run=run) as show:
        for name in names:
            found.append(described(name, size=size, with_latency=not settings.no_latency))
            show(len(found))
    return Result.of(
        table(found, size=size, machine=machine()),
        {
            "command": "models",
            "size": size,
            "latency_on": None if settings.no_latency else machine(),
            "networks": [asdict(one) for one in found],
        },
        warnings=(busy,) if busy else (),
    )


def encoders_named(text: str) -> Result:
    """List encoders by a part of their name."""
    from models.networks.smp_networks import ARCHITECTURES, encoder_names

    names = encoder_names(text)
    lines = [f"{len(names)} encoders for smp:ARCHITECTURE:ENCODER", *(f"  {name}" for name in names)]
    data = {"command": "models", "architectures": ARCHITECTURES, "encoders": names}
    return Result.of([*lines, f"architectures: {', '.join(ARCHITECTURES)}"], data)


def size_of(text: str) -> tuple[int, int]:
    """Return (height, width) of a text such as 320x240; raises ConfigurationProblem for any other.

    >>> size_of("320x240")
    (320, 240)
    """
    sides = re.fullmatch(r"(\d{1,5})x(\d{1,5})", text)
    if sides is None or min(int(sides[1]), int(sides[2])) < LEAST_SIDE:
        raise ConfigurationProblem(
            f"--size {text!r} is not a size", remedy=f"give HEIGHTxWIDTH, {LEAST_SIDE} pixels or more, such as 320x240"
        )
    return int(sides[1]), int(sides[2])


def table(found: list[Description], *, size: tuple[int, int], machine: str) -> list[str]:
    """Return the networks as lines for people."""
    width = max(len(one.name) for one in found)
    measured = any(one.milliseconds is not None for one in found)
    head = f"Cost of an image of {size[0]} x {size[1]} pixels, 1 class"
    lines = [
        head + (f"; time in {machine}" if measured else ""),
        f"  {'name':<{width}}  {'parameters':>10}  {'MACs':>8}  {'ms':>7}  meaning (source)",
    ]
    for one in found:
        time = "-" if one.milliseconds is None else f"{one.milliseconds:.1f}"
        cost = f"{short(one.parameters):>10}  {short(one.multiply_adds):>8}  {time:>7}"
        lines.append(f"  {one.name:<{width}}  {cost}  {one.meaning} ({one.source})")
    return lines


def short(number: int) -> str:
    """Return a number in thousands, millions or milliards, with two decimals.

    >>> short(79_540), short(24_440_000), short(20_777_525_248)
    ('79.54 K', '24.44 M', '20.78 G')
    """
    unit, name = next(((unit, name) for unit, name in ((1e9, "G"), (1e6, "M")) if number >= unit), (1e3, "K"))
    return f"{number / unit:.2f} {name}"
