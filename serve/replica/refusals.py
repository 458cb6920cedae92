"""What a replica refuses in every protocol alike."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from mlflow.exceptions import MlflowException

from journeyman.serve.protocols.errors import (
    BAD_REQUEST,
    INTERNAL_ERROR,
    INVALID_PARAMETER_VALUE,
    RequestError,
)
from journeyman.serve.replica.version import LoadedVersion

_OF_THE_CALLER = {BAD_REQUEST, INVALID_PARAMETER_VALUE, "MALFORMED_REQUEST"}
"""Codes of MLflow by which a model says that it was asked wrongly."""
_MOST_CHARACTERS = 400

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Names:
    """By which a replica is asked: its service's, and that of its model."""

    service: str
    model: str

    def check(self, asked: str, version: str | None, loaded: LoadedVersion) -> None:
        """Raises RequestError, 404, where another model or version is asked than the one that serves."""
        if asked not in (self.service, self.model):
            message = f"This service is '{self.service}', with model '{self.model}'."
        elif version not in (None, loaded.version):
            message = f"This service answers with version {loaded.version}."
        else:
            return
        raise RequestError(message, status=404, error_code="RESOURCE_DOES_NOT_EXIST")

    def failure(self, error: BaseException, loaded: LoadedVersion, request_id: str) -> RequestError:
        """For what the model raised on a request.

        What MLflow, or the model by its means, says of the input is the caller's; all else is not, and the
        log has it.
        """
        if isinstance(error, MlflowException) and error.error_code in _OF_THE_CALLER:
            return RequestError(
                f"The model refuses this request: {_shortened(error.message)}", error_code=error.error_code
            )
        _log.error(
            "version %s of %s failed on request %s", loaded.version, self.model, request_id, exc_info=error
        )
        return RequestError(
            "The model failed on this request; its log says how.", status=500, error_code=INTERNAL_ERROR
        )


def _shortened(text: str) -> str:
    """In one line. MLflow shows the whole table that it refuses, and then why."""
    line = " ".join(text.split())
    if len(line) <= _MOST_CHARACTERS:
        return line
    half = _MOST_CHARACTERS // 2
    return f"{line[:half].rstrip()} … {line[-half:].lstrip()}"


def check_size(size_bytes: int, limit_bytes: int) -> None:
    """Raises RequestError, 413."""
    if size_bytes > limit_bytes:
        raise RequestError(
            f"The body is larger than {_size(limit_bytes)}. Send it in several requests.",
            status=413,
            error_code="REQUEST_TOO_LARGE",
        )


def full(requests: int, where: str) -> RequestError:
    return RequestError(
        f"{requests} requests {where}. Try again in a second.",
        status=503,
        error_code="RESOURCE_EXHAUSTED",
        headers={"retry-after": "1"},
    )


def _size(count: int) -> str:
    return f"{count // 2**20} MiB" if count % 2**20 == 0 else f"{count} bytes"
