"""What deploy/ says fits together: with the settings, and with what checks such files."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from emovox.settings import FIELDS

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
    assert re.search(r"^USER (\d+):\1$", last, re.MULTILINE)
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
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "ports" not in database
    assert [content["networks"][name]["internal"] for name in database["networks"]] == [True]
    assert {volume.partition(":")[0] for item in (service, database) for volume in item["volumes"]} == {
        *content["volumes"]
    }


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
