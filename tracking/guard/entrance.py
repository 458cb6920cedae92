"""How its owner gets in to the server of a stack: whether it asks for a token, and the address with a code"""

from __future__ import annotations

import time
from collections.abc import Mapping
from urllib.parse import urlsplit

import httpx

from journeyman.errors import UnreachableError
from journeyman.home import OwnMlflow, home_folder, own_mlflow, why_not_asked
from journeyman.tracking.guard.guard import ENTRANCE
from journeyman.tracking.guard.passes import CODE_S, signed

_PATIENCE_S = 5.0


def asks_for_token(mlflow: OwnMlflow) -> bool:
    """Whether it does not let in this process as it is: the kernel does not tell it whose the process is."""
    try:
        answer = httpx.get(f"{mlflow.url}/version", timeout=_PATIENCE_S, trust_env=False)
    except httpx.HTTPError:
        return False
    return answer.status_code == httpx.codes.FORBIDDEN


def check_is_asked(page: str, environ: Mapping[str, str]) -> None:
    """Raises UnreachableError where it is no process of the stack that would be shown."""
    if why := why_not_asked(page, home_folder(environ)):
        raise UnreachableError(f"{page} is not opened: {why}", "`journeyman up` starts the stack.")


def entrance_url(page: str, environ: Mapping[str, str]) -> str:
    """The address of one of the server's pages, for a browser: with a code where the server wants a token.

    Raises UnreachableError where it is no process of the stack that would be shown.
    """
    check_is_asked(page, environ)
    mlflow = own_mlflow(environ)
    if mlflow is None or not mlflow.is_at(page) or not asks_for_token(mlflow):
        return page
    code = signed(mlflow.token, "code", int(time.time()) + CODE_S)
    return f"{mlflow.url}{ENTRANCE}?code={code}#{urlsplit(page).fragment}"
