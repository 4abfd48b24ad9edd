"""Exports: recognitions in the formats of other tools, written into outputs directories.

from emovox import exports

exports.write(recognition, "outputs/outputs_20240104_223000", ["srt", "textgrid", "png"])
"""

from emovox.exports.formats import (
    FORMATS,
    MEDIA_TYPES,
    Language,
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
    "FORMATS",
    "MEDIA_TYPES",
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
