"""What hangs together: numbers that are joined in pairs, directly or through others."""

from __future__ import annotations

from collections import defaultdict


class Clusters:
    """The numbers 0 to `size` - 1, each alone until it is joined with others."""

    def __init__(self, size: int) -> None:
        self._parent = list(range(size))

    def join(self, first: int, *, second: int) -> None:
        """Put two numbers, and all that each is joined with, into one cluster."""
        one, other = sorted((self.leader(first), self.leader(second)))
        self._parent[other] = one

    def leader(self, number: int) -> int:
        """Give the smallest number of a cluster."""
        parent = self._parent
        while parent[number] != number:
            parent[number] = parent[parent[number]]  # halves the path, so that long chains stay cheap
            number = parent[number]
        return number

    def found(self) -> list[list[int]]:
        """Give the clusters of two or more, each sorted, in the order of their smallest numbers.

        >>> clusters = Clusters(5)
        >>> clusters.join(4, second=1)
        >>> clusters.join(1, second=2)
        >>> clusters.found()
        [[1, 2, 4]]
        """
        members: defaultdict[int, list[int]] = defaultdict(list)
        for number in range(len(self._parent)):
            members[self.leader(number)].append(number)
        return [cluster for _, cluster in sorted(members.items()) if len(cluster) > 1]
