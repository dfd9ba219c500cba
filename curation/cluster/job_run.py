"""One job on a cluster: shards of the items go to its machines, and each result comes back once.

A machine or process that is lost costs what its shards had not laid down yet: that is done again elsewhere. Files have
the names of their samples and are put there whole, so whoever makes one a second time makes the same.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Generic

from curation.building.engine import Job, Lost, R, T
from curation.cluster.fitness import question
from curation.cluster.ray_door import Cluster, Task
from curation.cluster.shard_work import Done, Order, end_of, work_on
from curation.cluster.shards import LANES, Node, cut, processes
from curation.cluster.spool import close_spool, open_spool, packed, places_in, put, read_soon, results_in
from curation.cluster.team import Team
from curation.errors import EnvironmentProblem

HEAR_S: Final = 0.5
"""How often what machines have laid down is taken."""
MOST_LOSSES: Final = 12
"""So many shards lost one after the other, and nothing done meanwhile, end a job."""
AHEAD: Final = 2
"""Where order is kept, shards that may wait for an earlier one, as a multiple of those at work."""


@dataclass(slots=True, kw_only=True)
class _Shard:
    """Places of items that are still to do; `refusals` counts the machines that could not do it."""

    places: Sequence[int]
    refusals: int = 0


@dataclass(slots=True, kw_only=True)
class _Hand:
    """A shard on a machine; `left` are the places whose results were not taken yet, `taken` the blocks that were.

    Once it has ended, `blocks` is how many there are, and `held` those that did not lie in the spool.
    """

    shard: _Shard
    node: Node
    order: Order
    task: Task
    left: set[int]
    taken: int = 0
    blocks: int | None = None
    held: tuple[bytes, ...] = ()
    error: Exception | None = None

    def next_block(self) -> bytes | None:
        """Return the next block; None where it is not there yet, or there are no more."""
        if self.order.spool is None or (self.blocks is not None and self.taken >= self.blocks):
            return None
        file = self.order.block(self.taken)
        if self.blocks is None and not file.exists():
            return None
        data = read_soon(file)
        file.unlink(missing_ok=True)
        self.taken += 1
        return data

    def laid_down(self) -> tuple[int, set[int]]:
        """Return how many blocks of a shard that was lost are there, and of which places."""
        number, places = self.taken, set[int]()
        while self.order.spool is not None and (file := self.order.block(number)).exists():
            places.update(places_in(file.read_bytes()))
            number += 1
        return number, places


class JobRun(Generic[T, R]):
    """One job on a cluster: what waits, what is in hand, how much is done."""

    def __init__(
        self,
        cluster: Cluster,
        *,
        job: Job[T, R],
        items: Sequence[T],
        variables: dict[str, str | None],
        tell: Callable[[str], None],
    ) -> None:
        self._cluster, self._job, self._items, self._tell = cluster, job, items, tell
        self._variables = variables
        self._spool = open_spool(job)
        self._hands: list[_Hand] = []
        self._waiting: deque[_Shard] = deque()
        self._given = self._attempts = self._losses = 0

    def results(self) -> Iterator[tuple[int, R | Lost]]:
        """Hand out the shards, and yield the result of every item."""
        asking = question(self._job, self._items, spool=self._spool)
        self._team = Team(cluster=self._cluster, question=asking, tell=self._tell, needs_gpu=self._job.needs_gpu)
        nodes = self._team.gather()
        is_one = self._job.max_processes == 1  # what one process remembers from item to item cannot be shared
        shards = [range(len(self._items))] if is_one else cut(len(self._items), nodes=len(nodes))
        self._team.lanes = LANES if len(shards) > len(nodes) else 1
        self._waiting.extend(_Shard(places=places) for places in shards)
        self._sent = put(packed(self._job), spool=self._spool)
        while self._given < len(self._items):
            self._team.look()
            self._hand_out()
            self._hear()
            yield from self._take()

    def stop(self) -> None:
        """End all work, and leave nothing behind."""
        close_spool(self._spool)  # first: whoever cannot be reached sees that it is over
        self._cluster.stop([hand.task for hand in self._hands if hand.blocks is None])
        close_spool(self._spool)

    def _hand_out(self) -> None:
        while self._waiting and not self._is_far_ahead() and (node := self._team.free()) is not None:
            self._give(self._waiting.popleft(), node=node)

    def _is_far_ahead(self) -> bool:
        """Tell whether enough waits for an earlier item, which is in hand."""
        is_next = self._waiting[0].places[0] == self._given
        return self._job.keeps_order and not is_next and len(self._hands) >= AHEAD * max(1, self._team.capacity)

    def _give(self, shard: _Shard, *, node: Node) -> None:
        lanes = self._team.lanes_of(node)
        items = put(packed(_at(self._items, shard.places)), spool=self._spool)
        self._attempts += 1
        order = Order(
            name=f"{items.sha256[:16]}-{self._attempts}",
            job=self._sent,
            items=items,
            places=shard.places,
            workers=processes(self._job, node=node, lanes=lanes),
            spool=self._spool,
            cwd=str(Path.cwd()),
            variables=self._variables,
        )
        share = node.cpus / lanes
        cpus = int(share) if share >= 1 else share
        task = self._cluster.give(
            work_on, {"order": order}, node=node, cpus=cpus, gpus=1.0 if self._job.needs_gpu else 0.0
        )
        self._hands.append(_Hand(shard=shard, node=node, order=order, task=task, left=set(shard.places)))
        self._hands.sort(key=lambda hand: hand.shard.places[0])
        self._team.takes(node)

    def _hear(self) -> None:
        """Wait a little for a shard to end, and note how those ended that did."""
        working = [hand for hand in self._hands if hand.blocks is None]
        if not working:
            return
        ended = self._cluster.ended([hand.task for hand in working], patience_s=HEAR_S)
        for hand in working:
            if hand.task in ended:
                self._team.is_rid_of(hand.node)
                self._note(hand)

    def _note(self, hand: _Hand) -> None:
        ended = self._cluster.result(hand.task)
        if ended.lost:
            self._team.rests(hand.node)
            self._again(hand, why=ended.lost)
            return
        done: Done = ended.value or Done(blocks=hand.laid_down()[0], error=ended.error)
        if isinstance(done.error, EnvironmentProblem) and not hand.shard.refusals and self._team.has_other(hand.node):
            self._team.set_aside(hand.node, why=done.error.cause)
            self._again(hand, why=done.error.cause, is_refusal=True)
            return
        if done.error is not None:
            self._tell_of_log(hand)
        hand.blocks, hand.held, hand.error = done.blocks, done.held, done.error

    def _again(self, hand: _Hand, *, why: str, is_refusal: bool = False) -> None:
        """Put what a lost shard had not laid down in the queue once more."""
        hand.blocks, there = hand.laid_down()
        again = [place for place in hand.shard.places if place in hand.left and place not in there]
        hand.left.intersection_update(there)
        done = len(hand.shard.places) - len(again)
        self._tell(f"{hand.node.name} lost a shard with {done:,} of {len(hand.shard.places):,} items done: {why}")
        self._tell_of_log(hand)
        self._losses = 0 if there else self._losses + 1
        if self._losses > MOST_LOSSES:
            raise EnvironmentProblem(
                f"{self._losses} shards were lost one after the other, and nothing was done: {why}",
                where=hand.node.name,
                remedy="look into the log above, and at the memory of the machines; then run the same command again",
            )
        if again:
            self._waiting.appendleft(_Shard(places=again, refusals=hand.shard.refusals + is_refusal))

    def _tell_of_log(self, hand: _Hand) -> None:
        if log := end_of(hand.order.log):
            self._tell(f"what the shard printed on {hand.node.name}:\n{log}")

    def _take(self) -> Iterator[tuple[int, R | Lost]]:
        """Yield the results that are there; where order is kept, none before those of every earlier item."""
        for hand in list(self._hands):
            if self._job.keeps_order and hand.left and min(hand.left) != self._given:
                return
            yield from self._take_from(hand)
            if hand.blocks is not None:
                self._hands.remove(hand)
                if hand.error is not None:
                    raise hand.error
                assert not hand.left, f"a shard ended without the results of {len(hand.left)} items"
            elif self._job.keeps_order:
                return

    def _take_from(self, hand: _Hand) -> Iterator[tuple[int, R | Lost]]:
        while (data := hand.next_block()) is not None:
            yield from self._new(hand, data)
        for data in hand.held:
            yield from self._new(hand, data)

    def _new(self, hand: _Hand, data: bytes) -> Iterator[tuple[int, R | Lost]]:
        for place, result in results_in(data):
            if place in hand.left:
                hand.left.remove(place)
                self._given += 1
                self._losses = 0
                yield place, result


def _at(items: Sequence[T], places: Sequence[int]) -> list[T]:
    """Return the items at some places, which are read at once where they lie together."""
    if isinstance(places, range) and places.step == 1:
        return list(items[places.start : places.stop])
    return [items[place] for place in places]
