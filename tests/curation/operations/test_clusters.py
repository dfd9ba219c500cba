"""Clusters: what is joined hangs together, in whatever order it was joined."""

from __future__ import annotations

import networkx
from hypothesis import given
from hypothesis import strategies as st

from curation.operations.clusters import Clusters

edges = st.lists(st.tuples(st.integers(0, 14), st.integers(0, 14)), max_size=30)


@given(edges=edges)
def test_clusters_are_the_connected_components(edges: list[tuple[int, int]]) -> None:
    clusters = Clusters[int]()
    graph = networkx.Graph(edges)
    for first, second in edges:
        clusters.join(first, second=second)
    expected = sorted(sorted(part) for part in networkx.connected_components(graph) if len(part) > 1)
    assert clusters.groups() == expected


@given(values=st.lists(st.sampled_from(["a", "b", None]), max_size=12))
def test_members_of_one_value_are_one_cluster(values: list[str | None]) -> None:
    clusters = Clusters[int]()
    clusters.join_equal(range(len(values)), values=values)
    same = ([place for place, one in enumerate(values) if one == value] for value in ("a", "b"))
    assert clusters.groups() == sorted(part for part in same if len(part) > 1)
