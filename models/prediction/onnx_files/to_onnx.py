"""A network as an ONNX file."""

from __future__ import annotations

import contextlib
import io
import warnings
from typing import Final

import torch
from torch import nn

from curation.errors import ConfigurationProblem
from models.card import ModelCard
from models.prediction.checks.ports import PLACE

OPSET: Final = 18


def onnx_of(network: nn.Module, *, card: ModelCard) -> bytes:
    """Return a network as ONNX: one file, standard operators, any number of images at once, of the card's size.
    One that takes the places of faces takes them as a second input, `place`.

    Raises ConfigurationProblem when the network uses what ONNX has not.
    """
    height, width = card.input_size
    stream = io.BytesIO()
    given, names = [torch.zeros(2, 3, height, width)], ["image"]
    if card.structure.takes_place:
        given, names = [*given, torch.zeros(2, *PLACE)], [*names, "place"]
    axes = {name: {0: "images"} for name in (*names, "output")}
    try:
        # This exporter, which needs no further package, warns of itself, of sizes that it takes for fixed, as they
        # are, and of constants that it leaves unfolded; where it fails, it prints the graph.
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                network.eval(),
                tuple(given),
                stream,  # type: ignore[arg-type]  # this exporter writes to streams too
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                output_names=["output"],
                dynamic_axes=axes,
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise ConfigurationProblem(
            f"the network cannot be written as ONNX: {str(error).splitlines()[0]}",
            where=card.network,
            remedy="choose another network, or use its run folder",
        ) from error
    return stream.getvalue()
