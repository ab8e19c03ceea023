"""Who is let in to the page: tokens, hosts, origins, limits, and the headers of every answer."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

httpx = pytest.importorskip("httpx")
pytest.importorskip("fastapi")
pytest.importorskip("uvicorn")
from page_home import PlayedHome, alarm, played  # noqa: E402

from skelact.errors import ConfigError  # noqa: E402
from skelact.monitor.page.guard import Door, Refused  # noqa: E402
from skelact.monitor.page.limits import RateLimit  # noqa: E402
from skelact.monitor.page.settings import VARIABLE, PageSettings  # noqa: E402
from skelact.monitor.page.tokens import Sessions, Token, hash_token, is_hashed  # noqa: E402

TOKEN = "correct horse battery staple"


@pytest.fixture(autouse=True)
def no_token_around(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def open_home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path) as one:
        yield one


@pytest.fixture
def locked_home(tmp_path: Path) -> Iterator[PlayedHome]:
    with played(tmp_path, PageSettings(port=0, token=hash_token(TOKEN))) as one:
        yield one


def test_tokens_are_hashed() -> None:
    hashed = hash_token(TOKEN)
    assert is_hashed(hashed) and TOKEN not in hashed and hash_token(TOKEN) != hashed
    token = Token(hashed)
    assert not token.fits(TOKEN + "x") and token.fits(TOKEN) and token.fits(TOKEN) and not token.fits("")
    for wrong in (
        "",
        "scrypt$",
        "scrypt$1$8$1$AAAA$AAAA",
        "md5$x",
        hashed.replace("16384", "2"),
        hashed[:-9],
    ):
        assert not is_hashed(wrong)
    with pytest.raises(ConfigError, match="16 characters"):
        hash_token("short")


def test_sessions_end() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    one, other = sessions.begin(), sessions.begin()
    assert sessions.lasts(one) and sessions.lasts(other) and not sessions.lasts("x")
    sessions.end(other)
    now[0] = 6 * 24 * 3600.0
    assert sessions.lasts(one) and not sessions.lasts(other)
    now[0] = 14 * 24 * 3600.0
    assert not sessions.lasts(one)
    first = sessions.begin()
    for _ in range(256):
        now[0] += 1
        sessions.begin()
    assert not sessions.lasts(first)


def test_rate_limits() -> None:
    now = [0.0]
    limit = RateLimit(2.0, 3, lambda: now[0])
    assert [limit.ask("a") for _ in range(4)] == [0, 0, 0, 0.5] and limit.ask("b") == 0
    now[0] = 0.5
    assert limit.ask("a") == 0 and limit.ask("a") > 0
    for n in range(5000):
        limit.ask(n)
    assert len(limit._left) <= 4096


def test_the_token_is_needed(locked_home: PlayedHome) -> None:
    number = locked_home.tell(alarm("hall")).id
    with httpx.Client(base_url=locked_home.address) as ask:
        assert ask.get("/").status_code == 200 and ask.get("/static/main.js").status_code == 200
        for path in (
            "home",
            "state",
            "stream",
            "events",
            "zones",
            "health",
            "metrics",
            "picture",
            "openapi.json",
            "x",
        ):
            assert ask.get(f"/api/{path}").status_code == 401, path
        for path, body in (("acknowledge", {"event": number}), ("suspend", {"camera": "hall", "minutes": 5})):
            assert ask.post(f"/api/{path}", json=body).status_code == 401
        assert ask.put("/api/zones", json={"camera": "hall", "zones": {}}).status_code == 401
        assert ask.get("/api/state", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
        assert ask.get("/api/state", headers={"Authorization": f"Basic {TOKEN}"}).status_code == 401
        assert ask.get("/api/metrics", headers={"Authorization": "Bearer wrong"}).status_code == 401
        wrong = ask.post("/api/login", json={"token": "not this one"})
        assert wrong.status_code == 401 and "not this one" not in wrong.text
        answer = ask.post("/api/login", json={"token": TOKEN})
        cookie = answer.headers["set-cookie"]
        assert (
            "HttpOnly" in cookie
            and "SameSite=strict" in cookie
            and "Secure" not in cookie
            and TOKEN not in cookie
        )
        assert ask.get("/api/state").status_code == 200
        old = dict(ask.cookies)
        assert ask.post("/api/logout", json={}).status_code == 200
        assert ask.get("/api/state", cookies=old).status_code == 401
    assert len(locked_home.attention.open()) == 1


def test_wrong_tokens_are_limited(locked_home: PlayedHome) -> None:
    with httpx.Client(base_url=locked_home.address) as ask:
        assert all(ask.post("/api/login", json={"token": TOKEN}).status_code == 200 for _ in range(8))
        said = [ask.post("/api/login", json={"token": f"wrong {n}"}).status_code for n in range(7)]
        assert said == [401] * 5 + [429] * 2
        late = ask.post("/api/login", json={"token": TOKEN})
        assert late.status_code == 429 and int(late.headers["retry-after"]) >= 1
        ask.cookies.clear()
        assert ask.get("/api/state", headers={"Authorization": "Bearer wrong"}).status_code == 429


def test_all_wrong_tokens_together_are_limited() -> None:
    door = Door(set(), Token(hash_token(TOKEN)), all_failures=RateLimit(0.001, 3))

    async def tries() -> list[bool]:
        return [await door.give(f"10.0.0.{n}", "x") for n in range(3)]

    assert asyncio.run(tries()) == [False] * 3
    with pytest.raises(Refused):
        asyncio.run(door.give("10.0.0.9", "x"))


def test_requests_are_limited(open_home: PlayedHome) -> None:
    door = open_home.server.door
    door.asks.burst, door.asks.rate = 20.0, 0.001
    with httpx.Client(base_url=open_home.address) as ask:
        said = [ask.get("/api/health").status_code for _ in range(25)]
    assert said[:20] == [200] * 20 and said[-1] == 429
    door.asks.burst, door.asks.rate = 1e6, 1e6
    door.writes.burst, door.writes.rate = 3.0, 0.001
    with httpx.Client(base_url=open_home.address) as ask:
        said = [ask.post("/api/suspend", json={"camera": "hall", "minutes": 1}).status_code for _ in range(5)]
    assert said == [200] * 3 + [429] * 2


def test_strangers_hosts_and_origins_are_refused(open_home: PlayedHome) -> None:
    number = open_home.tell(alarm("hall")).id
    body, own = {"event": number}, open_home.address
    with httpx.Client(base_url=own) as ask:
        for host in (
            "evil.example",
            "evil.example:8765",
            "localhost.evil.example",
            "",
            "[",
            "127.0.0.1.evil.example",
        ):
            assert ask.get("/api/state", headers={"Host": host}).status_code in (400, 421), host
            assert ask.get("/", headers={"Host": host}).status_code in (400, 421)
        for host in ("localhost", "localhost:1", "127.0.0.1", "[::1]:8765"):
            assert ask.get("/api/state", headers={"Host": host}).status_code == 200, host
        for origin in ("https://evil.example", "null", "http://[", "http://127.0.0.1:1", "http://localhost"):
            for method, path in (("POST", "/api/acknowledge"), ("GET", "/api/state"), ("POST", "/api/login")):
                answer = ask.request(method, path, headers={"Origin": origin}, json=body)
                assert answer.status_code == 403, (origin, method, path)
        for site in ("cross-site", "same-site"):
            assert ask.get("/api/state", headers={"Sec-Fetch-Site": site}).status_code == 403
            assert (
                ask.post("/api/acknowledge", headers={"Sec-Fetch-Site": site}, json=body).status_code == 403
            )
        assert (
            ask.get("/", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
        )  # a link that leads here
        form = ask.post("/api/acknowledge", content=b'{"event": 1}', headers={"Content-Type": "text/plain"})
        assert form.status_code == 415
        assert ask.post("/api/acknowledge", json={"event": 1, "x": "y" * 70_000}).status_code == 413
        chunks = ask.post(
            "/api/acknowledge", content=iter([b"{}"]), headers={"Content-Type": "application/json"}
        )
        assert chunks.status_code == 411
        assert len(open_home.attention.open()) == 1
        same = {"Origin": own, "Sec-Fetch-Site": "same-origin"}
        assert ask.post("/api/acknowledge", json=body, headers=same).status_code == 200


def test_headers_of_every_answer(open_home: PlayedHome) -> None:
    with httpx.Client(base_url=open_home.address) as ask:
        for path in (
            "/",
            "/static/page.css",
            "/static/../app.py",
            "/static/app.py",
            "/api/state",
            "/api/none",
            "/x",
        ):
            headers = ask.get(path).headers
            policy = headers["content-security-policy"]
            assert (
                "default-src 'none'" in policy and "script-src 'self';" in policy and "unsafe" not in policy
            )
            assert "frame-ancestors 'none'" in policy and headers["x-frame-options"] == "DENY"
            assert headers["x-content-type-options"] == "nosniff" and headers["cache-control"] == "no-store"
            assert headers["referrer-policy"] == "no-referrer" and "server" not in headers
        assert ask.get("/static/app.py").status_code == ask.get("/static/..%2fapp.py").status_code == 404
        assert ask.get("/", headers={"Host": "evil.example"}).headers["x-frame-options"] == "DENY"
        assert ask.get("/docs").status_code == 404


def test_the_page_asks_nobody_else() -> None:
    """No address of another machine, no script or style within the page's own text."""
    from skelact.monitor.page.app import STATIC

    files = sorted(STATIC.iterdir())
    assert {path.suffix for path in files} == {".html", ".js", ".css", ".svg"}
    for path in files:
        text = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert (
            "http:" not in text and "https:" not in text and "innerHTML" not in text and "eval(" not in text
        ), path
    page = (STATIC / "index.html").read_text(encoding="utf-8")
    assert (
        page.count("<script") == 1
        and "style=" not in page
        and "<style" not in page
        and " onclick" not in page
    )
