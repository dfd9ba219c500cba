"""How a mask is predicted: networks, losses, training, inference and metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.lazy_names import lazy_names

if TYPE_CHECKING:
    from models.prediction.load_model import load_model
else:
    __getattr__, __dir__ = lazy_names(__name__, {"load_model": "models.prediction.load_model"})

__all__ = ["load_model"]
