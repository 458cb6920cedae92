"""What control asks replicas and nodes over HTTP: one client, for each answer little time and few bytes."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx

TURN_S = 2.0
"""A round of questions spends no more on answers that it can do without."""
MOST_BYTES = 64 * 2**20
"""The metrics of a node are a few megabytes; whoever sends without end is cut off."""
FRESH_S = 5.0
"""For so long an answer is taken for what would be answered now."""
_SMALL_BYTES = 2**20


class Probe:
    """Whoever was slow is left out the next time. One thread uses it, which may wait."""

    def __init__(self, turn_s: float = TURN_S, most_bytes: int = MOST_BYTES) -> None:
        self._turn_s = turn_s
        self._most_bytes = most_bytes
        self._until_s = time.monotonic() + turn_s
        self._slow: set[str] = set()
        self._client: httpx.Client | None = None
        """Made when it is needed: reading the certificates of a system takes a while."""

    def close(self) -> None:
        if self._client is not None:
            self._client.close()

    def begin_turn(self) -> None:
        self._until_s = time.monotonic() + self._turn_s

    def get(self, url: str) -> httpx.Response:
        """The whole answer, whatever its status. Raises httpx.HTTPError, also where there is no time left."""
        origin = urlsplit(url).netloc
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise httpx.PoolTimeout("this turn has no time left to ask it")
        if origin in self._slow:
            self._slow.discard(origin)
            raise httpx.PoolTimeout("it was slow to answer, and is asked again the next time")
        if self._client is None:
            limits = httpx.Limits(max_connections=16, max_keepalive_connections=8)
            # They are on the cluster: a proxy of the environment leads elsewhere.
            self._client = httpx.Client(limits=limits, trust_env=False)
        try:
            with self._client.stream("GET", url, timeout=left_s) as answer:
                content = bytearray()
                for piece in answer.iter_bytes():
                    content += piece
                    if time.monotonic() > self._until_s:
                        raise httpx.ReadTimeout("it did not answer in time")
                    if len(content) > self._most_bytes:
                        raise httpx.ReadError(f"its answer is longer than {self._most_bytes} bytes")
        except httpx.TimeoutException:
            self._slow.add(origin)
            raise
        return httpx.Response(answer.status_code, content=bytes(content), request=answer.request)


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a question."""

    status: int
    """0 where there was no answer, and `trouble` says why."""
    content: bytes = b""
    trouble: str = ""


class Asked:
    """What services answered lately. The loop reads it and never waits: a thread asks.

    A timeout bounds how long an answer takes, and nothing how long the name of a host is looked up.
    """

    def __init__(self, asker: Executor, clock: Callable[[], float] = time.monotonic) -> None:
        self._asker = asker
        self._clock = clock
        self._probe = Probe(TURN_S, _SMALL_BYTES)
        self._guard = threading.Lock()
        self._answers: dict[str, tuple[float, Answer]] = {}
        self._under_way: set[str] = set()

    def close(self) -> None:
        """Waits for nobody."""
        self._asker.shutdown(wait=False, cancel_futures=True)

    def answer(self, url: str) -> Answer | None:
        """What came last, if that is fresh; asked again for the next time. None where nothing has come."""
        with self._guard:
            begins = url not in self._under_way
            self._under_way.add(url)
        if begins:
            self._asker.submit(self._ask, url)
        with self._guard:
            at_s, answer = self._answers.get(url, (0.0, None))
            return answer if answer is not None and self._clock() - at_s <= FRESH_S else None

    def _ask(self, url: str) -> None:
        self._probe.begin_turn()
        try:
            found = self._probe.get(url)
            answer = Answer(found.status_code, found.content)
        except httpx.HTTPError as error:
            answer = Answer(0, trouble=str(error))
        except Exception as error:  # noqa: BLE001
            # An address that is none, and what else a client makes of what somebody configured.
            answer = Answer(0, trouble=f"{type(error).__name__}: {error}")
        with self._guard:
            now_s = self._clock()
            recent = {key: each for key, each in self._answers.items() if now_s - each[0] <= FRESH_S}
            self._answers = {**recent, url: (now_s, answer)}
            self._under_way.discard(url)
