"""Links of the built site: each leads to a place that is there, and nothing is loaded from elsewhere."""

from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class _Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.anchors.update(value for key in ("id", "name") if (value := values.get(key)))
        if tag == "a" and (address := values.get("href")):
            self.links.append(address)
        elif tag == "link" and values.get("rel") not in ("prev", "next", "canonical", "alternate"):
            self.loads.append(values.get("href") or "")
        elif tag in ("script", "img", "source", "iframe"):
            self.loads.append(values.get("src") or "")


def faults(site: Path) -> list[str]:
    """What leads nowhere, and what would be loaded from another host."""
    pages = {
        path: _Page(path.read_text(encoding="utf-8")) for path in site.rglob("*.html") if path.name != "404.html"
    }
    wrong = []
    for path, page in pages.items():
        here = path.relative_to(site)
        wrong += [f"{here} loads {address}" for address in page.loads if urlsplit(address).netloc]
        for address in page.links + page.loads:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc or not address:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.is_file():
                wrong.append(f"{here} links to {address}, which isn't there")
            elif parts.fragment and target in pages and unquote(parts.fragment) not in pages[target].anchors:
                wrong.append(f"{here} links to {address}: no such place on that page")
    return sorted(set(wrong))
