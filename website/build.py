"""Build the site: python -m website.build DIRECTORY, as scripts/site.sh does."""

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from website import links, navigation, pages, reference
from website.pages import ROOT

SHIM = "https://unpkg.com/iframe-worker/shim"
"""What Zensical's offline pages load so that the search runs from a folder; the site brings its own copy."""

INDEX = """<!doctype html>
<meta charset="utf-8">
<title>Emovox</title>
<script>location.replace((navigator.language.startsWith("zh") ? "zh-CN" : "en") + "/index.html")</script>
<p><a href="en/index.html">English</a> · <a href="zh-CN/index.html">中文</a></p>
"""


def build(site: Path) -> None:
    """Build both languages into a directory. Raises SystemExit with what is wrong."""
    with tempfile.TemporaryDirectory() as scratch:
        for language in pages.LANGUAGES:
            project = Path(scratch, language)
            docs = project / "docs"
            pages.stage(language, docs)
            reference.write(docs)
            (docs / "images").mkdir(exist_ok=True)
            (docs / "images" / "icon.svg").write_bytes((ROOT / "web" / "public" / "favicon.svg").read_bytes())
            (docs / "site.css").write_bytes((ROOT / "website" / "site.css").read_bytes())
            settings = navigation.settings(language)
            (project / "zensical.toml").write_text(settings, encoding="utf-8")
            command: list[str | Path] = [
                Path(sys.executable).with_name("zensical"),
                "build",
                "--clean",
                "--strict",
            ]
            subprocess.run(command, cwd=project, check=True)
            shutil.rmtree(site / language, ignore_errors=True)
            shutil.copytree(project / "site", site / language)
            _keep_at_home(site / language)
    (site / "index.html").write_text(INDEX, encoding="utf-8")
    faults = links.faults(site)
    if faults:
        raise SystemExit("\n".join(faults))


def _keep_at_home(site: Path) -> None:
    shim = "assets/javascripts/iframe-worker.js"
    shutil.copyfile(ROOT / "web" / "node_modules" / "iframe-worker" / "shim" / "index.js", site / shim)
    for page in site.rglob("*.html"):
        top = "../" * (len(page.relative_to(site).parts) - 1)
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace(SHIM, top + shim), encoding="utf-8")


if __name__ == "__main__":
    build(Path(sys.argv[1]))
