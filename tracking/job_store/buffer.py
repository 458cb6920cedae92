"""What a job's process has logged and MLflow does not hold yet: in order, in batches, once.

Pure: nothing here knows of threads, clocks or HTTP. The recorder owns those.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from journeyman.tracking.records import storable

MAX_POINTS = 1000
MAX_PARAMS = 100
MAX_TAGS = 100
MAX_ENTITIES = 1000
MAX_PARAM_CHARACTERS = 6000
MAX_TAG_CHARACTERS = 8000
MAX_KEY_CHARACTERS = 250
"""MLflow's own limits, on one request and on one value."""
MAX_BODY_BYTES = 900_000
"""MLflow refuses a batch above 1,000,000 bytes; nginx in its default setting stops at 1 MiB."""
ENTRY_BYTES = 64
"""What the JSON of an entry takes beside its key and its value."""
POINT_BYTES = 192
"""The same of a point, its value, time and step at their longest included."""

CHANGED_PARAM = "changed_param."


class Point(NamedTuple):
    """One value of one metric. A named tuple: it is made on the step path, where a dataclass costs double."""

    key: str
    value: float
    timestamp_ms: int
    step: int
    model_id: str | None = None
    dataset_name: str | None = None
    dataset_digest: str | None = None


class Param(NamedTuple):
    key: str
    value: str


class Tag(NamedTuple):
    key: str
    value: str


class Call(NamedTuple):
    """A request that is kept whole: the API's message type and its JSON body."""

    api: Any
    body: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What goes to MLflow in one request: a call alone, or points, params and tags within its limits."""

    points: tuple[Point, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    call: Call | None = None

    def __len__(self) -> int:
        return len(self.points) + len(self.params) + len(self.tags) + (self.call is not None)

    def halves(self) -> tuple[Batch, Batch]:
        """Two batches that together hold what this one does; for two entries or more."""
        entries: list[Point | Param | Tag] = [Param(key, value) for key, value in self.params.items()]
        entries += [Tag(key, value) for key, value in self.tags.items()]
        entries += self.points
        middle = len(entries) // 2
        return _batch(entries[:middle]), _batch(entries[middle:])

    def parts(self, stored: Mapping[str, str]) -> tuple[Batch, ...]:
        """What to send instead of a batch that MLflow refused while it held the params `stored`.

        Params that differ from what is stored become tags; a batch without such a param is halved, and
        one entry alone comes to nothing.
        """
        changed = {k: v for k, v in self.params.items() if stored.get(k, v) != v}
        if changed:
            kept = {k: v for k, v in self.params.items() if k not in changed}
            tags = {changed_param(k): v for k, v in changed.items()}
            parts = (Batch(self.points, kept, self.tags), Batch(tags=tags))
            return tuple(part for part in parts if len(part))
        return self.halves() if len(self) > 1 else ()


def _batch(entries: Iterable[Point | Param | Tag]) -> Batch:
    points: list[Point] = []
    params: dict[str, str] = {}
    tags: dict[str, str] = {}
    for entry in entries:
        if isinstance(entry, Point):
            points.append(entry)
        elif isinstance(entry, Param):
            params[entry.key] = entry.value
        else:
            tags[entry.key] = entry.value
    return Batch(tuple(points), params, tags)


def changed_param(key: str) -> str:
    """The tag that tells a param's later value: MLflow's params never change."""
    return (CHANGED_PARAM + key)[:MAX_KEY_CHARACTERS]


class Steps:
    """A set of steps. A regular stride costs nothing: a million steps logged in order are one range."""

    __slots__ = ("_others", "_ranges")

    def __init__(self, steps: Iterable[int] = ()) -> None:
        # Ranges never overlap and only grow at the end; what comes out of order goes beside them.
        self._ranges: list[range] = []
        self._others: set[int] = set()
        for step in sorted(steps):
            self.add(step)

    def add(self, step: int) -> bool:
        """Whether the step is new."""
        if not self._ranges:
            self._ranges.append(range(step, step + 1))
            return True
        last = self._ranges[-1]
        newest = last[-1]
        if step <= newest:
            if step in self:
                return False
            self._others.add(step)
        elif len(last) == 1:
            self._ranges[-1] = range(newest, step + 1, step - newest)
        elif step == newest + last.step:
            self._ranges[-1] = range(last.start, step + 1, last.step)
        else:
            self._ranges.append(range(step, step + 1))
        return True

    def __contains__(self, step: int) -> bool:
        if step in self._others:
            return True
        index = bisect_right(self._ranges, step, key=lambda steps: steps.start) - 1
        return index >= 0 and step in self._ranges[index]


class Held:
    """The points of a metric that MLflow held before this process came to it."""

    def __init__(self, steps: Iterable[int] = ()) -> None:
        counts = Counter(steps)
        self._once = Steps(step for step, count in counts.items() if count == 1)
        self._more = {step: count for step, count in counts.items() if count > 1}
        self._seen = Steps()
        # Logged without steps: which of its values come again, nobody knows, and the last is what counts.
        self._unstepped = set(counts) <= {0}
        self._last: tuple[Any, ...] = ()
        self._last_is_new = True

    def is_new(self, point: Point) -> bool:
        """Whether it is none of those that are held; asked of each point in its order, once.

        An attempt that goes again over steps logs as many values at each as the one before it did.
        """
        told = (point.step, point.timestamp_ms, repr(point.value))
        if told != self._last:
            # The same for a model, right behind the run's, is one with it.
            self._last, self._last_is_new = told, self._unstepped or self._is_new(point.step)
        return self._last_is_new

    def _is_new(self, step: int) -> bool:
        if self._more.get(step):
            self._more[step] -= 1
            return False
        return step not in self._once or not self._seen.add(step)


class Buffer:
    """Entries on their way to MLflow, each once and in order. Not safe for threads by itself.

    A metric's points stay until `learn` has told which of its steps MLflow holds from earlier attempts.
    At most one batch is out at a time: `take`, then `settle` when MLflow has it.
    """

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        # Apart, so that an outage that overflows the points never costs a param, logged first and once.
        self._points: deque[tuple[int, Point]] = deque()
        self._others: deque[tuple[int, Param | Tag | Call]] = deque()
        self._newest = 0
        self._taken: int | None = None
        self._last: dict[str, tuple[Point, int]] = {}
        """The newest point of each metric as it was logged, and the time under which it is sent."""
        self._stored: dict[str, Held] = {}
        self._unlearned: set[str] = set()
        self._params: dict[str, str] = {}
        self._calls: set[Call] = set()
        self.overflowed = 0
        """Entries dropped because MLflow was away for longer than the capacity lasts."""

    def __len__(self) -> int:
        """Entries that no batch has taken yet."""
        return len(self._points) + len(self._others)

    # -- in ------------------------------------------------------------------------------------------

    def add_point(self, point: Point) -> None:
        """Of values at one step MLflow shows the latest: those of one millisecond are put one after another.

        MLflow tells a model's metric by logging a run's point once more with the model's id: that is the very
        same point, of which the server keeps one on the run.
        """
        before = self._last.get(point.key)
        sent_ms = point.timestamp_ms
        if before is None:
            if point.key not in self._stored:
                self._unlearned.add(point.key)
        elif point.step == before[0].step:
            again = point.model_id is not None and repr(point[1:4]) == repr(before[0][1:4])
            if again:
                sent_ms = before[1]
            elif before[0].timestamp_ms <= sent_ms <= before[1]:
                sent_ms = before[1] + 1
        self._last[point.key] = (point, sent_ms)
        self._append(
            self._points, point if sent_ms == point.timestamp_ms else point._replace(timestamp_ms=sent_ms)
        )

    def add_param(self, key: str, value: str) -> None:
        value = storable(value[:MAX_PARAM_CHARACTERS])
        if key not in self._params:
            self._params[key] = value
            self._append(self._others, Param(key, value))
        elif self._params[key] != value:
            self.add_tag(changed_param(key), value)

    def add_tag(self, key: str, value: str) -> None:
        self._append(self._others, Tag(key, storable(value[:MAX_TAG_CHARACTERS])))

    def add_call(self, call: Call) -> None:
        """The same call twice is one: MLflow's fluent API repeats a model's inputs with every metric."""
        if call not in self._calls:
            self._calls.add(call)
            self._append(self._others, call)

    def _append(self, queue: deque[Any], entry: Point | Param | Tag | Call) -> None:
        if len(queue) >= self._capacity:
            queue.popleft()
            self.overflowed += 1
        self._newest += 1
        queue.append((self._newest, entry))

    # -- out -----------------------------------------------------------------------------------------

    def unlearned(self) -> tuple[str, ...]:
        """Metrics whose points wait for `learn`."""
        return tuple(self._unlearned)

    def learn(self, key: str, steps: Iterable[int]) -> None:
        """MLflow holds points at these steps of a metric already: they are not sent again."""
        self._stored[key] = Held(steps)
        self._unlearned.discard(key)

    def take(self) -> Batch | None:
        """The oldest entries, as many as one request carries; None where there are none to send."""
        if self._others and isinstance(self._others[0][1], Call):
            self._taken, call = self._others.popleft()
            assert isinstance(call, Call)
            return Batch(call=call)
        params: dict[str, str] = {}
        tags: dict[str, str] = {}
        points: list[Point] = []
        self._taken = self._oldest()
        size_bytes = 0
        while self._others:
            entry = self._others[0][1]
            if isinstance(entry, Call):
                break
            room = len(params) < MAX_PARAMS if isinstance(entry, Param) else len(tags) < MAX_TAGS
            size_bytes += _json_bytes(entry.key) + _json_bytes(entry.value) + ENTRY_BYTES
            if not room or size_bytes > MAX_BODY_BYTES:
                break
            (params if isinstance(entry, Param) else tags)[entry.key] = entry.value
            self._others.popleft()
        room_points = min(MAX_POINTS, MAX_ENTITIES - len(params) - len(tags))
        while self._points and len(points) < room_points:
            point = self._points[0][1]
            if point.key in self._unlearned:
                break
            # First the size: whether a point is new is asked once.
            if size_bytes + _point_bytes(point) > MAX_BODY_BYTES:
                break
            if self._stored[point.key].is_new(point):
                size_bytes += _point_bytes(point)
                points.append(point)
            self._points.popleft()
        batch = Batch(tuple(points), params, tags)
        if not len(batch):
            self._taken = None
            return None
        return batch

    def settle(self) -> None:
        """The batch that was taken is dealt with."""
        self._taken = None

    def forget_unsent(self) -> None:
        """Give up all that waits: it is another's to send."""
        self._points.clear()
        self._others.clear()
        self._taken = None

    # -- how far -------------------------------------------------------------------------------------

    @property
    def newest(self) -> int:
        """The number of the newest entry."""
        return self._newest

    def settled(self, number: int) -> bool:
        """Whether every entry up to this number is dealt with."""
        oldest = self._oldest()
        return oldest is None or oldest > number

    def _oldest(self) -> int | None:
        fronts = (queue[0][0] for queue in (self._points, self._others) if queue)
        return min((*fronts, *(() if self._taken is None else (self._taken,))), default=None)


def _point_bytes(point: Point) -> int:
    names = (point.key, point.model_id, point.dataset_name, point.dataset_digest)
    return POINT_BYTES + sum(_json_bytes(name) for name in names if name)


def _json_bytes(text: str) -> int:
    # As it travels: beyond ASCII a character takes six bytes or twelve.
    return len(json.dumps(text))
