import asyncio
import json
import re
from pathlib import Path
from typing import Any, cast

import pytest
from starlette.responses import FileResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from emovox.server.http.access import Access
from emovox.server.http.guard import Guard, Rates
from support.service import Client, serving


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:7860", "localhost.evil.example", "", "127.0.0.1.evil"]
)
def test_other_names_are_refused(shared: Client, host: str) -> None:
    answer = shared.get("/v1/emotions", headers={"Host": host})
    assert (answer.status_code, answer.json()["type"]) == (421, "urn:emovox:unknown-host")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:7860", "127.0.0.1:1", "[::1]:7860"])
def test_this_machines_names_are_known(shared: Client, host: str) -> None:
    assert shared.get("/v1/emotions", headers={"Host": host}).is_success


def test_pages_elsewhere_may_not_use_it(shared: Client) -> None:
    for origin in ("https://evil.example", "null"):
        answer = shared.post("/v1/recognitions", headers={"Origin": origin}, content=b"x")
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:emovox:foreign-origin")
        assert "access-control-allow-origin" not in answer.headers
    own = shared.get("/healthz", headers={"Origin": str(shared.base_url).rstrip("/")})
    assert own.is_success


@pytest.mark.parametrize(
    "origin",
    ["http://[", "http://[::1", "http://]", "//", "://", "", "http://a b", "http://é", "localhost", "http://@"],
)
def test_no_origin_is_an_error_of_the_service(shared: Client, origin: str) -> None:
    answer = shared.get("/healthz", headers={b"Origin": origin.encode("latin-1")})
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:emovox:foreign-origin")


def test_browsers_say_where_a_request_comes_from(tmp_path: Path) -> None:
    page = "https://page.example"
    with serving(tmp_path / "outputs", cors_origins=page) as client:
        job = f"/v1/jobs/{'0' * 32}"

        def asked(method: str, path: str, **headers: str) -> int:
            return client.request(
                method, path, headers={key.replace("_", "-"): headers[key] for key in headers}
            ).status_code

        for site in ("cross-site", "same-site", "anything"):
            assert asked("DELETE", job, Sec_Fetch_Site=site) == 403
            assert asked("GET", "/v1/emotions", Sec_Fetch_Site=site, Sec_Fetch_Mode="navigate") == 200  # a link
            assert asked("DELETE", job, Sec_Fetch_Site=site, Origin=page) == 404
            assert asked("DELETE", job, Sec_Fetch_Site=site, Origin="https://other.example") == 403
        for site in ("same-origin", "none"):
            assert asked("DELETE", job, Sec_Fetch_Site=site) == 404
        live = str(client.base_url).replace("http", "ws") + "/v1/live"
        with pytest.raises(InvalidStatus, match="403"):
            connect(live, additional_headers={"Sec-Fetch-Site": "cross-site"})


def test_a_request_has_one_length(shared: Client) -> None:
    smuggled = b"GET /v1/emotions HTTP/1.1\r\nHost: localhost\r\n\r\n"
    lengths = b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % (5 + len(smuggled))
    answer = shared.talk(b"POST /v1/recognitions HTTP/1.1\r\nHost: localhost\r\n" + lengths + smuggled)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"urn:emovox:two-lengths" in answer
    assert answer.count(b"HTTP/1.1") == 1


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01", b"GET /\r\n\r\n", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"]
)
def test_what_is_no_http_is_a_problem_too(shared: Client, request_: bytes) -> None:
    head, _, body = shared.talk(request_ + b"\r\n\r\n").partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert b"content-type: application/problem+json" in head
    assert json.loads(body)["type"] == "urn:emovox:no-http"


def test_every_method_of_the_routes_is_known(tmp_path: Path) -> None:
    page = "https://page.example"
    with serving(tmp_path / "outputs", cors_origins=page) as client:
        operations = client.get("/openapi.json").json()["paths"].values()
        methods = {method.upper() for path in operations for method in path}
        asks = {"Origin": page, "Access-Control-Request-Method": "PUT"}
        preflight = client.options("/v1/outputs/outputs_20240104_223000/tags/x", headers=asks)
        allowed = preflight.headers["access-control-allow-methods"].split(", ")
        assert {"GET", "POST", "PUT", "DELETE"} <= methods <= set(allowed)
        for method in methods:
            client.request(method, "/nowhere")
        client.request("BREW", "/nowhere")
        metrics = client.get("/metrics").text
        counted = set(re.findall(r'emovox_requests_total{method="(\w+)",route="none"', metrics))
        assert counted == {*methods, "OPTIONS", "other"}


def test_a_range_that_can_t_be_is_a_problem(shared: Client, examples: list[Path]) -> None:
    path, size = f"/v1/examples/{examples[0].name}", examples[0].stat().st_size
    for given, status in ((f"bytes={size}-", 416), ("bytes=a-b", 400), ("bytes=5-2", 400), ("lines=1-2", 400)):
        answer = shared.get(path, headers={"Range": given})
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), given
        assert answer.json()["status"] == status
    assert shared.get(path, headers={"Range": f"bytes={size}-"}).headers["content-range"] == f"bytes */{size}"


def guarded(app: ASGIApp) -> list[Message]:
    """What an app behind the guard sends."""
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "http.disconnect"}

    access = Access(cast("Any", None), cast("Any", None), needed=False)
    guard = Guard(app, hosts={"*"}, origins=(), methods={"GET"}, access=access, rate_limit=0)
    scope = {"type": "http", "method": "GET", "path": "/", "headers": []}
    asyncio.run(guard(scope, receive, send))
    return sent


def test_big_answers_go_in_pieces() -> None:
    body = bytes(range(256)) * 1000
    first, *pieces = guarded(Response(body))
    assert first["type"] == "http.response.start"
    assert b"".join(piece["body"] for piece in pieces) == body
    assert max(len(piece["body"]) for piece in pieces) <= 65_536
    assert [piece["more_body"] for piece in pieces] == [True] * (len(pieces) - 1) + [False]


def test_what_fails_before_the_body_is_a_problem(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    answer = FileResponse(tmp_path / "x")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def deleting(message: Message) -> None:
            await send(message)
            (tmp_path / "x").unlink(missing_ok=True)  # after its size was told

        await answer({**scope, "asgi": {"spec_version": "2.4"}}, receive, deleting)

    first, body = guarded(app)
    assert first["status"] == 500
    assert json.loads(body["body"])["type"] == "urn:emovox:internal"


def test_too_many_headers(shared: Client) -> None:
    assert shared.get("/healthz", headers={f"x-{number}": "x" for number in range(120)}).status_code == 431
    assert shared.get("/healthz", headers={"x": "y" * 40_000}).status_code == 431


def test_every_answer_has_the_security_headers(shared: Client) -> None:
    for path in ("/healthz", "/docs", "/nowhere", "/v1/jobs/x"):
        answer = shared.get(path)
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_every_error_is_a_problem(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise RuntimeError("/secret/path")

    monkeypatch.setattr(shared.service.stored_outputs, "find", lambda *_, **__: broken())
    for method, path, status in (
        ("GET", "/nowhere", 404),
        ("PUT", "/v1/jobs", 405),
        ("GET", "/v1/jobs?limit=x", 422),
        ("GET", "/v1/outputs", 500),
        ("GET", "/%ff%00", 404),
    ):
        answer = shared.request(method, path)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert set(answer.json()) >= {"type", "title", "status", "detail"}
        assert "/secret" not in answer.text
        assert "Traceback" not in answer.text


def test_keys_origins_and_rates(tmp_path: Path) -> None:
    page = "https://page.example"
    with serving(
        tmp_path / "outputs", keys_needed=True, cors_origins=page, allowed_hosts="Emovox.example", rate_limit=5
    ) as client:
        assert client.get("/v1/emotions").status_code == 401
        key = client.service.keys.add("a friend's")
        for given in (key[:-1], key + "x", "emovox__", "", "x", key.replace("emovox", "other"), "emovox_é_é"):
            assert client.get("/v1/emotions", headers={b"X-API-Key": given.encode()}).status_code == 401
        allowed = client.get("/v1/emotions", headers={"Authorization": f"Bearer {key}", "Origin": page})
        assert allowed.headers["access-control-allow-origin"] == page
        preflight = client.options("/v1/jobs", headers={"Origin": page, "Access-Control-Request-Method": "DELETE"})
        assert preflight.status_code == 204
        assert client.get("/v1/emotions", headers={"X-API-Key": key, "Host": "emovox.example"}).is_success
        statuses = [client.get("/v1/emotions", headers={"X-API-Key": key}).status_code for _ in range(6)]
        assert statuses == [200, 200, 200, 429, 429, 429]
        assert client.get("/healthz").is_success
        assert key.split("_", 2)[2].encode() not in (tmp_path / "outputs/.emovox/service/service.db").read_bytes()
        (kept,) = client.service.keys.all()
        assert client.service.keys.remove(kept.id)
        assert client.get("/v1/emotions", headers={"X-API-Key": key}).status_code == 401


def test_rates_fill_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("emovox.server.http.guard.time.monotonic", lambda: now)
    rates = Rates(60)
    assert [rates.take("a") for _ in range(60)] == [0.0] * 60
    assert rates.take("a") == pytest.approx(1)
    assert rates.take("b") == 0
    now += 1
    assert rates.take("a") == 0
    assert Rates(0).take("a") == 0
