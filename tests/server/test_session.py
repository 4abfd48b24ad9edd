import json
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from support.service import serving


def test_a_key_once_given_counts_for_all_that_can_say_no_header(tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        key = client.service.keys.add("a browser's")
        assert client.get("/v1/session").json() == {"keys_needed": True, "known": False}
        for wrong in ({}, {"Authorization": "Bearer emovox_x_y"}):
            assert client.post("/v1/session", headers=wrong).status_code == 401
        assert client.get("/v1/emotions").status_code == 401
        begun = client.post("/v1/session", headers={"Authorization": f"Bearer {key}"})
        assert begun.status_code == 204
        cookie = begun.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert client.get("/v1/session").json() == {"keys_needed": True, "known": True}
        assert client.get("/v1/emotions").is_success

        address = str(client.base_url).replace("http", "ws").rstrip("/") + "/v1/live"
        with connect(address, additional_headers={"Cookie": f"emovox_key={key}"}) as socket:
            socket.send('{"sample_rate": 16000}')
            socket.send('{"type": "end"}')
            assert json.loads(socket.recv(timeout=30))["type"] == "ended"
        with pytest.raises(InvalidStatus, match="403"):
            connect(address, additional_headers={"Cookie": "emovox_key=emovox_x_y"})
        with pytest.raises(InvalidStatus, match="403"):  # no page elsewhere, even on this machine
            connect(
                address, origin=Origin("http://localhost:1"), additional_headers={"Cookie": f"emovox_key={key}"}
            )

        assert client.delete("/v1/session").status_code == 204
        assert client.get("/v1/emotions").status_code == 401


def test_nobody_needs_a_key_here(tmp_path: Path) -> None:
    with serving(tmp_path / "outputs") as client:
        assert client.get("/v1/session").json() == {"keys_needed": False, "known": True}
        begun = client.post("/v1/session", headers={"Authorization": "Bearer x"})
        assert (begun.status_code, "set-cookie" in begun.headers) == (204, False)
