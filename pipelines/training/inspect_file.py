"""What `curate models --inspect` prints: a model's inputs and outputs as comments, and the card to start from."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from models.card import UNSAID
from pipelines.command_line.options import Result

if TYPE_CHECKING:
    from models.prediction.checks.ports import Port
    from models.prediction.inspection.begun_card import Output
    from models.prediction.inspection.inspect_model import Inspected

FORMS = {
    "onnx": "ONNX",
    "tflite": "TFLite",
    "frozen": "a frozen graph of TensorFlow",
    "saved_model": "a SavedModel of TensorFlow",
    "archive": "an archive with a model of TensorFlow or TFLite",
}


def inspected(file: Path) -> Result:
    """Return what a model's file says of itself; as a whole it is a card to be completed."""
    from models.prediction.inspection.inspect_model import inspect_model

    found = inspect_model(file)
    data = {
        "command": "models",
        "inspected": str(file),
        "form": found.form,
        "inputs": [asdict(port) for port in found.inputs],
        "outputs": [asdict(one.port) | {"seen": one.seen and asdict(one.seen)} for one in found.outputs],
        "outputs_not_run": list(found.others),
        "card": found.card.known,
        "to_say": found.card.to_say,
        "card_file": str(found.card_file),
        "text": "\n".join(found.card.lines()),
    }
    return Result.of(_lines(found, name=file.name), data)


def _lines(found: Inspected, *, name: str) -> list[str]:
    lines = [f"# {name}: {FORMS[found.form]}"]
    lines += [f"# takes {_port(port)}" for port in found.inputs]
    lines += [f"# gives {_port(one.port)}{_seen(one)}" for one in found.outputs]
    if found.others:
        lines.append(f"# gives too, not run here: {', '.join(found.others)}")
    lines.append(f"# Its card is {found.card_file.name}, beside it. What only a person can say is marked {UNSAID}:")
    return [*lines, *found.card.lines()]


def _port(port: Port) -> str:
    """Return an input or output in words, such as `image: float32, 1 x 3 x 32 x 24`."""
    sides = " x ".join("any" if side is None else str(side) for side in port.sides)
    return f"{port.name}: {port.dtype}, {sides or 'of any shape'}"


def _seen(output: Output) -> str:
    if output.seen is None:
        return ""
    adds = ", channels add up to 1" if output.seen.adds_up_to_one else ""
    return f" ({output.seen.low:.4g} to {output.seen.high:.4g} for drawn pictures{adds})"
