import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emovox.packages import install
from emovox.settings import FIELDS, settings

Run = Callable[..., tuple[int, str, str]]


def test_every_setting_is_shown_with_its_origin(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    file = tmp_path / "config.toml"
    file.write_text("[service]\nport = 8000\nwebhook_secret = 'swordfish'\n")
    monkeypatch.setenv("EMOVOX_CONFIG", str(file))
    monkeypatch.setenv("EMOVOX_LABELS", "zh")
    code, out, _ = run("config", "show", "--format", "json")
    rows = {row["name"]: row for row in json.loads(out)}
    assert code == 0
    assert list(rows) == [f"EMOVOX_{name.upper()}" for name in FIELDS]
    assert all(row["for"] for row in rows.values())
    assert (rows["EMOVOX_PORT"]["value"], rows["EMOVOX_PORT"]["origin"]) == (8000, "config file")
    assert (rows["EMOVOX_LABELS"]["value"], rows["EMOVOX_LABELS"]["origin"]) == ("zh", "EMOVOX_LABELS")
    assert (rows["EMOVOX_HOST"]["value"], rows["EMOVOX_HOST"]["origin"]) == ("127.0.0.1", "default")
    code, out, _ = run("config", "show")
    assert "EMOVOX_PORT = 8000  # config file; port" in out
    assert "swordfish" not in out


def test_other_addresses_need_a_key(run: Run) -> None:
    code, _, err = run("serve", "--host", "0.0.0.0", "--port", "0")  # noqa: S104
    assert code == 2
    assert "emovox keys add" in err


def test_other_names_need_a_key(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whom a proxy on this machine lets in comes from elsewhere."""
    monkeypatch.setenv("EMOVOX_ALLOWED_HOSTS", "emovox.example")
    code, _, err = run("serve", "--port", "0")
    assert code == 2
    assert "can reach emovox.example" in err


@pytest.mark.parametrize(("started", "code"), [(False, 130), (True, 0)])
def test_an_interrupt_before_it_listens_is_one(
    run: Run, monkeypatch: pytest.MonkeyPatch, started: bool, code: int
) -> None:
    class Interrupted:
        def __init__(self, *_: object, **__: object) -> None:
            self.started = started

        def run(self) -> None:
            raise KeyboardInterrupt

    monkeypatch.setattr("emovox.server.uvicorn_server.create_app", lambda **_: None)
    monkeypatch.setattr("emovox.server.uvicorn_server.make_server", Interrupted)
    assert run("serve", "--port", "0")[0] == code


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        environment = {**os.environ, "EMOVOX_OUTPUTS": str(tmp_path / "outputs")}
        command = [sys.executable, "-W", "error", "-m", "emovox", "serve", "--port", port]
        run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert run.returncode == 2
    assert run.stderr.splitlines()[-1] == (
        f"Error: can't listen on 127.0.0.1, port {port}: Address already in use; choose another with --port"
    )


def test_the_outputs_are_those_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    outputs: list[Path] = []

    def serve(**_: object) -> int:
        outputs.append(settings().outputs)
        return 0

    monkeypatch.setattr("emovox.server.uvicorn_server.serve", serve)
    assert run("serve", "--outputs", "far/away")[0] == 0
    assert run("serve")[0] == 0
    assert outputs == [Path("far/away"), Path("outputs")]
    assert run("keys", "add", "Ann", "--outputs", "far/away")[0] == 0
    assert "Ann" in run("keys", "list", "--outputs", "far/away")[1]
    assert run("keys", "list")[1] == ""
    assert run("serve", "--outputs", "")[0] == 2


def test_keys_are_made_listed_and_removed(run: Run) -> None:
    assert run("keys", "list") == (0, "", "")
    assert run("keys", "remove", "none")[0] == 1
    assert not list(Path().iterdir())  # to look makes nothing
    code, key, _ = run("keys", "add", "Ann 安")
    id_ = key.split("_")[1]
    assert (code, key.startswith("emovox_"), len(key) > 50) == (0, True, True)
    code, listed, _ = run("keys", "list")
    assert listed.startswith(id_)
    assert "Ann 安" in listed
    assert key.strip().split("_", 2)[2] not in listed
    assert run("keys", "remove", id_)[:2] == (0, f"{id_} removed\n")
    assert run("keys", "remove", id_)[0] == 1


def test_what_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.packages.importlib.util.find_spec", lambda name: None if name == "uvicorn" else 1)
    code, _, err = run("serve")
    assert code == 2
    assert f"the service needs more packages: {install('uvicorn')}" in err
