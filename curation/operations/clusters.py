"""What hangs together: names or numbers that are joined in pairs, directly or through others."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Generic, TypeVar

Member = TypeVar("Member", int, str)


class Clusters(Generic[Member]):
    """Members, each alone until it is joined with others."""

    def __init__(self) -> None:
        self._parent: dict[Member, Member] = {}

    def join(self, first: Member, *, second: Member) -> None:
        """Put two members, and all that each is joined with, into one cluster."""
        one, other = sorted((self.leader(first), self.leader(second)))
        self._parent[other] = one

    def join_equal(self, members: Iterable[Member], *, values: Iterable[str | None]) -> None:
        """Join the members that have one value, each that of its place; None joins nothing."""
        first_of: dict[str, Member] = {}
        for member, value in zip(members, values, strict=True):
            if value is not None and (first := first_of.setdefault(value, member)) != member:
                self.join(first, second=member)

    def leader(self, member: Member) -> Member:
        """Return the smallest member of a cluster."""
        parent = self._parent
        while (above := parent.setdefault(member, member)) != member:
            parent[member] = parent[above]  # halves the path, so that long chains stay cheap
            member = parent[member]
        return member

    def groups(self) -> list[list[Member]]:
        """Return the clusters of two or more, each sorted, in the order of their smallest members.

        >>> clusters = Clusters[int]()
        >>> clusters.join(4, second=1)
        >>> clusters.join(1, second=2)
        >>> clusters.groups()
        [[1, 2, 4]]
        """
        members: defaultdict[Member, list[Member]] = defaultdict(list)
        for member in sorted(self._parent):
            members[self.leader(member)].append(member)
        return [cluster for _, cluster in sorted(members.items()) if len(cluster) > 1]
