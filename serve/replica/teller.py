"""A thread that has MLflow know what a replica has, and that it hangs where its event loop cannot tell."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from journeyman.errors import JourneymanError
from journeyman.serve.records import Report, write_report
from journeyman.serve.replica.health import Ailment

RETRY_S = 1.0
WATCH_S = 5.0
"""How often it looks whether the replica gets on."""

_log = logging.getLogger(__name__)


class Teller:
    """Of one replica. `store` writes a report; `ailment` is asked for by its thread."""

    def __init__(
        self,
        store: Callable[[str], None],
        ailment: Callable[[], Ailment | None],
        watch_s: float = WATCH_S,
        retry_s: float = RETRY_S,
    ) -> None:
        self._store = store
        self._ailment = ailment
        self._watch_s = watch_s
        self._retry_s = retry_s
        self._news = threading.Condition()
        self._report: Report | None = None
        self._told: Report | None = None
        """The one of those that were handed in which MLflow has."""
        self._thread = threading.Thread(target=self._work, name="teller", daemon=True)
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        return self._thread.is_alive()

    def tell(self, report: Report) -> None:
        """Have MLflow know it, sooner or later, unless another one follows."""
        with self._news:
            if report != self._report:
                self._report = report
                self._news.notify_all()

    async def told(self, limit_s: float) -> None:
        """Returns once MLflow has the last report, or after the limit."""
        await asyncio.to_thread(self._wait, limit_s)

    def _wait(self, limit_s: float) -> None:
        with self._news:
            self._news.wait_for(lambda: self._told == self._report, limit_s)

    # -- in the thread -------------------------------------------------------------------------------

    def _work(self) -> None:
        stored, ails, since_s, failed = "", False, 0.0, False
        while True:
            with self._news:
                pause_s = self._retry_s if failed else self._watch_s
                self._news.wait_for(lambda: self._report not in (None, self._told), pause_s)
                report = self._report
            if report is None:
                continue
            ailment = self._ailment()
            if ailment is not None and not ails:
                since_s = time.time()
            ails = ailment is not None
            text = write_report(_ailing(report, ailment, since_s))
            failed = text != stored and not self._stored(text)
            if failed:
                time.sleep(self._retry_s)
                continue
            stored = text
            with self._news:
                self._told = report
                self._news.notify_all()

    def _stored(self, text: str) -> bool:
        try:
            self._store(text)
        except JourneymanError as error:
            _log.warning("MLflow was not told what this replica has: %s", error.message)
            return False
        except Exception:  # noqa: BLE001
            # Whatever answers in MLflow's place: this thread must go on.
            _log.exception("MLflow was not told what this replica has")
            return False
        return True


def _ailing(report: Report, ailment: Ailment | None, since_s: float) -> Report:
    if ailment is None:
        return report
    # A call keeps the version it came to, and another one may serve by now.
    version = ailment.version or report.serving
    return replace(report, unhealthy=ailment.reason, unhealthy_version=version, unhealthy_since_s=since_s)
