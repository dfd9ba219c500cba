"""A model of TensorFlow or TFLite, checked against its card and ready to run on OpenVINO."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from curation.errors import ConfigurationProblem, EnvironmentProblem
from models import openvino_door
from models.card import ModelCard
from models.model_files import FoundModel, fingerprint_of, refuse_other_digest
from models.openvino_door import INSTALL
from models.prediction import engines
from models.prediction.checks.ports import agreed_ports
from models.prediction.choose_engine import choose_engine
from models.prediction.foreign.convert import Intermediate, converted, ports_of
from models.prediction.foreign.kept_models import keep_model, kept_model, key_of
from models.prediction.foreign.parcels import Parcel, parcel_of
from models.prediction.protocol import EngineOptions
from models.prediction.ready_model import ReadyModel

ONLY_OPENVINO: Final = "OpenVINO is not installed, which alone reads models of TensorFlow and TFLite here"


def ready_foreign(found: FoundModel, *, card: ModelCard, options: EngineOptions) -> ReadyModel:
    """Return a model of TensorFlow or TFLite that fits its card and has answered the probe.

    It is converted once, and kept. Raises what `parcels`, `convert` and `choose_engine` raise, EnvironmentProblem
    without OpenVINO, and ConfigurationProblem where it is to run on a GPU.
    """
    refuse_without_openvino(found.path)
    if options.device not in {"auto", "cpu"}:
        raise ConfigurationProblem(
            f"--device {options.device}: a model of TensorFlow or TFLite runs on the CPU, with OpenVINO",
            where=found.path,
            remedy="leave out --device, or give the model as ONNX",
        )
    digest = fingerprint_of(found)
    refuse_other_digest(digest, card=card, file=found.weights)
    made = intermediate_of(parcel_of(found), output_name=card.output_name)
    graph = openvino_door.openvino_core().read_model(made.xml, made.constants)
    _, run_by = agreed_ports(*ports_of(graph), card=msgspec.structs.replace(card, output_name=None), file=found.path)
    model = ReadyModel(
        name=found.name,
        file=found.path,
        sha256=digest,
        card=msgspec.structs.replace(run_by, output_name=card.output_name),
        data=made.xml,
        constants=made.constants,
        engine="openvino",
    )
    return choose_engine(model, options=options)


def intermediate_of(parcel: Parcel, *, output_name: str | None) -> Intermediate:
    """Return a model in OpenVINO's form, as it was kept, or converted and kept now."""
    version = str(openvino_door.openvino_package().__version__)
    key = key_of(parcel.digest + parcel.kind, output_name=output_name, version=version)
    if (kept := kept_model(key)) is not None:
        return kept
    made = converted(parcel, output_name=output_name)
    keep_model(key, made)
    return made


def refuse_without_openvino(file: Path) -> None:
    """Raise EnvironmentProblem where OpenVINO is not installed."""
    if not engines.has_openvino():
        raise EnvironmentProblem(ONLY_OPENVINO, where=file, remedy=f"{INSTALL}, or give the model as ONNX")
