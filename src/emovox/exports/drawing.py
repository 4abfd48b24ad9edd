"""What pictures have in common: their style, and the lock without which matplotlib may not be used."""

from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, BinaryIO, Literal

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 150
INK, FAINT, GRID = "#1f2933", "#6b7785", "#e4e8ec"
_STYLE: dict[str, Any] = {
    "hatch.linewidth": 0.7,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": FAINT,
    "axes.unicode_minus": False,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "font.size": 9.0,
    "text.parse_math": False,  # a file's name may hold dollars
    "svg.fonttype": "none",  # text that can be searched, and set in the reader's own fonts
    "svg.hashsalt": "emovox",  # the same picture is the same file
}
_one_at_a_time = Lock()  # matplotlib's settings belong to the process


def save(draw: Callable[[], "Figure"], file: BinaryIO, kind: Literal["png", "svg"]) -> None:
    """Draw a picture in this style, and write it."""
    from matplotlib import style  # noqa: PLC0415  an extra, and slow to load

    with _one_at_a_time, style.context(["default", _STYLE]):
        metadata = {"Date": None} if kind == "svg" else None
        draw().savefig(file, format=kind, dpi=DPI, metadata=metadata)
