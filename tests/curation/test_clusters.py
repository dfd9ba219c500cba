"""Clusters: what is joined hangs together, in whatever order it was joined."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from curation.clusters import Clusters

edges = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=30)


@given(edges=edges)
def test_clusters_are_the_connected_components(edges: list[tuple[int, int]]) -> None:
    clusters = Clusters(15)
    graph = networkx.Graph(edges)
    for first, second in edges:
        clusters.join(first, second=second)
    expected = sorted(sorted(part) for part in networkx.connected_components(graph) if len(part) > 1)
    assert clusters.found() == expected
