import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from emovox import use_log
from emovox.server.app import ROUTERS
from emovox.server.http.use import ACTIONS, UNLOGGED
from emovox.settings import settings
from support.service import serving
from support.waiting import until


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("EMOVOX_USE_LOG", str(tmp_path / "use.jsonl"))
    settings.cache_clear()
    yield tmp_path / "use.jsonl"
    settings.cache_clear()


def entries(log: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in log.read_text().splitlines()]


def test_each_route_is_logged_or_says_nothing_of_anybody() -> None:
    """A new route must say which."""
    routes = [route for router in ROUTERS for route in router.routes]
    unknown = {
        (method, route.path)  # type: ignore[attr-defined]
        for route in routes
        for method in getattr(route, "methods", None) or ()
        if method != "HEAD"
        and (method, route.path) not in ACTIONS  # type: ignore[attr-defined]
        and route.path not in UNLOGGED  # type: ignore[attr-defined]
    }
    assert unknown == set()
    paths = {(method, route.path) for route in routes for method in getattr(route, "methods", None) or ()}  # type: ignore[attr-defined]
    assert set(ACTIONS) <= paths


def test_who_did_what_is_logged_and_not_what_came_out(tmp_path: Path, examples: list[Path], log: Path) -> None:
    with serving(tmp_path / "outputs", keys_needed=True) as client:
        client.headers["Authorization"] = f"Bearer {client.service.keys.add('ann')}"
        answer = client.post("/v1/recognitions?segments=true", content=examples[0].read_bytes())
        output = answer.headers["Location"].rpartition("/")[2]
        client.get("/v1/archive").raise_for_status()
        client.get(f"/v1/outputs/{output}/zip").raise_for_status()
        assert client.get("/v1/outputs/outputs_20000101_000000/result").status_code == 404
        client.get("/v1/emotions").raise_for_status()
        client.delete(f"/v1/outputs/{output}").raise_for_status()
    first, *rest = entries(log)
    key = first["who"]
    assert key.startswith("key ")
    assert (first["action"], first["recordings"]) == ("recognized", [answer.json()["recording"]["sha256"]])
    assert [(entry["action"], entry.get("outputs"), entry["who"]) for entry in rest] == [
        ("requested", [output], key),
        ("read", None, key),
        ("exported", [output], key),
        ("refused", ["outputs_20000101_000000"], key),
        ("deleted", [output], key),
    ]
    assert use_log.verify(log).faults == ()
    assert not any(word in log.read_text() for word in ("angry", "0.9", "ann"))


def test_a_job_is_logged_when_it_is_asked_for_and_when_it_is_done(
    tmp_path: Path, examples: list[Path], log: Path
) -> None:
    with serving(tmp_path / "outputs") as client:
        answer = client.post(
            "/v1/recognitions", content=examples[0].read_bytes(), headers={"Prefer": "respond-async"}
        )
        job = answer.json()["id"]
        until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
    by_action = {entry["action"]: entry for entry in entries(log)}
    assert by_action["requested"]["job"] == f"jobs/{job}"
    assert by_action["recognized"]["who"] == f"job {job}"


def test_what_cannot_be_logged_is_refused(tmp_path: Path, examples: list[Path], log: Path) -> None:
    with serving(tmp_path / "outputs") as client:
        stored = client.post("/v1/recognitions", content=examples[0].read_bytes()).headers["Location"]
        log.rename(tmp_path / "moved")
        log.mkdir()
        for answer in (
            client.get(f"{stored}/result"),
            client.post("/v1/recognitions", content=examples[1].read_bytes()),
        ):
            assert (answer.status_code, answer.json()["type"]) == (503, "urn:emovox:use-log")
        assert client.get("/v1/emotions").is_success
        assert len(list(client.outputs.glob("outputs_*"))) == 1
