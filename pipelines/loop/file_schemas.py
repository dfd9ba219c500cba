"""The schemas of the files that `curate init` writes; their descriptions are the comments of the examples."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from models.training.settings import TrainSettings
from models.yaml_files.schema import Schema, comments_of, schema_of
from pipelines.loop.config import LoopConfig

LOOP_EXAMPLE: Final = Path(__file__).with_name("loop_example.yaml")
STAGES_EXAMPLE: Final = Path(__file__).parent.with_name("training") / "stages_example.yaml"
ALPHA_EXAMPLE: Final = STAGES_EXAMPLE.with_name("alpha_example.yaml")
ENDING: Final = ".schema.json"
MODELINE: Final = "# yaml-language-server: $schema="
"""How a YAML file names its schema for editors: https://github.com/redhat-developer/yaml-language-server."""


def stages_schema() -> Schema:
    """Return the JSON Schema of `curate train --config`."""
    comments = comments_of(STAGES_EXAMPLE.read_text())
    return schema_of(TrainSettings, title="Training of curate", comments=comments)


def loop_schema() -> Schema:
    """Return the JSON Schema of the configuration of the loop."""
    stages = {("train", *path): told for path, told in comments_of(STAGES_EXAMPLE.read_text()).items()}
    comments = stages | comments_of(LOOP_EXAMPLE.read_text())
    return schema_of(LoopConfig, title="Loop of curate", comments=comments)


def schema_beside(file: Path) -> Path:
    """Return where the schema of a YAML file lies.

    >>> schema_beside(Path("data/loop.yaml"))
    PosixPath('data/loop.schema.json')
    """
    return file.with_name(file.stem + ENDING)


def example_files(example: Path, *, schema: Schema, out: Path) -> dict[Path, bytes]:
    """Return what to write for an example: the YAML file, which names its schema, and the schema beside it."""
    beside = schema_beside(out)
    text = f"{MODELINE}{beside.name}\n".encode() + example.read_bytes()
    return {beside: msgspec.json.format(msgspec.json.encode(schema)) + b"\n", out: text}
