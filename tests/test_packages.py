import shlex
import subprocess
import sys

from emovox.packages import install, missing


def test_the_command_is_for_this_python() -> None:
    words = shlex.split(install("ray[client]", "pyarrow"))
    assert words == [sys.executable, "-m", "pip", "install", "ray[client]", "pyarrow"]
    assert subprocess.run([*words[:3], "--version"], check=False, capture_output=True).returncode in {0, 1}


def test_missing() -> None:
    assert missing(["json", "no_such_package_anywhere"]) == ["no_such_package_anywhere"]
