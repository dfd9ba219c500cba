"""The schema of the file of `curate ablate`: its training and its changes are those that a training knows."""

from __future__ import annotations

from models.yaml_files.schema import Schema, comments_of, schema_of
from pipelines.experiments.ablation_config import EXAMPLE, OF_STAGES, OF_TRAINING, AblationConfig
from pipelines.loop.file_schemas import stages_schema


def ablation_schema() -> Schema:
    """Return the JSON Schema of an ablation."""
    schema = schema_of(AblationConfig, title="Ablation of curate", comments=comments_of(EXAMPLE.read_text()))
    training = stages_schema()
    parts = training.pop("$defs")
    known = {name: parts["Stage"]["properties"][name] for name in OF_STAGES}
    known |= {name: training["properties"][name] for name in OF_TRAINING}
    change = {
        "description": "New values of settings: those of a stage reach into every stage, `stages` replaces them all.",
        "type": "object",
        "properties": known,
        "additionalProperties": False,
    }
    del training["$schema"]
    schema["$defs"] |= {**parts, "Training": training, "Change": change}
    schema["$defs"]["Arm"]["properties"]["change"] = {"$ref": "#/$defs/Change"}
    schema["properties"]["train"] |= {"$ref": "#/$defs/Training"}
    level = {"anyOf": [{"$ref": "#/$defs/Change"}, {"type": "null"}]}
    axis = {"type": "object", "additionalProperties": level}
    grid = {"type": "object", "additionalProperties": axis}
    schema["properties"]["grid"] = {"anyOf": [grid, {"type": "null"}]}
    return schema
