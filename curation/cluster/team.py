"""The machines that work on one job: asked before they get work, told apart by name, and given up when they fail."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from curation.cluster.fitness import MOST_SKEW_S, Question, asked, differing
from curation.cluster.ray_door import Cluster, Ended, Task
from curation.cluster.shards import Node
from curation.errors import EnvironmentProblem, RemoteUnavailable

LOOK_S: Final = 2.0
"""How often it is asked which machines there are."""
ANSWER_S: Final = 120.0
"""A machine under load starts a process, which imports Ray, in this time."""
REST_S: Final = 3.0
"""A machine on which work was lost gets none for so long: where it is dead, that is known by then."""
START_S: Final = 60.0
NONE_LEFT_S: Final = 120.0
"""So long a job waits for a machine to come back, or a new one to join."""
SAME: Final = "install the same state of curate, and the same requirements.lock, on all machines"


@dataclass(slots=True, kw_only=True)
class _Member:
    node: Node
    since: float
    asked: Task | None = None
    is_fit: bool = False
    rests_until: float = 0.0


@dataclass(slots=True, kw_only=True)
class Team:
    """Who works on a job; `lanes` shards at once on each machine, or with `needs_gpu` one on each of its GPUs."""

    cluster: Cluster
    question: Question
    tell: Callable[[str], None]
    needs_gpu: bool = False
    lanes: int = 1
    _ours: Mapping[str, Any] = field(default_factory=dict)
    _members: dict[str, _Member] = field(default_factory=dict)
    _unfit: dict[str, str] = field(default_factory=dict)
    _others: dict[str, str] = field(default_factory=dict)
    _busy: Counter[str] = field(default_factory=Counter)
    _looked: float = 0.0
    _alone_since: float = field(default_factory=time.monotonic)

    def gather(self) -> list[Node]:
        """Ask all machines, and return those that are fit.

        Raises EnvironmentProblem where one has other programs, and where none is fit.
        """
        self.survey()
        if self._others:
            name, differs = next(iter(self._others.items()))
            raise EnvironmentProblem(f"a machine has other programs: {differs}", where=name, remedy=SAME)
        if not any(one.is_fit for one in self._members.values()):
            what = "machine with a GPU" if self.needs_gpu else "machine"
            raise EnvironmentProblem(
                f"no {what} of the cluster can work on this: {'; '.join(self._unfit.values()) or 'there is none'}",
                where=self.cluster.address or None,
                remedy="mount the data under the same path on all machines, and run the command from a folder there",
            )
        return [one.node for one in self._members.values() if one.is_fit]

    def survey(self) -> list[str]:
        """Ask all machines, wait for their answers, and return why some are unfit, a line for each."""
        self._ours = asked()(**self.question.values)
        self._await_some()
        while waiting := [one.asked for one in self._members.values() if one.asked is not None]:
            self.cluster.ended(waiting, patience_s=1.0)
            self._hear_all()
        return list(self._unfit.values())

    def _await_some(self) -> None:
        """Wait for the first machine: a cluster that was just started may have none yet."""
        deadline = time.monotonic() + START_S
        self.look()
        while not self._members and not self._unfit and time.monotonic() < deadline:
            time.sleep(LOOK_S)
            self.look()

    def look(self) -> None:
        """See which machines are gone, and ask those that are new. Raises RemoteUnavailable where none is left."""
        now = time.monotonic()
        if now - self._looked < LOOK_S:
            return
        self._looked = now
        there = {node.id: node for node in self.cluster.nodes() if node.gpus >= 1 or not self.needs_gpu}
        for gone in self._members.keys() - there.keys():
            self.tell(f"{self._members.pop(gone).node.name} left the cluster")
        for new in there.keys() - self._members.keys() - self._unfit.keys():
            task = self.cluster.give(asked(), self.question.values, node=there[new], cpus=0)
            self._members[new] = _Member(node=there[new], since=now, asked=task)
        self._refuse_if_all_are_gone(now)

    def free(self) -> Node | None:
        """Return the machine with the most room for a shard, None where none has any."""
        now = time.monotonic()
        self._hear_all()
        fit = [one for one in self._members.values() if one.is_fit and one.rests_until <= now]
        room = [(self.lanes_of(one.node) - self._busy[one.node.id], one.node) for one in fit]
        best = max(room, key=lambda one: one[0], default=(0, None))
        return best[1] if best[0] > 0 else None

    @property
    def capacity(self) -> int:
        """The number of shards that all machines work on at once."""
        return sum(self.lanes_of(one.node) for one in self._members.values() if one.is_fit)

    def lanes_of(self, node: Node) -> int:
        """Return the number of shards that a machine works on at once."""
        return int(node.gpus) if self.needs_gpu else self.lanes

    def takes(self, node: Node) -> None:
        """Note that a machine got a shard."""
        self._busy[node.id] += 1

    def is_rid_of(self, node: Node) -> None:
        """Note that a shard on a machine ended."""
        self._busy[node.id] -= 1

    def rests(self, node: Node) -> None:
        """Give a machine nothing for a while."""
        if node.id in self._members:
            self._members[node.id].rests_until = time.monotonic() + REST_S

    def set_aside(self, node: Node, *, why: str) -> None:
        """Give a machine no more work, and say why."""
        self._members.pop(node.id, None)
        self._unfit[node.id] = f"{node.name}: {why}"
        self.tell(f"{node.name} gets no work: {why}")

    def has_other(self, node: Node) -> bool:
        """Tell whether another machine than this one is fit."""
        return any(one.is_fit for id_, one in self._members.items() if id_ != node.id)

    def _hear_all(self) -> None:
        """Note what machines answered by now; one that does not is given up."""
        for member in list(self._members.values()):
            if member.asked is None:
                continue
            if self.cluster.ended([member.asked], patience_s=0.0):
                self._hear(member, ended=self.cluster.result(member.asked))
            elif time.monotonic() - member.since > ANSWER_S:
                self.set_aside(member.node, why=f"it gave no answer within {ANSWER_S:.0f} s")

    def _hear(self, member: _Member, *, ended: Ended) -> None:
        member.asked = None
        if ended.value is None:
            self.set_aside(member.node, why=f"it cannot answer: {ended.lost or ended.error}")
        elif differs := differing(self._ours["programs"], theirs=ended.value["programs"]):
            self._others[member.node.name] = "; ".join(differs[:3])
            self.set_aside(member.node, why=f"it has other programs: {'; '.join(differs[:3])}")
        elif lacks := ended.value["lacks"]:
            self.set_aside(member.node, why=f"it does not see {lacks[0]} as this machine does; is it mounted there?")
        else:
            self._tell_of_clock(member.node, clock=ended.value["clock"])
            member.is_fit = True

    def _tell_of_clock(self, node: Node, *, clock: float) -> None:
        skew_s = clock - time.time()
        if abs(skew_s) > MOST_SKEW_S + ANSWER_S:
            way = "ahead of" if skew_s > 0 else "behind"
            self.tell(f"the clock of {node.name} is {abs(skew_s):.0f} s {way} ours; no result depends on it")

    def _refuse_if_all_are_gone(self, now: float) -> None:
        if self._members or not self._ours:
            self._alone_since = now
        elif now - self._alone_since > NONE_LEFT_S:
            why = f"; {'; '.join(self._unfit.values())}" if self._unfit else ""
            raise RemoteUnavailable(
                f"for {NONE_LEFT_S:.0f} s no machine of the cluster could work{why}",
                where=self.cluster.address or None,
                remedy="bring machines back; then run the same command again; it continues where it was",
            )


def processors(nodes: Sequence[Node]) -> int:
    """Return the number of processors of machines."""
    return int(sum(node.cpus for node in nodes))
