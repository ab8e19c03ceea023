"""The page's application (FastAPI): one page, its API, numbers for Prometheus."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import HTTPException, RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from skelact import __version__
from skelact.errors import ConfigError, SkelactError
from skelact.monitor.page.days import day_of
from skelact.monitor.page.guard import COOKIE, Door, Guard, Refused, cookie_of
from skelact.monitor.page.live import Live
from skelact.monitor.page.metrics import metrics
from skelact.monitor.suspensions import EVERYWHERE
from skelact.monitor.zones import Zone
from skelact.settings import from_plain

STATIC = Path(__file__).parent / "static"
_MOST_STREAMS = 32
_MOST_ZONES = 30
_MOST_CORNERS = 60
_MOST_NUMBER = 2**62  # that SQLite can take
_STREAM_SECONDS = 600.0  # after which a browser must ask again, and be let in again
_BEAT_SECONDS = 10.0
_TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Login(_Body):
    """What a browser gives once."""

    token: str = Field(max_length=1024)


class Acknowledge(_Body):
    """An alarm's event."""

    event: int


class Suspend(_Body):
    """Whose alarms are not told for how long; no camera: those of all."""

    camera: str = EVERYWHERE
    person: Annotated[int, Field(ge=0, le=_MOST_NUMBER)] | None = None
    minutes: float


class Teach(_Body):
    """Whose next seconds are an example of a gesture."""

    camera: str
    person: Annotated[int, Field(ge=0, le=_MOST_NUMBER)]
    gesture: Annotated[str, Field(min_length=1, max_length=60)]
    seconds: Annotated[float, Field(ge=0.5, le=8)] = 2.5


class DrawnZones(_Body):
    """A camera's zones, as they are in a home's file."""

    camera: str
    zones: dict[str, dict[str, Any]]


def make_app(
    live: Live,
    door: Door,
    secure: bool = False,
    stopped: Callable[[], bool] = lambda: False,
    pause: float = 0.1,
) -> Guard:
    """The application behind its guard.

    Args:
        live: what is known now.
        door: who is let in.
        secure: it is served over TLS.
        stopped: asked by streams whether to end.
        pause: seconds between two messages of a stream at least.
    """
    app = FastAPI(
        title="skelact monitor",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url="/api/openapi.json",
    )
    streams: set[object] = set()

    @app.exception_handler(Refused)
    def refuse(_: Request, no: Refused) -> Response:
        return JSONResponse({"error": no.text}, no.status, no.headers)

    @app.exception_handler(SkelactError)
    def wrong(_: Request, error: SkelactError) -> Response:
        return JSONResponse({"error": str(error)}, 400 if isinstance(error, ConfigError) else 500)

    @app.exception_handler(sqlite3.Error)
    def full(_: Request, error: sqlite3.Error) -> Response:
        return JSONResponse({"error": f"the log cannot be written: {error}"}, 503)

    @app.exception_handler(RequestValidationError)
    def invalid(_: Request, error: RequestValidationError) -> Response:  # what was sent is not repeated
        said = [f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors()]
        return JSONResponse({"error": "; ".join(said)}, 422)

    @app.exception_handler(HTTPException)
    def failed(_: Request, error: HTTPException) -> Response:
        return JSONResponse({"error": str(error.detail)}, error.status_code)

    @app.get("/", include_in_schema=False)
    def page() -> Response:
        return FileResponse(STATIC / "index.html", media_type="text/html")

    @app.get("/static/{name}", include_in_schema=False)
    def static(name: str) -> Response:
        path = STATIC / name
        if not re.fullmatch(r"[a-z_]+\.(js|css|svg)", name) or not path.is_file():
            raise HTTPException(404, "there is no such file")
        return FileResponse(path, media_type=_TYPES[path.suffix])

    @app.post("/api/login")
    async def login(request: Request, body: Login) -> Response:
        client = request.client.host if request.client else "?"
        if not await door.give(client, body.token):
            raise HTTPException(401, "this is not the page's token")
        answer = JSONResponse({"logged_in": True})
        if door.token is not None:
            answer.set_cookie(
                COOKIE, door.sessions.begin(), max_age=7 * 24 * 3600, path="/", secure=secure, httponly=True,
                samesite="strict",
            )  # fmt: skip
        return answer

    @app.post("/api/logout")
    def logout(request: Request) -> Response:
        door.sessions.end(cookie_of(request.headers.get("cookie", "")))
        answer = JSONResponse({"logged_in": False})
        answer.delete_cookie(COOKIE, path="/", secure=secure, httponly=True, samesite="strict")
        return answer

    @app.get("/api/home")
    def home() -> dict[str, Any]:
        """What does not change: cameras, the layout's bones, and what the page may show."""
        layout = live.layout
        return {
            "version": __version__,
            "cameras": list(live.cameras),
            "joints": list(layout.joints),
            "bones": [[v, p] for v, p in enumerate(layout.parents) if p >= 0]
            + [list(e) for e in layout.extra_edges],
            "pictures": live.pictures,
            "keeps_zones": live.keeps_zones,
            "gestures": live.gestures is not None,
            "login": door.token is not None,
            "first_event": live.attention.first,
        }

    @app.get("/api/state")
    def state() -> dict[str, Any]:
        """Who is seen now, alarms, suspensions, health."""
        return {"people": live.seen(), **live.status()}

    @app.get("/api/stream", response_class=StreamingResponse)
    async def stream() -> Response:
        """The same as server-sent events, whenever it changes: ``people`` and ``desk``."""
        if len(streams) >= _MOST_STREAMS:
            raise HTTPException(503, f"{_MOST_STREAMS} browsers look on already")
        return StreamingResponse(follow(), media_type="text/event-stream")

    async def follow() -> AsyncIterator[bytes]:
        me, seen, loop = object(), {"people": b"", "desk": b""}, asyncio.get_running_loop()
        streams.add(me)
        begin = sent = loop.time()
        try:
            yield b"retry: 1000\n\n"
            while not stopped() and loop.time() - begin < _STREAM_SECONDS:
                for name, body in (("people", live.people()), ("desk", await asyncio.to_thread(live.desk))):
                    if body != seen[name]:  # the newest only: who is slow misses what was in between
                        seen[name], sent = body, loop.time()
                        yield b"event: " + name.encode() + b"\ndata: " + body + b"\n\n"
                if loop.time() - sent > _BEAT_SECONDS:
                    sent = loop.time()
                    yield b": beat\n\n"
                await asyncio.sleep(pause)
        finally:
            streams.discard(me)

    @app.get("/api/events")
    def events(
        limit: Annotated[int, Query(ge=1, le=1000)] = 200,
        kinds: Annotated[list[str] | None, Query(max_length=50)] = None,
        camera: str = "",
        since: float | None = None,
        until: float | None = None,
        after: Annotated[int, Query(le=_MOST_NUMBER)] = 0,
        before: Annotated[int | None, Query(ge=0, le=_MOST_NUMBER)] = None,
    ) -> dict[str, Any]:
        """The newest events first; kinds are also names of actions, times as `EventLog.newest` has them."""
        found = live.attention.events(
            limit,
            kinds=tuple(kinds or ()),
            source=camera,
            since=since,
            until=until,
            after=after,
            before=before,
        )
        marks = live.attention.marks(min((e.id or 0 for e in found), default=0)) if found else {}
        rows = []
        for event in found:
            acknowledged, silenced = marks.get(event.id or 0, (None, None))
            rows.append({**asdict(event), "acknowledged": acknowledged, "silenced": silenced is not None})
        return {"events": rows}

    @app.get("/api/lifelog")
    def lifelog(day: Annotated[str, Query(max_length=40)] = "", alone: bool = False) -> dict[str, Any]:
        """What everybody did on a day, such as 2026-11-27; the newest one if none is named."""
        return day_of(live.attention, day, alone)

    @app.post("/api/acknowledge")
    def acknowledge(body: Acknowledge) -> dict[str, Any]:
        """Somebody has seen an alarm."""
        closed = live.acknowledge(body.event)
        if not closed:
            raise HTTPException(404, f"there is no open alarm {body.event}")
        return {"acknowledged": [event.id for event in closed]}

    @app.post("/api/suspend")
    def suspend(body: Suspend) -> dict[str, Any]:
        """Tell nobody of all alarms, a camera's, or one person's there, for some minutes; 0: tell again."""
        if body.camera not in (EVERYWHERE, *live.cameras):
            raise HTTPException(404, "there is no such camera")
        made = live.attention.suspend(body.camera, body.person, body.minutes)
        return {"suspension": None if made is None else asdict(made)}

    @app.post("/api/teach")
    def teach(body: Teach) -> dict[str, Any]:
        """Take the next seconds of somebody as an example of a gesture."""
        if live.gestures is None:
            raise HTTPException(404, "gestures are not named; start the monitor with --gestures FILE")
        if body.camera not in live.cameras:
            raise HTTPException(404, "there is no such camera")
        live.gestures.record(body.camera, body.person, body.gesture, body.seconds)
        return {"recording": body.seconds, **live.gestures.status()}

    @app.get("/api/zones")
    def zones() -> dict[str, Any]:
        """The zones of every camera."""
        return {"zones": live.zones()}

    @app.put("/api/zones")
    def draw(body: DrawnZones) -> dict[str, Any]:
        """Replace a camera's zones."""
        kept = live.change_zones(body.camera, read_zones(body.zones))
        return {"saved": kept, "zones": live.zones()[body.camera]}

    @app.get("/api/picture")
    def picture(camera: str) -> Response:
        """A camera's newest picture, if pictures are switched on."""
        data = live.picture(camera)
        if data is None:
            raise HTTPException(404, "there is no picture" if live.pictures else "pictures are switched off")
        return Response(data, media_type="image/jpeg")

    @app.get("/api/health")
    def health() -> dict[str, Any]:
        """How cameras and channels are."""
        return live.health()

    @app.get("/api/metrics")
    def numbers() -> Response:
        """For Prometheus."""
        return PlainTextResponse(metrics(live, len(streams)), media_type="text/plain; version=0.0.4")

    return Guard(app, door)


def read_zones(plain: dict[str, dict[str, Any]]) -> dict[str, Zone]:
    """Zones from plain values.

    Raises:
        ConfigError: for what is none, too many, or a name that is none.
    """
    if len(plain) > _MOST_ZONES:
        raise ConfigError(f"a camera has at most {_MOST_ZONES} zones, got {len(plain)}")
    found = {}
    for name, values in plain.items():
        if not name.strip() or len(name) > 60 or not name.isprintable():
            raise ConfigError(f"a zone's name has 1 to 60 characters, got '{name[:60]}'")
        if len(values.get("polygon") or ()) > _MOST_CORNERS:
            raise ConfigError(f"a zone has at most {_MOST_CORNERS} corners")
        found[name.strip()] = from_plain(Zone, values, f"zone '{name}'")
    return found
