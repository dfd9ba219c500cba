"""The licences of COCO's own annotation file, against what a person read in them."""

from __future__ import annotations

import pytest

from curation.dataset.licenses import terms_of
from curation.sources.coco.read_file import read_coco
from tests.curation.dataset.test_licenses import COCO
from tests.places import REAL_DATA

REAL = REAL_DATA / "data" / "coco" / "annotations"


def test_the_file_of_coco_holds_the_licences_that_were_classified_by_hand() -> None:
    if not (REAL / "instances_train2017.json").exists():
        pytest.skip(f"no annotations of COCO in {REAL}")
    found = read_coco(REAL / "instances_train2017.json").licenses
    assert {int(id_): text for id_, text in found.items()} == dict(enumerate((text for text, *_ in COCO), start=1))
    terms = {int(id_): terms_of(text) for id_, text in found.items()}
    assert [id_ for id_, one in sorted(terms.items()) if one.non_commercial] == [1, 2, 3]
    assert [id_ for id_, one in sorted(terms.items()) if one.no_derivatives] == [3, 6]
