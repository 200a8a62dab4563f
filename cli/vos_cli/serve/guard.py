"""Who may use the API: programs that have the token."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from hmac import compare_digest
from typing import Any

from starlette.responses import JSONResponse, Response

from vos.errors import UsageError
from vos_cli.studio.address import Address
from vos_cli.studio.guard import App, Guard

TOKEN_VARIABLE = "VOS_SERVE_TOKEN"
OPEN_PATHS = ("/", "/openapi.json")
"""What is answered without the token: the documentation."""

_LEAST_TOKEN = 16


def choose_token(environ: Mapping[str, str] | None = None) -> str:
    """Return the token of the environment, else a new one. Raises UsageError for a short one."""
    given = (os.environ if environ is None else environ).get(TOKEN_VARIABLE, "")
    if not given:
        return secrets.token_urlsafe(24)
    if len(given) < _LEAST_TOKEN or not given.isascii() or not given.isprintable() or " " in given:
        raise UsageError(
            f"{TOKEN_VARIABLE}: a token has {_LEAST_TOKEN} characters or more, all of ASCII and "
            "without spaces; make one with `python -c 'import secrets; "
            "print(secrets.token_urlsafe(24))'`"
        )
    return given


class TokenGuard(Guard):
    """ASGI middleware that lets only requests with `Authorization: Bearer TOKEN` through.

    Host, path and length are checked as on the page. A page of another site cannot send the header
    without asking first, and it is refused by its Origin besides.
    """

    def __init__(self, app: App, address: Address, token: str) -> None:
        super().__init__(app, address, on_spent=lambda _token: None)
        self.token = token

    def refuse(self, code: int, why: str) -> Response:
        return refuse(code, why)

    def _refuse_request(self, scope: Any, headers: dict[str, str]) -> Response | None:
        refusal = self._refuse_place(scope, headers)
        if refusal is not None:
            return refusal
        origin = headers.get("origin")
        if origin is not None and origin != f"http://{headers['host']}":
            return self.refuse(403, "requests of other sites are not taken")
        if scope["path"] not in OPEN_PATHS:
            kind, _, given = headers.get("authorization", "").partition(" ")
            is_known = compare_digest(given.strip().encode(), self.token.encode())
            if kind.lower() != "bearer" or not is_known:
                return self.refuse(
                    401, "wrong token; send the header 'Authorization: Bearer TOKEN' of vos serve"
                )
        if scope["method"] in ("POST", "PUT", "PATCH"):
            return self._refuse_body(headers)
        return None


def refuse(code: int, why: str) -> Response:
    """Return an error as the API has them."""
    headers = {"WWW-Authenticate": "Bearer"} if code == 401 else {}
    return JSONResponse({"error": why}, code, headers)
