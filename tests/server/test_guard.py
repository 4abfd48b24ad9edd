from pathlib import Path

import pytest

from emovox.server.guard import Rates
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

    monkeypatch.setattr(shared.service.library, "find", lambda *_, **__: broken())
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
        tmp_path / "outputs", keys_needed=True, origins=page, hosts="Emovox.example", rate_limit=5
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
        assert (
            key.rpartition("_")[2].encode() not in (tmp_path / "outputs/.emovox/service/service.db").read_bytes()
        )
        (kept,) = client.service.keys.all()
        assert client.service.keys.remove(kept.id)
        assert client.get("/v1/emotions", headers={"X-API-Key": key}).status_code == 401


def test_rates_fill_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("emovox.server.guard.time.monotonic", lambda: now)
    rates = Rates(60)
    assert [rates.take("a") for _ in range(60)] == [0.0] * 60
    assert rates.take("a") == pytest.approx(1)
    assert rates.take("b") == 0
    now += 1
    assert rates.take("a") == 0
    assert Rates(0).take("a") == 0
