"""The service behind nginx and Caddy with the configurations of deploy/, over TLS, as users reach it."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.sync.client import connect

from support.service import Client, serving
from support.waiting import until

DEPLOY = Path(__file__).parents[2] / "deploy"
NAME = "emovox.example.org"
UPLOAD = int(os.environ.get("EMOVOX_TEST_UPLOAD", str(2**25)))  # bytes


class Resolved(httpx.HTTPTransport):
    """Reaches the name at this machine."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions["sni_hostname"] = NAME
        request.url = request.url.copy_with(host="127.0.0.1")  # the Host header stays
        return super().handle_request(request)


@dataclass(frozen=True)
class Site:
    """A service with TLS before it.

    Attributes:
        service: itself, without TLS.
        client: goes through the proxy.
        port: of the proxy.
        tls: trusts its certificate.
        place: of the proxy's files, its logs among them.
    """

    service: Client
    client: httpx.Client
    port: int
    tls: ssl.SSLContext
    place: Path


def certificate(place: Path) -> tuple[Path, Path]:
    """A self-signed certificate of the name, and its key."""
    chain, key = place / "fullchain.pem", place / "privkey.pem"
    command = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN={NAME}"
    command += f" -addext subjectAltName=DNS:{NAME} -keyout {key} -out {chain}"
    subprocess.run(command.split(), check=True, capture_output=True)
    return chain, key


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def changed(text: str, changes: dict[str, str]) -> str:
    for old, new in changes.items():
        assert old in text, f"the configuration has no {old!r}"
        text = text.replace(old, new)
    return text


def nginx(place: Path, service: int, port: int, plain: int) -> list[str]:
    """The command that runs nginx with our configuration on other ports."""
    chain, key = certificate(place)
    changes = {
        "127.0.0.1:7860": f"127.0.0.1:{service}",
        "listen 80;": f"listen 127.0.0.1:{plain};",
        "listen [::]:80;": "",
        "listen 443 ssl http2;": f"listen 127.0.0.1:{port} ssl http2;",
        "listen [::]:443 ssl http2;": "",
        f"/etc/letsencrypt/live/{NAME}/fullchain.pem": str(chain),
        f"/etc/letsencrypt/live/{NAME}/privkey.pem": str(key),
        "/var/log/nginx/emovox.log": str(place / "access.log"),
    }
    (place / "emovox.conf").write_text(changed((DEPLOY / "nginx.conf").read_text(), changes))
    paths = "".join(
        f"{name}_temp_path {place / name};" for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    (place / "nginx.conf").write_text(
        f"{'user root;' if os.geteuid() == 0 else ''} daemon off; pid {place / 'pid'}; error_log stderr;\n"
        f"events {{}}\nhttp {{ access_log off; {paths} include {place / 'emovox.conf'}; }}\n"
    )
    return ["nginx", "-p", str(place), "-e", "stderr", "-c", str(place / "nginx.conf")]


def caddy(place: Path, service: int, port: int, plain: int) -> list[str]:
    """The command that runs Caddy with our configuration on other ports."""
    chain, key = certificate(place)
    changes = {
        f"\n{NAME} {{": f"\n{NAME} {{\n\tbind 127.0.0.1\n\ttls {chain} {key}",
        "127.0.0.1:7860": f"127.0.0.1:{service}",
    }
    text = changed((DEPLOY / "Caddyfile").read_text(), changes)
    own = f"{{\n\tadmin off\n\thttp_port {plain}\n\thttps_port {port}\n}}\n"
    (place / "Caddyfile").write_text(own + text)
    return ["caddy", "run", "--config", str(place / "Caddyfile"), "--adapter", "caddyfile"]


PROXIES: dict[str, Callable[[Path, int, int, int], list[str]]] = {"nginx": nginx, "caddy": caddy}


@contextmanager
def standing(command: list[str], place: Path, port: int) -> Iterator[None]:
    """A block in which a proxy runs."""
    environment = {**os.environ, "HOME": str(place), "XDG_DATA_HOME": str(place), "XDG_CONFIG_HOME": str(place)}
    with (place / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=environment)

    def listens() -> bool:
        assert process.poll() is None, (place / "log").read_text()
        with socket.socket() as attempt:
            return attempt.connect_ex(("127.0.0.1", port)) == 0

    try:
        until(listens)
        yield
    finally:
        process.terminate()
        process.wait(60)


@pytest.fixture(scope="module", params=["nginx", pytest.param("caddy", marks=pytest.mark.slow)])
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A service that demands keys, behind each proxy."""
    name: str = request.param
    if shutil.which(name) is None:
        reason = f"needs {name} (apt-get install {'nginx-light' if name == 'nginx' else name})"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    place = tmp_path_factory.mktemp(name)
    with serving(place / "outputs", keys_needed=True, allowed_hosts=NAME, sync_seconds=10) as service:
        port, plain = free_port(), free_port()
        command = PROXIES[name](place, service.server.port, port, plain)
        tls = ssl.create_default_context(cafile=str(place / "fullchain.pem"))
        key = service.service.keys.add("a browser's")
        with (
            standing(command, place, port),
            httpx.Client(
                base_url=f"https://{NAME}:{port}",
                transport=Resolved(verify=tls),
                headers={"Authorization": f"Bearer {key}"},
                timeout=120,
            ) as client,
        ):
            yield Site(service, client, port, tls, place)


def write(path: Path, samples: NDArray[np.int16], rate: int = 16_000, channels: int = 1) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(samples.tobytes())
    return path


def test_the_page_and_the_keys(site: Site) -> None:
    assert site.client.get("/readyz").json()["status"] == "ready"
    assert site.client.get("/v1/emotions").status_code == 200
    assert site.client.get("/v1/emotions", headers={"Authorization": "Bearer no"}).status_code == 401
    assert "max-age" in site.client.get("/readyz").headers["strict-transport-security"]


def test_names_of_recordings_are_not_logged(site: Site) -> None:
    assert site.client.get("/v1/outputs", params={"name": "whose-voice"}).status_code == 200
    if (log := site.place / "access.log").exists():
        until(lambda: "GET /v1/outputs 200" in log.read_text())
    assert "whose-voice" not in "".join(path.read_text() for path in site.place.glob("*log"))


def test_cookies_are_secure(site: Site) -> None:
    """The service knows by the name that it is reached over TLS."""
    answer = site.client.post("/v1/session", headers={"Origin": f"https://{NAME}:{site.port}"})
    assert answer.status_code == 204, answer.text
    (cookie,) = SimpleCookie(answer.headers["set-cookie"]).values()
    assert cookie.key == "__Host-emovox"
    assert cookie["secure"]
    assert cookie["httponly"]
    assert (cookie["path"], cookie["domain"]) == ("/", "")
    session = {"Authorization": "", "Cookie": f"{cookie.key}={cookie.value}"}
    assert site.client.get("/v1/emotions", headers=session).status_code == 200
    foreign = {**session, "Origin": "https://evil.example"}
    assert site.client.post("/v1/session", headers=foreign).status_code in {401, 403}


def test_live_over_wss(site: Site, speech: NDArray[np.float32]) -> None:
    pieces = (speech[: len(speech) // 4000 * 4000].reshape(-1, 4000) * 32767).astype("<i2")
    with (
        socket.create_connection(("127.0.0.1", site.port)) as connection,
        connect(
            f"wss://{NAME}:{site.port}/v1/live",
            sock=connection,
            ssl=site.tls,
            origin=None,
            additional_headers={"Authorization": site.client.headers["Authorization"]},
        ) as stream,
    ):
        stream.send(json.dumps({"sample_rate": 16_000}))
        stream.send(pieces[0].tobytes())
        stream.send(pieces[1].tobytes())
        first = json.loads(stream.recv(timeout=60))  # before the end is sent: it isn't held back
        for piece in pieces[2:]:
            stream.send(piece.tobytes())
        stream.send('{"type": "end"}')
        events = [json.loads(message) for message in stream]
    assert first["type"] in {"update", "heartbeat"}
    assert events[-1]["type"] == "ended"


def test_events_come_while_the_job_runs(site: Site, tmp_path: Path, speech: NDArray[np.float32]) -> None:
    long = np.tile((speech * 32767).astype(np.int16), 200)  # seven minutes
    path = write(tmp_path / "long.wav", long)
    with path.open("rb") as file:
        accepted = site.client.post("/v1/recognitions", content=file, headers={"Prefer": "respond-async"})
    assert accepted.status_code == 202, accepted.text
    job = accepted.headers["location"]
    with site.client.stream("GET", f"{job}/events") as events:
        lines = events.iter_lines()
        first = next(line for line in lines if line.startswith("event:"))
        state = site.service.get(job, headers=dict(site.client.headers)).json()["state"]
        rest = [line for line in lines if line.startswith("event:")]
    assert first in {"event: queued", "event: running"}
    assert state in {"queued", "running"}, "the events are held back"
    assert rest[-1] == "event: done"


def test_a_large_upload(site: Site, tmp_path: Path) -> None:
    """Larger than proxies take by themselves; EMOVOX_TEST_UPLOAD=2147483000 is the limit of the service."""
    rate, channels = 384_000, 2
    path = tmp_path / "large.wav"
    second = np.zeros((rate, channels), np.int16)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        for _ in range(UPLOAD // second.nbytes):
            file.writeframes(second.tobytes())
    with path.open("rb") as content:
        headers = {"Prefer": "respond-async", "Content-Length": str(path.stat().st_size)}
        accepted = site.client.post("/v1/recognitions?store=false", content=content, headers=headers)
    assert accepted.status_code == 202, accepted.text
    with site.client.stream("GET", f"{accepted.headers['location']}/events") as events:
        lines = [line for line in events.iter_lines() if line]
    assert lines[-2] == "event: done", json.loads(lines[-1].removeprefix("data: "))["problem"]
