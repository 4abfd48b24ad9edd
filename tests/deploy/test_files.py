"""What deploy/ says fits together: with the settings, and with what checks such files."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from emovox.server.uvicorn_server import GRACE
from emovox.settings import FIELDS, survey

DEPLOY = Path(__file__).parents[2] / "deploy"
FILES = sorted(path for path in DEPLOY.iterdir() if path.is_file())
ELSEWHERE = {"EMOVOX_CONFIG"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_its_variables_are_settings(path: Path) -> None:
    names = set(re.findall(r"EMOVOX_[A-Z_]+", path.read_text())) - ELSEWHERE
    assert {name for name in names if name.removeprefix("EMOVOX_").lower() not in FIELDS} == set()


@pytest.mark.parametrize("name", ["Containerfile", "Containerfile.cuda"])
def test_the_container_is_nobodys_in_particular(name: str) -> None:
    text = (DEPLOY / name).read_text()
    stages = re.split(r"^FROM ", text, flags=re.MULTILINE)
    assert len(stages) == 3, "two stages"
    last = stages[-1]
    assert (user := re.search(r"^USER (\d+):\1$", last, re.MULTILINE))
    assert f"groupadd --gid {user[1]} " in last
    assert f"useradd --uid {user[1]} --gid {user[1]} " in last
    assert "/readyz" in last.partition("HEALTHCHECK")[2]
    own = set(re.findall(r"EMOVOX_\w+=(\S+)", last)) - {"0.0.0.0"}  # noqa: S104
    assert own
    assert all(path.startswith("/data/") for path in own), "a root that is read-only"
    assert ("UNTRIED" in text) is (name == "Containerfile.cuda")


def test_the_containers_are_alike() -> None:
    one, other = (
        (DEPLOY / name).read_text().partition("\nENV ")[2] for name in ("Containerfile", "Containerfile.cuda")
    )
    assert other.replace('"python3"', '"python"') == one


def test_compose_keeps_the_database_inside() -> None:
    content = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    service, database = content["services"]["emovox"], content["services"]["database"]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "EMOVOX_NO_KEYS" not in service["environment"]
    assert service["env_file"] == [".env"], "what is set there counts"
    assert service["environment"].keys() == {"EMOVOX_DATABASE"}, "else it would override what is set there"
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "ports" not in database
    assert [content["networks"][name]["internal"] for name in database["networks"]] == [True]
    assert {volume.partition(":")[0] for item in (service, database) for volume in item["volumes"]} == {
        *content["volumes"]
    }


def test_compose_pins_the_database_and_ends_its_logs() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    assert re.fullmatch(r".*:\d+\.\d+\.\d+-pg\d+-\w+", services["database"]["image"]), (
        "sorting changes with Debian"
    )
    assert all({"max-size", "max-file"} <= item["logging"]["options"].keys() for item in services.values())


def test_a_stop_waits_for_what_is_under_way() -> None:
    service = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["emovox"]
    unit = (DEPLOY / "emovox.service").read_text()
    timeout = re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)
    assert timeout
    for seconds in (timeout[1], service["stop_grace_period"].removesuffix("s")):
        assert int(seconds) >= 2 * GRACE, "requests have so long, then running jobs are put back"
    assert "\nKillMode=mixed\n" in unit


def test_the_unit_writes_where_its_settings_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands beside the service are told of the same file."""
    for name in [name for name in os.environ if name.startswith("EMOVOX_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("EMOVOX_CONFIG", str(DEPLOY / "config.toml"))
    content, problems = survey()
    assert problems == []
    places = {item.name: str(item.value) for item in content if item.origin == "config file"}
    assert places.pop("allowed_hosts") == "emovox.example.org"
    assert places.keys() == {"outputs", "heads", "baselines", "added_models", "cache"}
    assert all(path.startswith(("/var/lib/emovox/", "/var/cache/emovox")) for path in places.values())
    assert "EMOVOX_CONFIG=/etc/emovox/config.toml" in (DEPLOY / "emovox.service").read_text()


ANALYZE = shutil.which("systemd-analyze") or ""


@pytest.mark.skipif(not ANALYZE, reason="needs systemd")
def test_systemd_understands_the_unit(tmp_path: Path) -> None:
    text = (DEPLOY / "emovox.service").read_text()
    unit = tmp_path / "emovox.service"
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.MULTILINE))
    said = subprocess.run([ANALYZE, "verify", str(unit)], capture_output=True, text=True, check=False)
    assert (said.returncode, said.stderr) == (0, "")
    exposure = [ANALYZE, "security", "--offline=true", "--threshold=20", str(unit)]
    assert subprocess.run(exposure, capture_output=True, check=False).returncode == 0, "at most 2.0 of 10"
