"""Who may ask: those who know the token, under this server's own name, from its own page.

A page of somebody else that is open in the same browser can send requests to this machine, and by a name of its own
that it points here (DNS rebinding) even read the answers. The token keeps it out, and so does each of the checks alone.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; media-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}


class Guard:
    """Lets requests through to an application that have a right to be answered.

    Args:
        app: the application.
        token: what the address that was printed has.
        host: what the server listens on.
        port: as of `host`.
    """

    def __init__(self, app: ASGIApp, token: str, host: str, port: int) -> None:
        self._app, self._token, self._port = app, token, port
        self._any = host in ("0.0.0.0", "::")
        self._hosts = {"localhost", "127.0.0.1", "[::1]", f"[{host}]" if ":" in host else host.lower()}
        self._cookie = f"clmot_{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI application."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return
        headers = Headers(scope=scope)
        by_address = self._by_address(scope)
        if reason := self._refused(scope, headers, by_address):
            await PlainTextResponse(f"{reason}\n", 403, _HEADERS)(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                told = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    told.setdefault(name, value)
                if by_address:
                    told.append("set-cookie", f"{self._cookie}={self._token}; HttpOnly; SameSite=Strict; Path=/")
            await send(message)

        await self._app(scope, receive, guarded)

    def _by_address(self, scope: Scope) -> bool:
        """Whether the page itself is asked for, with the token in its address."""
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        return bool(scope["path"] == "/" and scope["method"] == "GET" and self._is_token(given))

    def _refused(self, scope: MutableMapping[str, Any], headers: Headers, by_address: bool) -> str:
        """Why a request is not answered; nothing where it is."""
        host = headers.get("host", "")
        if not self._is_here(host):
            return "this server has another name"
        origin = headers.get("origin")
        changes = scope["method"] not in ("GET", "HEAD")
        if (origin is not None or changes) and origin != f"http://{host}":
            return "asked by another page"
        if headers.get("sec-fetch-site", "none") not in ("same-origin", "none") and not by_address:
            return "asked by another page"
        if not by_address and not self._knows(headers):
            return "open the address that clmot serve printed, with its token"
        return ""

    def _is_here(self, host: str) -> bool:
        name, _, port = host.lower().rpartition(":")
        if port != str(self._port):
            return False
        if name in self._hosts:
            return True
        if not self._any:
            return False
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            return name in (socket.gethostname().lower(), socket.getfqdn().lower())
        return True

    def _knows(self, headers: Headers) -> bool:
        try:
            cookie = SimpleCookie(headers.get("cookie", "")).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and self._is_token(cookie.value)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), self._token.encode())
