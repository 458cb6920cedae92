"""What control, the client and whoever submits call on MLflow; the real client and the fake both have it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Protocol

from journeyman.tracking.records import Run


class MlflowApi(Protocol):
    """One MLflow server. Threads may share it.

    Every method raises UnreachableError where the server does not answer, NotFoundError for what is not
    there, RefusedError where the server says no, DeniedError where it says no to who asks.
    """

    @property
    def url(self) -> str: ...

    def close(self) -> None: ...

    def now_ms(self) -> int:
        """The time by the server's clock, in milliseconds."""

    # -- experiments and runs ------------------------------------------------------------------------

    def experiments(self) -> dict[str, str]:
        """Id to name of every experiment that is not deleted; one that was made just now may be missing."""

    def experiment_id(self, name: str) -> str:
        """The experiment of that name, whatever its case, made if there is none."""

    def create_run(self, experiment_id: str, name: str, tags: Mapping[str, str]) -> Run: ...

    def update_run(self, run_id: str, status: str, end_ms: int | None = None) -> None: ...

    def run(self, run_id: str) -> Run:
        """A deleted run is still answered."""

    def delete_run(self, run_id: str) -> None: ...

    def search_runs(
        self, experiment_ids: Iterable[str], filter_string: str, limit: int | None = None
    ) -> list[Run]:
        """Runs that match and are not deleted, newest first."""

    def set_tags(self, run_id: str, tags: Mapping[str, str]) -> None:
        """MLflow cuts what is longer than `MAX_TAG_CHARACTERS` and says nothing."""

    def delete_tag(self, run_id: str, key: str) -> None:
        """Raises NotFoundError where there is no such tag."""

    def log_batch(
        self,
        run_id: str,
        *,
        metrics: Iterable[Mapping[str, Any]] = (),
        params: Mapping[str, str] | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """All or nothing. At most 1,000 entries, of them 100 params and 100 tags."""

    def claim(self, run_id: str, key: str, claimant: str) -> bool:
        """Write a param once: True for the one claimant whose value was stored."""

    def log_inputs(self, run_id: str, datasets: Iterable[Mapping[str, Any]]) -> None: ...

    def metric_history(self, run_id: str, key: str) -> list[dict[str, Any]]:
        """Every point, by time. Empty where there is no such metric or run."""

    # -- artifacts -----------------------------------------------------------------------------------

    def upload(self, run: Run, path: str, content: bytes) -> None: ...

    def download(self, run: Run, path: str) -> bytes: ...

    def artifacts(self, run_id: str, path: str = "") -> dict[str, int | None]:
        """Paths directly below `path`, with the size in bytes of a file and None for a folder."""

    # -- models --------------------------------------------------------------------------------------

    def aliases(self, name: str) -> dict[str, str]:
        """Alias to version number."""

    def aliases_of(self, names: Collection[str]) -> dict[str, dict[str, str]]:
        """Alias to version number of each of these models that there is, in few requests."""

    def model_version(self, name: str, version: str) -> dict[str, Any]:
        """MLflow's own description of a version."""

    def download_uri(self, name: str, version: str) -> str:
        """Where the version's files are."""

    def version_file(self, name: str, version: str, path: str) -> bytes:
        """A small file of a version. Raises NotFoundError where it has none of that path."""

    def set_version_tag(self, name: str, version: str, key: str, value: str) -> None: ...
