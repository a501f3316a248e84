"""The page of one run: what is asked for at which place, and who may ask.

| place below /TOKEN | what |
|---|---|
| `GET /` `page.css` `page.js` | the page; it loads nothing from elsewhere |
| `GET frame?display=D&seen=N` | a PNG of the next picture that is not number N, its number in `X-Serial`; 204: none yet |
| `GET events` | server-sent events: status, console, end |
| `POST touch` | {"device", "points": [[x, y, down], ...]}, 0..4095 each way |
| `POST type` | {"cell", "data"}: text at a console |
| `POST order` | {"verb", "cell"}: pause, unpause, kill, restart |

Who may: the token, 128 random bits in the address, is told to the user alone. A page from elsewhere that a browser of this host
shows cannot guess it; should it leak all the same, such a page is refused by the name that it used for this host (DNS
rebinding: `Host`), by `Origin` and `Sec-Fetch-Site`, and since a body must be JSON, for which a browser asks first.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import secrets
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, suppress
from importlib.resources import files
from typing import Any

from hypervisor.shell.client import OperatorError
from hypervisor.shell.observer import Observer
from hypervisor.shell.web.feeds import Feeds
from hypervisor.shell.web.http import ADDRESS, HttpError, HttpServer, Reply, Request

STREAMS = 8
"""Pages that are open at once."""
POINTS = 64
"""Places of a pen in one request."""
POINTS_PER_S, BURST = 200.0, 400.0
"""A bound on what pages may put into the run's log of inputs."""
FAREWELL_S = 1.0
"""How long the page's end waits for those who look to take note."""
TYPED = 1024
"""Characters that are typed at once."""
ORDERS = ("pause", "unpause", "kill", "restart")
_FILES = {
    "": ("page.html", "text/html"),
    "page.css": ("page.css", "text/css"),
    "page.js": ("page.js", "text/javascript"),
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}
Handler = Callable[[Request], Awaitable[Reply]]


class Page:
    """Serves one run."""

    def __init__(self, run: Observer) -> None:
        self._run, self._feeds = run, Feeds(run)
        self._token = secrets.token_urlsafe(16)
        self._server = HttpServer(self.answer)
        self._port = 0
        self._streams = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._allowance, self._counted = BURST, time.monotonic()
        self._pens: dict[str, tuple[int, int]] = {}
        """Where pens are down."""
        self._get: dict[str, Handler] = {"frame": self._frame, "events": self._events}
        self._post: dict[str, Handler] = {"touch": self._touch, "type": self._type, "order": self._order}

    async def start(self, port: int) -> str:
        """Serve; returns the address for the browser.

        Raises:
            OSError: the port is taken.
        """
        self._port = await self._server.start(port)
        return f"http://{ADDRESS}:{self._port}/{self._token}/"

    async def stop(self) -> None:
        """Tell the pages that it is over, and close everything."""
        self._feeds.end()
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_S):
                await self._nobody.wait()
        await self._server.stop()
        self._lift()

    # ---- who may

    async def answer(self, request: Request) -> Reply:
        """One request, from anybody.

        Raises:
            HttpError: it is not served.
        """
        self._check_origin(request)
        _, token, place = [*request.path.split("/", 2), "", ""][:3]
        if not hmac.compare_digest(token.encode(), self._token.encode()):
            raise HttpError(404)
        try:
            reply = await self._handler(request, place)(request)
        except OperatorError as error:
            raise HttpError(410 if self._run.ended.is_set() else 400, str(error)) from None
        except (OverflowError, UnicodeEncodeError):  # numbers and texts of JSON that no message to the run can carry
            raise HttpError(400) from None
        return Reply(reply.status, reply.body, reply.kind, {**_HEADERS, **reply.headers}, reply.stream, trusted=True)

    def _check_origin(self, request: Request) -> None:
        hosts = {f"{name}:{self._port}" for name in (ADDRESS, "localhost")}
        headers = request.headers
        if headers.get("host", "").lower() not in hosts:
            raise HttpError(403, "this page is on 127.0.0.1 only")
        origin = headers.get("origin")
        if origin is not None and origin.lower() not in {f"http://{host}" for host in hosts}:
            raise HttpError(403, "another page may not ask")
        followed = (
            request.method == "GET" and headers.get("sec-fetch-mode") == "navigate"
        )  # a link, in a terminal perhaps
        if not followed and headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
            raise HttpError(403, "another page may not ask")

    def _handler(self, request: Request, place: str) -> Handler:
        if request.method == "GET" and place in _FILES:
            return self._file
        wanted = {"GET": self._get, "POST": self._post}.get(request.method)
        if wanted is None or (place not in wanted and place in (self._get | self._post)):
            raise HttpError(405)
        if place not in wanted:
            raise HttpError(404)
        return wanted[place]

    # ---- what there is to see

    async def _file(self, request: Request) -> Reply:
        name, kind = _FILES[request.path.split("/", 2)[-1]]
        return Reply(body=files(__package__).joinpath(name).read_bytes(), kind=f"{kind}; charset=utf-8")

    async def _frame(self, request: Request) -> Reply:
        seen = request.query.get("seen", "0")
        if not (seen.isascii() and seen.isdecimal() and len(seen) < 16):
            raise HttpError(400)
        picture = await self._feeds.newer(request.query.get("display", ""), int(seen))
        if picture is None:
            return Reply(204)
        serial, png = picture
        return Reply(body=png, kind="image/png", headers={"X-Serial": str(serial)})

    async def _events(self, _request: Request) -> Reply:
        if self._streams >= STREAMS:
            raise HttpError(503, f"{STREAMS} pages are open already")
        first = await self._run.ask("displays")
        return Reply(
            kind="text/event-stream", stream=self._stream({"displays": first["displays"], "touches": first["touches"]})
        )

    async def _stream(self, first: dict[str, Any]) -> AsyncIterator[bytes]:
        self._streams += 1
        self._nobody.clear()
        try:
            yield _event("displays", first)
            async with aclosing(self._feeds.listen()) as events:  # type: ignore[type-var]
                async for kind, what in events:
                    yield _event(kind, what)
        except OperatorError:  # it ended while it was being asked
            yield _event("end", {})
        finally:
            self._streams -= 1
            if not self._streams:
                self._nobody.set()
                self._lift()

    # ---- what there is to do

    async def _touch(self, request: Request) -> Reply:
        asked = _json(request)
        device, points = asked.get("device"), asked.get("points")
        if not isinstance(device, str) or not isinstance(points, list) or not 0 < len(points) <= POINTS:
            raise HttpError(400)
        if not all(
            isinstance(point, list) and len(point) == 3 and all(type(n) is int for n in point) for point in points
        ):
            raise HttpError(400)
        self._spend(len(points))
        for x, y, down in points:
            await self._run.ask("touch", device=device, x=x, y=y, down=bool(down))
            if down:
                self._pens[device] = (x, y)
            else:
                self._pens.pop(device, None)
        return Reply(204)

    def _spend(self, points: int) -> None:
        now = time.monotonic()
        self._allowance = min(self._allowance + (now - self._counted) * POINTS_PER_S, BURST)
        self._counted = now
        if points > self._allowance:
            raise HttpError(429)
        self._allowance -= points

    def _lift(self) -> None:
        """Nobody is there any more who could."""
        for device, (x, y) in self._pens.items():
            self._run.tell("touch", device=device, x=x, y=y, down=False)
        self._pens.clear()

    async def _type(self, request: Request) -> Reply:
        asked = _json(request)
        cell, data = asked.get("cell"), asked.get("data")
        if not isinstance(cell, str) or not isinstance(data, str) or len(data) > TYPED:
            raise HttpError(400)
        self._spend(1)
        await self._run.ask("type", cell=cell, data=data.encode("utf-8", "replace"))
        return Reply(204)

    async def _order(self, request: Request) -> Reply:
        asked = _json(request)
        if asked.get("verb") not in ORDERS or not isinstance(asked.get("cell"), str):
            raise HttpError(400)
        answer = await self._run.ask(asked["verb"], cell=asked["cell"])
        return Reply(
            body=json.dumps({"state": answer["state"], "why": answer["why"]}).encode(), kind="application/json"
        )


def _json(request: Request) -> dict[str, Any]:
    """The body.

    Raises:
        HttpError: it is not a JSON object, or does not say so.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HttpError(415)
    try:
        asked = json.loads(request.body)
    except (ValueError, RecursionError):
        raise HttpError(400) from None
    if not isinstance(asked, dict):
        raise HttpError(400)
    return asked


def _event(kind: str, what: dict[str, Any]) -> bytes:
    """A server-sent event; JSON has no ends of lines in it."""
    return f"event: {kind}\ndata: {json.dumps(what)}\n\n".encode()
