"""Tables in pages of the documentation that a benchmark writes, between markers."""

import re
from pathlib import Path

from emovox.files import replacing

DOCS = Path(__file__).parents[1] / "docs"
LANGUAGES = {"en": ".md", "zh": ".zh-CN.md"}


def table_of(path: Path, name: str) -> str:
    """What stands between the markers of that name.

    Raises:
        ValueError: the page has no such markers.
    """
    return _between(path, name)[2]


def write(path: Path, name: str, text: str) -> None:
    """Put a text between the markers of that name.

    Raises:
        ValueError: the page has no such markers.
    """
    before, begin, _, end, after = _between(path, name)
    with replacing(path, durable=False) as file:
        file.write(f"{before}{begin}{text}{end}{after}".encode())


def _between(path: Path, name: str) -> tuple[str, str, str, str, str]:
    text = path.read_text(encoding="utf-8")
    match = re.search(rf"(<!-- {name}:[^>]*-->\n\n)(.*?)(\n\n<!-- end of {name} -->)", text, re.DOTALL)
    if match is None:
        raise ValueError(f"{path}: no markers of {name!r}")
    return text[: match.start()], match[1], match[2], match[3], text[match.end() :]
