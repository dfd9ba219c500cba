"""What the data is: images, masks, datasets, sources and checks. No torch, no network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from curation.lazy_names import lazy_names

if TYPE_CHECKING:
    from curation.dataset.dataset import read_dataset
else:
    __getattr__, __dir__ = lazy_names(__name__, {"read_dataset": "curation.dataset.dataset"})

__all__ = ["read_dataset"]
