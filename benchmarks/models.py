"""Models compared in a table of docs/models.md: from the catalog, the files' metadata and what was measured.

    python -m benchmarks.models

writes it in both languages; `python -m benchmarks.accuracy` does, too. A test fails where page and catalog differ.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import pages
from benchmarks.accuracy.tables import grid
from benchmarks.accuracy.words import TITLES
from emovox.cli.models import amount
from emovox.models.entry import CatalogModel, Licence
from emovox.models.named import CATALOG
from emovox.models.runtime.engine import read_metadata

NAME = "models"
FIGURES = Path(__file__).with_name("accuracy.json")
FREE = CatalogModel(
    name="lite-free",
    title="the same network, fitted to permissive speech alone; nine emotions; a file of the repository",
    licence=Licence("CC BY 4.0", "https://creativecommons.org/licenses/by/4.0/"),
    file=Path(__file__).parents[1] / "training/lite-free.onnx",
    chinese="同样的网络，只用许可宽松的语音训练；九种情感；仓库里的一个文件",
)
WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "columns": ["model", "what it gives and is", "trained on", "size", "who may use it"],
        "not stated": "not stated",
        "size unknown": "not known",
        "measured": "Measured, in milliseconds of a core a second of sound, from file to verdict: {speeds}.",
        "speed": "{name} {milliseconds:.0f} ({precision})",
        "licence": "{name}: {terms}",
        "comma": ", ",
    },
    "zh": {
        "columns": ["模型", "给出什么、是什么", "用什么训练", "大小", "谁可以用"],
        "not stated": "没有说明",
        "size unknown": "不明",
        "measured": "测得每秒声音从文件到结论占用一个核的毫秒数：{speeds}。",
        "speed": "{name} {milliseconds:.0f}（{precision}）",
        "licence": "{name}：{terms}",
        "comma": "、",
    },
}


def main() -> None:
    """Write the table in both languages."""
    facts = json.loads(FIGURES.read_bytes())
    for language, suffix in pages.LANGUAGES.items():
        pages.write(pages.DOCS / f"models{suffix}", NAME, table(facts, language))


def table(facts: dict[str, Any], language: str) -> str:
    """In Markdown.

    Args:
        facts: as `benchmarks/accuracy.json` has them.
        language: `en` or `zh`.
    """
    words = WORDS[language]
    rows = grid(words["columns"], [_line(entry, language) for entry in _entries()])
    speeds = words["comma"].join(_speeds(facts, words))
    return f"{rows}\n\n{words['measured'].format(speeds=speeds)}"


def _entries() -> Iterator[CatalogModel]:
    """The catalog's, and after the bundled one the file that companies may use."""
    for entry in CATALOG:
        yield entry
        if entry.bundled:
            yield FREE


def _line(entry: CatalogModel, language: str) -> list[str]:
    words, licence = WORDS[language], entry.licence
    english = language == "en"
    size = entry.download_size if entry.file is None else entry.file.stat().st_size
    corpora = entry.corpora if entry.file is None else read_metadata(entry.file).corpora
    terms = words["licence"].format(
        name=licence.name if english else licence.chinese or licence.name,
        terms=licence.terms.english if english else licence.terms.chinese,
    )
    return [
        entry.name,
        entry.title if english else entry.chinese,
        words["comma"].join(TITLES.get(name, name) for name in corpora) or words["not stated"],
        words["size unknown"] if size is None else amount(size),
        terms,
    ]


def _speeds(facts: dict[str, Any], words: dict[str, Any]) -> Iterator[str]:
    """Of each model that was measured: what a second of sound took, the median over the corpora."""
    by_model: dict[tuple[str, str], list[float]] = {}
    for cell in facts["cells"].values():
        if cell["milliseconds"]:
            key = cell["model"]["name"], cell["model"]["precision"]
            by_model.setdefault(key, []).append(cell["milliseconds"])
    for (name, precision), times in sorted(by_model.items()):
        yield words["speed"].format(name=name, precision=precision, milliseconds=median(times))


if __name__ == "__main__":
    main()
