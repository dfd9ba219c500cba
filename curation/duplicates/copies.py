"""Which images of some data sets are copies of images of others."""

from __future__ import annotations

from collections.abc import Sequence

from curation.dataset.dataset import Dataset
from curation.duplicates.find_duplicates import find_duplicates
from curation.duplicates.fingerprint_dataset import LookOptions, look_at, pictures_of


def copies_among(parts: Sequence[Dataset], *, of: Sequence[Dataset], options: LookOptions) -> set[tuple[int, str]]:
    """Return the samples of `parts` that show what a sample `of` others shows, by the number of their part and id.

    Copies are the same file, the same pixels, near-duplicates, and mirrored ones; see `find_duplicates`.
    """
    datasets = [*parts, *of]
    pictures = pictures_of(datasets)
    found = find_duplicates(pictures, seen=look_at(pictures, datasets=datasets, options=options))
    return {
        (pictures[number].dataset, pictures[number].id)
        for cluster in found.clusters
        if any(pictures[number].dataset >= len(parts) for number in cluster)
        for number in cluster
        if pictures[number].dataset < len(parts)
    }
