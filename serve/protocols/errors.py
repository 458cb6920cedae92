"""The refusal of a request: an HTTP status, a code that programs read and a sentence that people read."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import NoReturn

from journeyman.errors import UsageError

BAD_REQUEST = "BAD_REQUEST"
"""MLflow's code for a request that is none; INVALID_PARAMETER_VALUE for one whose values do not fit."""
INVALID_PARAMETER_VALUE = "INVALID_PARAMETER_VALUE"
INTERNAL_ERROR = "INTERNAL_ERROR"
_NAME_CHARACTERS = 40


class RequestError(UsageError):
    """A request that is not answered as asked. Names what is wrong with it, and of its values one at most."""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        status: int = 400,
        error_code: str = BAD_REQUEST,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, hint)
        self.status = status
        self.error_code = error_code
        self.headers = headers or {}
        """What an answer of this status must carry beside its body."""


def refuse(message: str) -> NoReturn:
    """For a request whose values do not fit the model."""
    raise RequestError(message, error_code=INVALID_PARAMETER_VALUE)


def quoted(name: str) -> str:
    """A name of the caller's, short enough that no data travels in it."""
    return f"'{name}'" if len(name) <= _NAME_CHARACTERS else f"'{name[:_NAME_CHARACTERS]}…'"


def nearest(name: str, names: Collection[str]) -> str:
    """A question to append where one of `names` may have been meant, else nothing."""
    near = difflib.get_close_matches(name, names, n=1)
    return f" Did you mean '{near[0]}'?" if near else ""


def listed(names: Collection[str]) -> str:
    return ", ".join(f"'{name}'" for name in names)
