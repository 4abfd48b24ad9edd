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
        "columns": ["model", "what it gives and is", "trained on", "size", "who may use it", "precision, speed"],
        "not stated": "not stated",
        "size unknown": "not known",
        "not measured": "not measured",
        "speed": "{precision}; {milliseconds:.0f} ms of a core a second of sound",
        "licence": "{name}: {terms}",
        "comma": ", ",
    },
    "zh": {
        "columns": ["模型", "给出什么、是什么", "用什么训练", "大小", "谁可以用", "精度、速度"],
        "not stated": "没有说明",
        "size unknown": "不明",
        "not measured": "没有测",
        "speed": "{precision}；每秒声音占用一个核 {milliseconds:.0f} 毫秒",
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
    return grid(WORDS[language]["columns"], [_line(entry, facts, language) for entry in _entries()])


def _entries() -> Iterator[CatalogModel]:
    """The catalog's, and after the bundled one the file that companies may use."""
    for entry in CATALOG:
        yield entry
        if entry.bundled:
            yield FREE


def _line(entry: CatalogModel, facts: dict[str, Any], language: str) -> list[str]:
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
        _measured(entry.name, facts, words),
    ]


def _measured(name: str, facts: dict[str, Any], words: dict[str, Any]) -> str:
    """Precision, and what a second of sound took: the median over the corpora."""
    cells = [cell for cell in facts["cells"].values() if cell["model"]["name"] == name and cell["milliseconds"]]
    if not cells:
        return str(words["not measured"])
    precision = "/".join(dict.fromkeys(cell["model"]["precision"] for cell in cells))
    return str(
        words["speed"].format(precision=precision, milliseconds=median(cell["milliseconds"] for cell in cells))
    )


if __name__ == "__main__":
    main()
