"""Which model a path, or a name in a registry, stands for."""

from __future__ import annotations

from pathlib import Path

from models.model_files import REGISTERED, FoundModel, model_on_disk
from models.registry.registry import fetched


def find_model(path: Path) -> FoundModel:
    """Return the model that a path names, or a name in a registry; nothing but names is looked at.

    Raises InputRefused when there is none, saying what was looked for, and SecurityRefused for other formats.
    """
    return model_on_disk(fetched(str(path)) if str(path).startswith(REGISTERED) else path)
