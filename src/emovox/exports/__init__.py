"""Exports: recognitions in the formats of other tools, written into outputs directories.

from emovox import exports

exports.write(recognition, "outputs/outputs_20240104_223000", ["srt", "textgrid", "png"])
"""

from typing import TYPE_CHECKING

from emovox.exports import formats
from emovox.exports.exporter import Exporter, ExportInput, Language
from emovox.exports.formats import (
    EXPORTERS,
    about,
    check_formats,
    check_values,
    missing_package,
    needs,
    parts,
    suitable,
    title,
    values,
    write,
    written,
)
from emovox.inference.stored_result import Part

__all__ = [
    "EXPORTERS",
    "FORMATS",
    "MEDIA_TYPES",
    "ExportInput",
    "Exporter",
    "Language",
    "Part",
    "about",
    "check_formats",
    "check_values",
    "missing_package",
    "needs",
    "parts",
    "suitable",
    "title",
    "values",
    "write",
    "written",
]

if TYPE_CHECKING:
    FORMATS: tuple[str, ...]
    MEDIA_TYPES: dict[str, str]


def __getattr__(name: str) -> object:
    """The names of the formats, and what is served of them: looked up late, as plug-ins may add to them."""
    if name == "FORMATS":
        return formats.names()
    if name == "MEDIA_TYPES":
        return formats.media_types()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
