"""A browser's session: a cookie that stands for a key, and is not the key."""

import json
import time
from collections.abc import Iterator
from http.cookies import Morsel, SimpleCookie
from pathlib import Path

import httpx
import pytest
from sqlalchemy import update
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from emovox.server import database as tables
from emovox.server.http import access
from support.service import Client, serving

ELSEWHERE = "emovox.example"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service that demands keys, and is known by another name too."""
    with serving(tmp_path_factory.mktemp("keys") / "outputs", keys_needed=True, allowed_hosts=ELSEWHERE) as client:
        yield client


@pytest.fixture(autouse=True)
def no_cookies(client: Client) -> None:
    client.cookies.clear()
    client.headers.pop("cookie", None)


def new_key(client: Client) -> str:
    return client.service.keys.add("a browser's")


def begin(client: httpx.Client, key: str, **headers: str) -> Morsel[str]:
    """Begin a session, and give its cookie."""
    answer = client.post("/v1/session", headers={"Authorization": f"Bearer {key}", **headers})
    assert answer.status_code == 204, answer.text
    client.cookies.clear()
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    return cookie


def asked(client: httpx.Client, cookie: Morsel[str], **headers: str) -> int:
    return client.get("/v1/emotions", headers={"Cookie": f"{cookie.key}={cookie.value}", **headers}).status_code


def test_a_key_once_given_counts_for_all_that_can_say_no_header(client: Client) -> None:
    key = new_key(client)
    assert client.get("/v1/session").json() == {"keys_needed": True, "known": False}
    for wrong in ({}, {"Authorization": "Bearer emovox_x_y"}, {"Cookie": "emovox=x"}):
        assert client.post("/v1/session", headers=wrong).status_code == 401
    assert client.get("/v1/emotions").status_code == 401
    begun = client.post("/v1/session", headers={"Authorization": f"Bearer {key}"})
    assert begun.status_code == 204
    assert client.get("/v1/session").json() == {"keys_needed": True, "known": True}
    assert client.get("/v1/emotions").is_success

    address = str(client.base_url).replace("http", "ws").rstrip("/") + "/v1/live"
    own = {"Cookie": f"emovox={client.cookies['emovox']}"}
    with connect(address, additional_headers=own) as socket:
        socket.send('{"sample_rate": 16000}')
        socket.send('{"type": "end"}')
        assert json.loads(socket.recv(timeout=30))["type"] == "ended"
    for cookie in ("emovox=x", f"emovox={key}", f"emovox_key={key}"):
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, additional_headers={"Cookie": cookie})
    with pytest.raises(InvalidStatus, match="403"):  # no page elsewhere, even on this machine
        connect(address, origin=Origin("http://localhost:1"), additional_headers=own)

    assert client.delete("/v1/session").status_code == 204
    assert client.get("/v1/emotions").status_code == 401
    client.headers["Cookie"] = own["Cookie"]  # it isn't only forgotten by the browser
    assert client.get("/v1/emotions").status_code == 401


def test_a_login_of_a_proxy_s_does_not_hide_a_key_or_a_session(client: Client) -> None:
    key, login = new_key(client), ("ann", "the proxy's own")
    cookie = begin(client, key)
    assert client.get("/v1/emotions", auth=("anybody", key)).is_success
    assert client.get("/v1/emotions", auth=login).status_code == 401
    assert client.get("/v1/emotions", auth=login, headers={"X-API-Key": key}).is_success
    answer = client.get("/v1/emotions", auth=login, headers={"Cookie": f"{cookie.key}={cookie.value}"})
    assert answer.is_success


def test_the_cookie_isn_t_the_key_and_goes_over_tls_alone(client: Client) -> None:
    key = new_key(client)
    here, there = begin(client, key), begin(client, key, Host=ELSEWHERE, Origin=f"https://{ELSEWHERE}")
    assert (here.key, bool(here["secure"])) == ("emovox", False)
    assert (there.key, bool(there["secure"])) == ("__Host-emovox", True)
    for cookie in (here, there):
        assert key not in cookie.value
        assert key.split("_", 2)[2] not in cookie.value  # the secret, which may have a "_" of its own
        assert (cookie["path"], cookie["domain"], cookie["samesite"]) == ("/", "", "strict")
        assert cookie["httponly"]
        assert int(cookie["max-age"]) == access.LIFE
        assert cookie.value.encode() not in (client.outputs / ".emovox/service/service.db").read_bytes()
    assert (asked(client, here), asked(client, there, Host=ELSEWHERE)) == (200, 200)
    there.set("emovox", there.value, there.value)  # set by anybody, as the prefix would have forbidden
    assert asked(client, there, Host=ELSEWHERE) == 401
    plain = {"Authorization": f"Bearer {key}", "Host": ELSEWHERE, "Origin": f"http://{ELSEWHERE}"}
    assert client.post("/v1/session", headers=plain).json()["type"] == "urn:emovox:needs-https"


def test_the_cookie_that_held_the_key_is_deleted(client: Client) -> None:
    old = {"Cookie": f"emovox_key={new_key(client)}"}
    answer = client.get("/v1/session", headers=old)
    assert answer.json()["known"] is False
    assert answer.headers["set-cookie"].lower().startswith('emovox_key=""; ')
    assert "max-age=0" in answer.headers["set-cookie"].lower()
    assert "set-cookie" not in client.get("/v1/session").headers


def test_it_ends_with_its_key_and_with_time(tmp_path: Path, database: str) -> None:
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        key, other = new_key(client), new_key(client)
        cookie, others = begin(client, key), begin(client, other)
        assert (asked(client, cookie), asked(client, others)) == (200, 200)
        assert client.service.keys.remove(key.split("_")[1])  # and nothing more: at once
        assert (asked(client, cookie), asked(client, others)) == (401, 200)
        age(client, access.LIFE + 1)
        assert asked(client, others) == 401
        again = begin(client, other)
        assert asked(client, again) == 200


def age(client: Client, seconds: float) -> None:
    with client.service.database.begin() as connection:
        connection.execute(update(tables.sessions).values(created=time.time() - seconds))


def test_a_key_has_so_many_sessions(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MAX_SESSIONS", 3)
    key = new_key(client)
    begun = [begin(client, key) for _ in range(5)]
    assert [asked(client, cookie) for cookie in begun] == [401, 401, 200, 200, 200]


def test_it_outlives_a_restart(tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        cookie = begin(client, new_key(client))
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        assert asked(client, cookie) == 200


def test_nobody_needs_a_key_here(tmp_path: Path) -> None:
    with serving(tmp_path / "outputs") as client:
        assert client.get("/v1/session").json() == {"keys_needed": False, "known": True}
        begun = client.post("/v1/session", headers={"Authorization": "Bearer x"})
        assert (begun.status_code, "set-cookie" in begun.headers) == (204, False)
        assert client.delete("/v1/session").status_code == 204
