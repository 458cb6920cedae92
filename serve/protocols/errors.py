"""The refusal of a request: an HTTP status, a code that programs read and a sentence that people read."""

from __future__ import annotations

from journeyman.errors import UsageError

BAD_REQUEST = "BAD_REQUEST"
"""MLflow's code for a request that is none; INVALID_PARAMETER_VALUE for one whose values do not fit."""
INVALID_PARAMETER_VALUE = "INVALID_PARAMETER_VALUE"
INTERNAL_ERROR = "INTERNAL_ERROR"


class RequestError(UsageError):
    """A request that is not answered as asked. Names what is wrong with it, never the values it holds."""

    def __init__(
        self, message: str, hint: str = "", *, status: int = 400, error_code: str = BAD_REQUEST
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.error_code = error_code
