"""Reading result.json piece by piece: hours of frames are hundreds of megabytes, in one line.

`Recognition.json_pieces` writes each segment on a line, then all frames on one. A file with another layout is read
whole.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from emovox.inference.frames import Frames
from emovox.inference.recognition import Recognition, Segment

Part = Literal["segments", "frames"]

BLOCK = 2**20  # characters read at once
_SEGMENTS, _FRAMES = '  "segments": ', '  "frames": '
_SERIES = re.compile(r', "(\w+)": \[\[')
_NO_BRACKETS = str.maketrans({"[": None, "]": None})


def read(path: Path, only: Part | None = None) -> Recognition:
    """The whole recognition, or without its segments or frames, but never with its whole text in memory.

    Args:
        path: of the result.json.
        only: the one to read; None: both.

    Raises:
        OSError: the file can't be read.
        pydantic.ValidationError: it isn't the JSON of a recognition.
    """
    try:
        head = read_head(path)
        segments = None if only == "frames" else read_segments(path)
        frames = None if only == "segments" else read_frames(path)
    except ValueError:  # another layout, or not JSON at all, which from_json will say
        return Recognition.from_json(path.read_bytes())
    return Recognition.model_validate({"segments": segments, "frames": frames, **head})


def read_head(path: Path) -> dict[str, Any]:
    """Everything but the segments and frames; if the layout is another, with them.

    Raises:
        OSError: the file can't be read.
        ValueError: it isn't JSON.
    """
    lines: list[str] = []
    with path.open(encoding="utf-8") as file:
        for line in _lines(file):
            if line.startswith((_SEGMENTS, _FRAMES)):
                return _object("".join(lines).rstrip().removesuffix(",") + "}")
            lines.append(line)
    return _object("".join(lines))


def has_segments(path: Path) -> bool:
    """Whether there is a list of segments, which may be empty, without reading it.

    Raises:
        OSError: the file can't be read.
        ValueError: it isn't JSON.
    """
    with path.open(encoding="utf-8") as file:
        for line in _lines(file):
            if line.startswith((_SEGMENTS, _FRAMES)):
                return line.startswith(_SEGMENTS)
    return "segments" in read_head(path)  # another layout, or neither


def read_segments(path: Path) -> list[Segment] | None:
    """The segments alone; None if there are none.

    Raises:
        OSError: the file can't be read.
        ValueError: its layout is another, or it is damaged.
    """
    with path.open(encoding="utf-8") as file:
        for line in _lines(file):
            if line.startswith(_FRAMES):
                break
            if line.startswith(_SEGMENTS):
                if line.rstrip().rstrip(",") == f"{_SEGMENTS}[]":
                    return []
                return [Segment.model_validate_json(item.rstrip().rstrip(",")) for item in _items(file)]
    return None


def read_frames(path: Path) -> Frames | None:
    """The frames alone; None if there are none.

    Raises:
        OSError: the file can't be read.
        ValueError: its layout is another, or it is damaged.
    """
    with path.open(encoding="utf-8") as file:
        for line in _lines(file):
            if line.startswith(_FRAMES):
                break
        else:
            return None
        facts, rest = _frame_facts(line)
        return Frames.model_validate({**facts, **dict(_series(rest, file))})


def read_head_labels(path: Path) -> list[str]:
    """The classes of a trained head in the frames, without reading the frames; empty if there are none.

    Raises:
        OSError: the file can't be read.
        ValueError: it isn't JSON, or is damaged.
    """
    with path.open(encoding="utf-8") as file:
        for line in _lines(file):
            if line.startswith(_FRAMES):
                return list(_frame_facts(line)[0].get("head_labels") or [])
    frames = read_head(path).get("frames")  # another layout, or no frames
    return list((frames or {}).get("head_labels") or [])


def _frame_facts(line: str) -> tuple[dict[str, Any], str]:
    """The facts before the frames' series, and the rest of the line."""
    first = _SERIES.search(line)
    if first is None:
        raise ValueError("frames without series")
    return _object(line[len(_FRAMES) : first.start()] + "}"), line[first.start() :]


def _lines(file: TextIO) -> Iterator[str]:
    """The lines; one longer than a block comes in pieces, none of which begins like a name."""
    return iter(lambda: file.readline(BLOCK), "")


def _object(text: str) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(data, dict):
        raise ValueError("not an object")
    return data


def _items(file: TextIO) -> Iterator[str]:
    for line in file:
        if line.startswith("  ]"):
            return
        yield line
    raise ValueError("the segments break off")


def _series(rest: str, file: TextIO) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Each series of the frames with its name, (T, columns); the text begins with one."""
    while True:
        start = _SERIES.match(rest)
        if start is None:
            more = file.read(BLOCK)
            if not more:
                if rest.split() != ["}", "}"]:
                    raise ValueError("more than series")  # readouts, which the whole file gives
                return
            rest += more
            if len(rest) < 2 * BLOCK:
                continue
            raise ValueError("series without a name")
        rest, pieces, columns = rest[start.end() - 1 :], [], 0
        while (end := rest.find("]]")) < 0:
            whole = rest.rfind("],") + 1
            columns = columns or (rest.partition("]")[0].count(",") + 1 if whole else 0)
            pieces.append(_numbers(rest[:whole]))
            more = file.read(BLOCK)
            if not more:
                raise ValueError("the frames break off")
            rest = (rest[whole:] + more).lstrip(", ")
        columns = columns or rest.partition("]")[0].count(",") + 1
        pieces.append(_numbers(rest[: end + 1]))
        yield start[1], np.concatenate(pieces).reshape(-1, columns)
        rest = rest[end + 2 :]


def _numbers(rows: str) -> NDArray[np.float32]:
    return np.fromstring(rows.translate(_NO_BRACKETS), np.float32, sep=",")
