"""The recipe for Spark in docs/batches.md, as it stands there. Needs pyspark and Java."""

import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from emovox.inference.recognizer import Recognizer

DOCS = Path(__file__).parents[2] / "docs"
pytest.importorskip("pyspark", reason="pyspark is not installed: pip install pyspark")
pytestmark = [
    pytest.mark.skipif(shutil.which("java") is None, reason="Spark needs Java: default-jre-headless"),
    pytest.mark.filterwarnings("ignore"),  # Spark's own
    pytest.mark.slow,
]


def recipe(name: str) -> str:
    """The Python of a page of the docs that names Spark."""
    blocks = re.findall(r"(?:^    .*\n|^\n)+", (DOCS / name).read_text("utf-8"), re.MULTILINE)
    (found,) = (block for block in blocks if "SparkSession" in block)
    return re.sub(r"^    ", "", found, flags=re.MULTILINE)


def test_both_languages_have_the_same() -> None:
    assert recipe("batches.md") == recipe("batches.zh-CN.md")


def test_the_recipe_hears(examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYSPARK_PYTHON", sys.executable)
    monkeypatch.setenv("SPARK_LOCAL_IP", "127.0.0.1")
    monkeypatch.setenv("EMOVOX_MODEL", "lite")
    monkeypatch.setenv("PYTHONPATH", ":".join(filter(None, sys.path)))
    code = recipe("batches.md").replace("s3a://calls/2026", str(examples[0].parent))
    code = code.replace("*.opus", "*.flac").replace("s3a://results/2026", str(tmp_path / "out"))
    names: dict[str, Any] = {"__name__": "recipe"}
    exec(compile(code, "batches.md", "exec"), names)  # noqa: S102
    try:
        rows = names["spark"].read.parquet(str(tmp_path / "out")).collect()
    finally:
        names["spark"].stop()
    recognizer = Recognizer("lite")
    found = {Path(row["path"].removeprefix("file:")).name: row for row in rows}
    for path in examples:
        alone = recognizer.recognize(path)
        assert found[path.name]["emotion"] == alone.emotion
        assert found[path.name]["confidence"] == pytest.approx(alone.confidence, abs=1e-4)
        assert found[path.name]["error"] is None
