"""Who may talk to the page's server: the browser that opened the printed link, and nobody else.

Against DNS rebinding the Host header must name this server; against other sites' requests every
change must come from the page itself (Origin); against other users of this machine the first
request must carry the one-time token and come from none of them, where the system tells; later
ones carry the cookie it was exchanged for.

Cookies know no ports: a browser would hand one that is valid everywhere to every other server on
this host. So the page lies at a path of its own that nobody can guess, and the cookie is bound to
it.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, MutableMapping
from hmac import compare_digest
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response

from vos_cli.studio.address import Address
from vos_cli.studio.neighbours import is_stranger

MAX_BODY_BYTES = 16 * 2**20
_MOST_BYTES = f"a request may have {MAX_BODY_BYTES:,}: send less"
COOKIE = "vos"

_MAX_HOST = 300
_MAX_HOST_TAIL = 260  # a name without a port, which is refused by name
_MAX_PATH = 200
_MAX_DIGITS = 40  # Python stops at 4,300
_NUMBERS = re.compile(rf"(?:\D|\d{{1,{_MAX_DIGITS}}}(?!\d))*", re.DOTALL)
"""A path whose numbers are of a length that some frame may have."""

_SAFE = ("GET", "HEAD")
_OPENED = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>vos</title>'
    '<link rel="icon" href="static/icon.svg">'
    '<link rel="icon" href="static/icon.svg">'
    '<meta http-equiv="refresh" content="0;url=./"></head><body></body></html>'
)
"""What the link shows: it goes on from a page of ours, as browsers keep a strict cookie back from a
redirect that another site began, and a terminal in a browser is another site."""

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}

Message = MutableMapping[str, Any]
App = Callable[..., Awaitable[None]]


class Guard:
    """ASGI middleware that lets only the page's own user through.

    address: where the server listens.
    on_spent: called with the token of the next link when a link that was used is opened elsewhere.
    token: what the next link must carry.
    place: the path under which everything lies, without the slash at its end.
    """

    def __init__(self, app: App, address: Address, on_spent: Callable[[str], None]) -> None:
        self._app = app
        self._address = address
        self._on_spent = on_spent
        self._spent: set[str] = set()
        self._sessions: set[str] = set()
        self.token = secrets.token_urlsafe(24)
        self.place = f"/{secrets.token_urlsafe(16)}"

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no web sockets here
            return
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        refusal = self._refuse_request(scope, headers)

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                extra = {"Cache-Control": "no-store"} | _HEADERS
                present = {name.lower() for name, _ in message["headers"]}
                message["headers"] = [
                    *message["headers"],
                    *(
                        (name.lower().encode(), value.encode())
                        for name, value in extra.items()
                        if name.lower().encode() not in present
                    ),
                ]
            await send(message)

        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        path = scope["path"].removeprefix(self.place)
        inner = {**scope, "path": path, "raw_path": path.encode()}
        await self._app(inner, receive, send_guarded)

    def _refuse_request(self, scope: Any, headers: dict[str, str]) -> Response | None:
        """Return the response to send in place of the page's own; None lets the request through."""
        refusal = self._refuse_place(scope, headers)
        if refusal is not None:
            return refusal
        host = headers["host"]
        is_inside = scope["path"].startswith(f"{self.place}/")
        if not is_inside or not self._knows(headers.get("cookie", "")):
            return self._exchange(scope)
        if scope["path"] == f"{self.place}/" and scope["query_string"]:
            return RedirectResponse(f"{self.place}/", 303)
        if scope["method"] in _SAFE:
            return None
        if headers.get("origin") != f"http://{host}":
            return self.refuse(403, "changes come from the page itself only")
        return self._refuse_body(headers)

    def _refuse_place(self, scope: Any, headers: dict[str, str]) -> Response | None:
        """Refuse a request to another host, or to what can be no path here."""
        host = headers.get("host", "")
        if len(host) > _MAX_HOST or len(host.rpartition(":")[2]) > _MAX_HOST_TAIL:
            return self.refuse(400, "that is no host and port")
        if len(scope["path"]) > _MAX_PATH or not _NUMBERS.fullmatch(scope["path"]):
            return self.refuse(400, "no page here has such an address")
        if not self._address.is_named(host, scope.get("server")):
            return self.refuse(421, "this server does not go by that name")
        return None

    def _refuse_body(self, headers: dict[str, str]) -> Response | None:
        """Refuse a body that is too long, or of unknown length."""
        length = headers.get("content-length", "")
        is_known = length.isascii() and length.isdigit()
        if is_known and len(length) > _MAX_DIGITS:
            return self.refuse(413, f"{length[:_MAX_DIGITS]}... bytes are too many; {_MOST_BYTES}")
        if not is_known or "transfer-encoding" in headers:  # chunks would go over any length
            return self.refuse(411, "the length of the request must be given")
        if int(length) > MAX_BODY_BYTES:
            return self.refuse(413, f"{int(length):,} bytes are too many; {_MOST_BYTES}")
        return None

    def refuse(self, code: int, why: str) -> Response:
        """Return the response to a request that is not let through."""
        return PlainTextResponse(f"vos: {why}\n", code)

    def _knows(self, cookies: str) -> bool:
        try:
            morsel = SimpleCookie(cookies).get(COOKIE)
        except CookieError:
            return False
        given = "" if morsel is None else morsel.value
        return any(compare_digest(given.encode(), known.encode()) for known in self._sessions)

    def _exchange(self, scope: Any) -> Response:
        """Give a cookie for the token; the next link needs another one."""
        query = parse_qs(scope["query_string"].decode("latin-1"))
        given = query.get("token", [""])[0]
        if scope["path"] != f"{self.place}/" or scope["method"] != "GET" or not given:
            return self.refuse(403, "open the link that the terminal shows")
        if not compare_digest(given.encode(), self.token.encode()):
            if given in self._spent:
                self._on_spent(self.token)
            return self.refuse(403, "this link was used; the terminal shows a new one")
        if is_stranger(scope.get("client"), scope.get("server")):
            return self.refuse(403, "this page belongs to another user of this machine")
        self._spent.add(self.token)
        self.token = secrets.token_urlsafe(24)
        session = secrets.token_urlsafe(24)
        self._sessions.add(session)
        response = HTMLResponse(_OPENED)
        path = f"{self.place}/"
        response.set_cookie(COOKIE, session, httponly=True, samesite="strict", path=path)
        return response
