"""Reading result.json piece by piece: the segments of hours are long, and each is on a line of its own.

In 0.1 the rows of frames followed, hundreds of megabytes in one line; since then they have a file of their own. A
result.json with another layout is read whole.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TextIO

import numpy as np
from numpy.typing import NDArray

from emovox.inference.frames import DIRECTORY, Frames
from emovox.inference.recognition import Recognition, Segment

Part = Literal["segments", "lines", "frames"]

BLOCK = 2**20  # characters read at once
_SEGMENTS, _FRAMES = '  "segments": ', '  "frames": {"'  # a description of frames goes on in the next line
_SERIES = re.compile(r', "(\w+)": \[\[')
_NO_BRACKETS = str.maketrans({"[": None, "]": None})


def read(path: Path, only: Part | None = None) -> Recognition:
    """The whole recognition, or without its segments or frames, but never with its whole text in memory.

    Lines of text always come along.

    Args:
        path: of the result.json.
        only: the one to read; None: both. Rows of frames are read when they are asked for.

    Raises:
        OSError: the file can't be read.
        pydantic.ValidationError: it isn't the JSON of a recognition.
    """
    context = {DIRECTORY: path.parent}
    try:
        head = read_head(path)
        segments = read_segments(path) if only in {None, "segments"} else None
        frames = head.get("frames") or _read_rows(path) if only in {None, "frames"} else None
    except ValueError:  # another layout, or not JSON at all, which reading all of it will say
        return Recognition.model_validate_json(path.read_bytes(), context=context)
    return Recognition.model_validate({"segments": segments, **head, "frames": frames}, context=context)


def read_head(path: Path) -> dict[str, Any]:
    """Everything but the segments and rows of frames; if the layout is another, with them.

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
        ValueError: it is damaged.
    """
    try:
        frames = read_head(path).get("frames") or _read_rows(path)
    except ValueError:  # rows of readouts among them, as answers of the service have, or not JSON at all
        return Recognition.from_json(path.read_bytes()).frames
    return None if frames is None else Frames.model_validate(frames, context={DIRECTORY: path.parent})


def _read_rows(path: Path) -> dict[str, Any] | None:
    """The frames with their rows in the file itself, as `Frames` takes them; None: there are none.

    Raises:
        OSError: the file can't be read.
        ValueError: there is more than 0.1 wrote, or it is damaged.
    """
    with path.open(encoding="utf-8") as file:
        for line in _lines(file):
            if line.startswith(_FRAMES):
                break
        else:
            return None
        first = _SERIES.search(line)
        if first is None:
            raise ValueError("frames without series")
        facts = _object(line[len(_FRAMES) - 2 : first.start()] + "}")
        return {**facts, **dict(_series(line[first.start() :], file))}


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
            if not more and rest.split() == ["}", "}"]:
                return
            rest += more
            if more and len(rest) < 2 * BLOCK:
                continue
            raise ValueError("other things than series")
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
