"""A page: one HTML file with its pictures in it, for any browser, and without a network."""

import base64
from collections.abc import Callable, Iterable, Sequence
from html import escape
from io import BytesIO
from pathlib import Path

from emovox.errors import LabelsError
from emovox.exports.replacement import replacing
from emovox.packages import install

_STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
h1 { font-size: 1.6rem } h2 { font-size: 1.2rem; margin-top: 2rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { padding: .2rem .8rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884 }
td.number, th.number { text-align: right }
img { max-width: 100%; height: auto; background: white; border-radius: 4px }
.note { color: #888 }
.scroll { overflow-x: auto }
"""


class Page:
    """A page that grows from top to bottom. All text is escaped."""

    def __init__(self, title: str) -> None:
        self._title = title
        self._parts = [f"<h1>{escape(title)}</h1>"]

    def heading(self, text: str) -> None:
        """Begin a section."""
        self._parts.append(f"<h2>{escape(text)}</h2>")

    def text(self, text: str, *, note: bool = False) -> None:
        """Add a paragraph; a note is less prominent."""
        self._parts.append(f"<p{' class=note' if note else ''}>{escape(text)}</p>")

    def table(self, head: Sequence[str], rows: Iterable[Sequence[str | float | int]]) -> None:
        """Add a table; numbers are aligned right, floats have three decimals."""
        lines = [tuple(row) for row in rows]
        numbers = [
            bool(lines) and all(not isinstance(row[column], str) for row in lines) for column in range(len(head))
        ]

        def cell(kind: str, value: str | float | int, number: bool) -> str:
            shown = f"{value:.3f}" if isinstance(value, float) else str(value)
            return f"<{kind}{' class=number' if number else ''}>{escape(shown)}</{kind}>"

        body = [("th", tuple(head)), *(("td", line) for line in lines)]
        text = "\n".join(
            "<tr>" + "".join(map(cell, [kind] * len(head), line, numbers)) + "</tr>" for kind, line in body
        )
        self._parts.append(f"<div class=scroll><table>\n{text}\n</table></div>")

    def picture(self, draw: Callable[[BytesIO], None], description: str) -> None:
        """Add what `draw` writes as a PNG; the description is for those who can't see it."""
        memory = BytesIO()
        draw(memory)
        data = base64.b64encode(memory.getvalue()).decode("ascii")
        self._parts.append(f'<p><img alt="{escape(description)}" src="data:image/png;base64,{data}"></p>')

    def html(self) -> str:
        """The whole page."""
        head = (
            '<!doctype html>\n<html><head><meta charset="utf-8">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self._title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        )
        return head + "\n".join(self._parts) + "\n</body></html>\n"

    def write(self, path: Path) -> None:
        """Write it, whole or not at all.

        Raises:
            OutputsError: it can't be written.
        """
        with replacing(path) as file:
            file.write(self.html().encode("utf-8"))


def need_pictures() -> None:
    """Check before the work begins that pictures can be drawn.

    Raises:
        LabelsError: matplotlib isn't installed.
    """
    try:
        import matplotlib  # noqa: F401, PLC0415  an extra
    except ImportError as error:
        raise LabelsError(f"the report's pictures need matplotlib: {install('matplotlib')}") from error
