"""The server of the page: what it answers, and how it is started."""

from __future__ import annotations

import contextlib
import logging
import secrets
import socket
import webbrowser
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from clmot.apps.report.page import asset
from clmot.apps.serve.edits import read_edit
from clmot.apps.serve.guard import Guard
from clmot.apps.serve.job import Wanted
from clmot.apps.serve.media import shown_image
from clmot.apps.serve.session import Session
from clmot.apps.serve.workspace import Workspace
from clmot.errors import UserError, readable, reason_of, require
from clmot.shipped import DEFAULT

UPLOAD_LIMIT = 8_000_000_000
_log = logging.getLogger(__name__)

_MOST_FRAMES = 1000
"""In one answer."""
_LONGEST_BODY = 65_536
_CODE = ("link", "boxes", "player", "stage", "panel", "modes", "counting", "controls", "serve")
_ASSETS = {
    "/": ("serve", "serve.html", "text/html"),
    "/view.js": ("report", "view.js", "text/javascript"),
    "/report.css": ("report", "report.css", "text/css"),
    **{f"/{name}.js": ("serve", f"{name}.js", "text/javascript") for name in _CODE},
    "/serve.css": ("serve", "serve.css", "text/css"),
}


def application(workspace: Workspace) -> Starlette:
    """What answers requests, without the guard."""

    def route(path: str, answer: Callable[[Request, bytes], Any], method: str = "GET") -> Route:
        async def endpoint(request: Request) -> Response:
            body = await _body(request) if method == "POST" else b""
            asked_of = workspace.view
            try:
                given = await run_in_threadpool(answer, request, body)
            except HTTPException:
                raise
            except Exception as error:
                # the page asked of what was closed meanwhile, and asks anew of what is open now
                if method == "GET" and (workspace.view is None or workspace.view is not asked_of):
                    return Response(status_code=204)
                if isinstance(error, UserError):
                    # an edit that cannot be made is an answer, which a browser's console need not report
                    return JSONResponse({"error": readable(str(error))}, 400 if method == "GET" else 200)
                _log.exception("%s %s", method, readable(request.url.path))
                return JSONResponse({"error": f"clmot failed: {type(error).__name__}: {reason_of(error)}"}, 500)
            return given if isinstance(given, Response) else JSONResponse(given)

        return Route(path, endpoint, methods=[method])

    def session() -> Session:
        if workspace.session is None or workspace.job is not None:
            raise UserError("no results are open")
        return workspace.session

    def view() -> Any:
        if workspace.view is None:
            raise UserError("nothing is open")
        return workspace.view

    def boxes(request: Request, _: bytes) -> Response:
        first, last = (_whole(request, name) for name in ("from", "to"))
        require(0 <= last - first < _MOST_FRAMES, f"from and to: at most {_MOST_FRAMES} frames")
        return Response(view().window(first, last), media_type="application/octet-stream")

    def times(_: Request, __: bytes) -> Response:
        media = view().media.made
        if media is None:
            raise HTTPException(404)
        columns = np.stack([media.numbers.astype("<f8"), media.seconds.astype("<f8")])
        return Response(columns.tobytes(), media_type="application/octet-stream")

    def video(_: Request, __: bytes) -> Response:
        media = view().media.made
        if media is None or media.file is None or not media.file.is_file():
            return Response(status_code=204)
        return FileResponse(media.file, media_type=media.type)

    def image(request: Request, _: bytes) -> Response:
        opened = view()
        return _picture(lambda: opened.source and shown_image(opened.source, _frame(request), opened.stills))

    def crop(request: Request, _: bytes) -> Response:
        opened = view()
        return _picture(lambda: (opened.crop(request.path_params["track"], _frame(request)), "image/jpeg"))

    def track(request: Request, _: bytes) -> Any:
        return session().track(request.path_params["track"], _whole(request, "frame"))

    def edit(_: Request, body: bytes) -> Any:
        told = session().do(read_edit(body))
        return {"told": told, "summary": session().summary()}

    def look(_: Request, __: bytes) -> Any:
        session().suspects.start()
        return {}

    def export(request: Request, _: bytes) -> Any:
        file, lost = session().export(request.query_params.get("to", ""))
        workspace.exports[file.name] = file
        return {"file": readable(str(file)), "lost": readable(lost), "name": file.name}

    def download(request: Request, _: bytes) -> Response:
        file = workspace.exports.get(request.query_params.get("name", ""))
        if file is None or not file.is_file():
            raise HTTPException(404)
        return FileResponse(file, media_type="application/octet-stream", filename=file.name)

    def begin(_: Request, body: bytes) -> Any:
        try:
            wanted = msgspec.json.decode(body, type=Wanted)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise UserError(f"not what to track: {error}") from error
        workspace.track(wanted)
        return {}

    def stop(_: Request, __: bytes) -> Any:
        workspace.stop()
        return {}

    async def upload(request: Request) -> Response:
        try:
            length = request.headers.get("content-length", "")
            require(not length.isdecimal() or int(length) <= UPLOAD_LIMIT, "the video is too large to be sent")
            name = await workspace.upload(request.query_params.get("name", ""), request.stream(), UPLOAD_LIMIT)
        except UserError as error:
            return JSONResponse({"error": readable(str(error))}, 413 if "large" in str(error) else 200)
        return JSONResponse({"name": readable(name)})

    return Starlette(
        routes=[
            *(Route(path, _static(*told)) for path, told in _ASSETS.items()),
            route("/api/status", lambda *_: workspace.status()),
            route("/api/session", lambda *_: view().summary()),
            route("/api/boxes", boxes),
            route("/api/times", times),
            route("/media/video", video),
            route("/media/frame/{frame:int}", image),
            route("/api/crop/{track:int}/{frame:int}", crop),
            route("/api/track/{track:int}", track),
            route("/api/suspects", lambda *_: session().events()),
            route("/api/suspects", look, "POST"),
            route("/api/counts", lambda *_: session().counts()),
            route("/api/edit", edit, "POST"),
            route("/api/export", export, "POST"),
            route("/api/download", download),
            route("/api/offered", lambda *_: workspace.offered()),
            route("/api/track", begin, "POST"),
            route("/api/stop", stop, "POST"),
            Route("/api/upload", upload, methods=["POST"]),
        ]
    )


def _static(package: str, name: str, kind: str) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(_: Request) -> Response:
        return Response(asset(name, package), media_type=kind)

    return endpoint


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > _LONGEST_BODY:
            raise HTTPException(413)
    return body


def _whole(request: Request, name: str) -> int:
    text = request.query_params.get(name, "")
    require(text.isascii() and text.isdecimal() and len(text) < 12, f"{name}: expected a whole number")
    return int(text)


def _frame(request: Request) -> int:
    return int(request.path_params["frame"])


def _picture(find: Callable[[], tuple[bytes | None, str] | None]) -> Response:
    """A picture, or that there is none: an edit has just taken the box away, or somebody the video."""
    found = None
    with contextlib.suppress(UserError):
        found = find()
    if not found or not found[0]:
        return Response(status_code=204)
    return Response(found[0], media_type=found[1], headers={"cache-control": "private, max-age=60"})


def serve(
    results: str | Path | None = None,
    video: str | None = None,
    *,
    model: str = DEFAULT,
    root: str | Path = ".",
    host: str = "127.0.0.1",
    port: int = 0,
    browser: bool = False,
    told: Callable[[str], None] = print,
) -> None:
    """Show tracks over their video in a local page, correct them there, or track; answers until Ctrl-C.

    Args:
        results: MOTChallenge text, or a folder with it; None: something is to be tracked first.
        video: what was tracked, or is to be; by default what the results' record names.
        model: run or file that is offered first.
        root: the folder of what can be tracked.
        host: what to listen on.
        port: 0: any that is free.
        browser: open the page in the browser.
        told: is told the page's address.

    Raises:
        UserError: results or video cannot be read, somebody else edits them, the port is taken, or the host is none of
            this machine.

    Examples:
        >>> clmot.serve("results", browser=True)  # doctest: +SKIP
    """
    token = secrets.token_urlsafe(24)
    with contextlib.ExitStack() as stack:
        workspace = Workspace(Path(root), None if results is None else Path(results), video, model)
        stack.callback(workspace.close)
        listener = stack.enter_context(_listening(host, port))
        number = listener.getsockname()[1]
        shown = socket.gethostname() if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host
        address = f"http://{shown}:{number}/?token={token}"
        guard = Guard(application(workspace), token, host, number)
        config = uvicorn.Config(guard, log_level="critical", server_header=False, lifespan="off", ws="none")
        config.timeout_graceful_shutdown = 1  # a video may be on its way
        told(address)
        if browser:
            webbrowser.open(address)
        uvicorn.Server(config).run(sockets=[listener])


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
            listener.listen(128)  # whoever is told the address may come at once
        except (OSError, OverflowError) as error:
            raise UserError(f"cannot listen on {host}, port {port}: {reason_of(error)}") from error
        yield listener
