"""Two raylets on this machine make the same bytes of real data as the local engine does."""

from __future__ import annotations

from pathlib import Path

import pytest

from curation.cluster.shards import ROWS
from tests.places import REAL_DATA
from tests.raylets import HAS_RAY, raylets
from tests.real.cluster_verbs import DATA, MAKER, SINET, same_bytes_here_and_there

pytestmark = [
    pytest.mark.real,
    pytest.mark.nightly,
    pytest.mark.skipif(not HAS_RAY, reason="the extra ray is not installed"),
    pytest.mark.skipif(
        not (SINET.is_file() and MAKER.is_file() and (DATA / "coco").is_dir()),
        reason=f"no real data in {REAL_DATA}; set CURATE_REAL_DATA to the folder of real data",
    ),
]


def test_a_cluster_makes_the_same_bytes_of_real_data(tmp_path: Path) -> None:
    with raylets(nodes=2) as cluster:
        cluster.drive(same_bytes_here_and_there, tmp_path, **{ROWS: "5"})
