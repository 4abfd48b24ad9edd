"""An export: segments.jsonl, a JSON object in a line for each segment, for jq, DuckDB and logs."""

import json
from typing import BinaryIO

from emovox.plugins import Exporter, ExportInput


def write(given: ExportInput, file: BinaryIO) -> None:
    """Write a line for each segment, with the recording that it is of."""
    recognition = given.recognition
    name = recognition.recording.name
    for segment in recognition.segments or []:
        facts = segment.model_dump(mode="json", exclude_none=True)
        file.write(json.dumps({"recording": name, **facts}, ensure_ascii=False).encode() + b"\n")


JSONL = Exporter(
    title="JSON Lines",
    about="an object for each segment, a line each",
    suffix=".jsonl",
    media_type="application/jsonl",
    writers={"segments": write},
)
