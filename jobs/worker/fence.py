"""An attempt that was replaced ends itself: rank 0 looks whether another one was begun."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator

from journeyman.errors import JourneymanError
from journeyman.tracking.mlflow_api import MlflowApi

EVERY_S = 10.0


class Fence:
    """Of one attempt. What it is in time for is told twice at most; the rest is kept apart by its place.

    Ray may forget a job that goes on, as where its head was started anew, and processes may be stopped and go
    on. `leave` ends this process; Ray Train ends the others with it.
    """

    def __init__(self, mlflow: MlflowApi, run_id: str, attempt: int, leave: Callable[[str], None]) -> None:
        self._mlflow = mlflow
        self._run_id = run_id
        self._attempt = attempt
        self._leave = leave

    def look(self) -> None:
        try:
            newest = self._mlflow.run(self._run_id).attempt
        except (JourneymanError, ValueError):
            # MLflow is away, or says what only another version reads.
            return
        if newest > self._attempt:
            self._leave(f"attempt {self._attempt} was replaced by attempt {newest}, and ends itself\n")

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Look again and again, in a thread, until the end."""
        done = threading.Event()

        def watch() -> None:
            while not done.wait(EVERY_S):
                self.look()

        threading.Thread(target=watch, name="fence", daemon=True).start()
        try:
            yield
        finally:
            done.set()
