"""Pages of one language: which files they are of, and what their links become.

A page of docs/ has its Chinese beside it (`time.md`, `time.zh-CN.md`); on the site both are `time.html`, in a
folder for each language. What has no Chinese, such as the changelog, is in both as it is.
"""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
CHINESE = ".zh-CN.md"
LANGUAGES = ("en", "zh-CN")
ELSEWHERE = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "training.md": "training/README.md",
    "models/lite-free.md": "training/lite-free.md",
    "examples.md": "examples/README.md",
}
"""Pages whose files aren't in docs/, by their place on the site."""

_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")


def sources(language: str) -> dict[str, Path]:
    """The Markdown file of each page, by the page's place on the site."""
    pages = {path.relative_to(ROOT / "docs").as_posix(): path for path in (ROOT / "docs").rglob("*.md")}
    pages = {name: path for name, path in pages.items() if not name.endswith(CHINESE)}
    pages |= {name: ROOT / path for name, path in ELSEWHERE.items()}
    if language == "zh-CN":
        pages = {name: chinese if (chinese := _chinese(path)).exists() else path for name, path in pages.items()}
    return dict(sorted(pages.items()))


def stage(language: str, directory: Path) -> None:
    """Write the pages of a language, and the pictures they show, into a directory for Zensical."""
    pages = sources(language)
    for name, path in pages.items():
        page = directory / name
        page.parent.mkdir(parents=True, exist_ok=True)
        page.write_text(_linked(path.read_text(encoding="utf-8"), name, language, pages), encoding="utf-8")
        for picture in _pictures(path):
            target = directory / _place(picture)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(picture, target)


def _chinese(path: Path) -> Path:
    return path.with_name(path.stem + CHINESE)


def _english(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(CHINESE) + ".md") if path.name.endswith(CHINESE) else path


def _place(picture: Path) -> str:
    """Where a picture lies on the site."""
    parts = picture.relative_to(ROOT).parts
    return PurePosixPath(*parts[1:] if parts[0] == "docs" else parts).as_posix()


def _pictures(path: Path) -> Iterator[Path]:
    for _, _, target in _LINK.findall(path.read_text(encoding="utf-8")):
        picture = (path.parent / target.partition("#")[0]).resolve()
        if picture.suffix in (".png", ".svg") and picture.is_file():
            yield picture


def _linked(text: str, name: str, language: str, pages: dict[str, Path]) -> str:
    """The text of a page with its links as the site has them."""
    places = {_english(path).resolve(): place for place, path in pages.items()}
    top = "../" * name.count("/")

    def link(match: re.Match[str]) -> str:
        mark, words, address = match.groups()
        if re.match(r"[a-z]+:|#", address):
            return match[0]
        target, hash_, anchor = address.partition("#")
        path = (pages[name].parent / target).resolve()
        place = places.get(_english(path))
        if place is None and path.suffix in (".png", ".svg"):
            return f"{mark}[{words}]({top}{_place(path)})"
        if place is None:  # a file of the repository that is no page
            return f"{words} (`{path.relative_to(ROOT).as_posix()}`)"
        if place == name and path != pages[name].resolve():
            other = LANGUAGES[language == LANGUAGES[0]]
            return f'<a href="{top}../{other}/{PurePosixPath(place).with_suffix(".html")}">{words}</a>'
        return f"[{words}]({top}{place}{hash_}{anchor})"

    return _LINK.sub(link, text)
