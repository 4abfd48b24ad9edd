"""The timeline of stored outputs: peaks of the sound and the curve, as finely as a picture needs them.

What takes a pass over hours of sound and of result.json is kept beside the database, small and quick to read.
"""

import json
import secrets
import shutil
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from emovox import private
from emovox.audio.waveform import SAMPLE_RATE
from emovox.emotions import NAMES
from emovox.inference import npy
from emovox.inference import stored_result as stored
from emovox.inference.recognition import Segment
from emovox.outputs import AUDIO, RESULT
from emovox.server.http.problems import Problem, damaged, log

SPAN = 160  # samples of one kept peak: 10 ms
BLOCK = 2**20  # samples read at once
FULL = 32768  # full scale of 16 bits
DIGITS = 4
_DRAFT = "draft-"


class Curve(BaseModel):
    """Scores over time."""

    times: list[float] = Field(description="seconds, one a point")
    scores: dict[str, list[float]] = Field(description="of each emotion, one a point: the mean of its frames'")


class Timeline(BaseModel):
    """A stretch of a recording, in at most as many points as were asked for."""

    start: float = Field(description="seconds")
    end: float = Field(description="seconds")
    duration: float = Field(description="of the whole recording, seconds")
    low: list[float] = Field(description="the lowest sample in each of equal spans, -1 to 1")
    high: list[float] = Field(description="the highest")
    curve: Curve | None = Field(description="null where no frames are stored")
    segments: list[Segment] | None = Field(description="those that overlap it; null where none are stored")


@dataclass(frozen=True)
class _Kept:
    """What is kept of one outputs directory.

    Attributes:
        peaks: int16 (spans, 2), the lowest and highest sample of each 10 ms.
        scores: float16 (T, 9).
        hop: seconds from frame to frame; 0 where there are no frames.
        first_centre: seconds to the first frame's centre.
    """

    peaks: NDArray[np.int16]
    scores: NDArray[np.float16]
    hop: float
    first_centre: float


class Timelines:
    """The timelines of outputs directories. Its methods read disks, so they are for threads."""

    def __init__(self, root: Path) -> None:
        """Keep what is worth keeping under `root`."""
        self._root = root
        for draft in root.glob(f"{_DRAFT}*"):  # a kill came before its end
            shutil.rmtree(draft, ignore_errors=True)

    def read(self, directory: Path, *, start: float, end: float | None, points: int) -> Timeline:
        """The timeline of an outputs directory.

        Args:
            directory: with processed_audio.wav and result.json.
            start: seconds.
            end: seconds; by default, and at most, the recording's end.
            points: at most.

        Raises:
            Problem: 404, they are gone; 422, the stretch is empty; 500, the outputs are damaged.
        """
        try:
            with wave.open(str(directory / AUDIO)) as audio:
                samples = audio.getnframes()
                first = round(min(start * SAMPLE_RATE, samples))
                last = samples if end is None else round(min(end * SAMPLE_RATE, samples))
                if first >= last:
                    raise Problem(422, "empty-stretch", f"there are {samples / SAMPLE_RATE:.2f} s of sound")
                kept = self._kept(directory)
                low, high = _peaks(audio, kept.peaks, first, last, points)
                segments = stored.read_segments(directory / RESULT)
                if segments is not None:
                    after, before = first / SAMPLE_RATE, last / SAMPLE_RATE
                    segments = [item for item in segments if item.end > after and item.start < before]
                return Timeline(
                    start=first / SAMPLE_RATE,
                    end=last / SAMPLE_RATE,
                    duration=samples / SAMPLE_RATE,
                    low=_listed(low / FULL),
                    high=_listed(high / FULL),
                    curve=_curve(kept, first / SAMPLE_RATE, last / SAMPLE_RATE, points),
                    segments=segments,
                )
        except FileNotFoundError:
            raise Problem(404, "no-such-output", "its sound or its result.json is gone") from None
        except (OSError, EOFError, ValueError, KeyError, wave.Error) as error:
            raise damaged("its sound or its result.json can't be read", error) from error

    def forget(self, id_: str) -> None:
        """Delete what is kept of outputs that are gone."""
        for kept in self._root.glob(f"{id_}.*"):
            shutil.rmtree(kept, ignore_errors=True)

    def _kept(self, directory: Path) -> _Kept:
        facts = (directory / RESULT).stat()
        place = self._root / f"{directory.name}.{facts.st_mtime_ns:x}"
        try:
            return _Kept(
                np.load(place / "peaks.npy", mmap_mode="r"),
                np.load(place / "scores.npy", mmap_mode="r"),
                **json.loads((place / "frames.json").read_text(encoding="utf-8")),
            )
        except FileNotFoundError:
            pass
        except (OSError, EOFError, ValueError, TypeError):  # a power cut came while it was written
            shutil.rmtree(place, ignore_errors=True)
        kept = _measure(directory)
        try:
            self._keep(kept, place, directory.parent)
        except OSError as error:  # it only saves time
            log.warning("a timeline can't be kept: %s", error)
        return kept

    def _keep(self, kept: _Kept, place: Path, outputs: Path) -> None:
        """Write what is kept, whole or not at all; and clear what outputs left that were deleted by hand."""
        for other in self._root.glob("outputs_*"):
            there = (outputs / other.name.partition(".")[0]).is_dir()
            if not there or (other.stem == place.stem and other != place):
                shutil.rmtree(other, ignore_errors=True)
        draft = self._root / f"{_DRAFT}{secrets.token_hex(8)}"
        private.make_directory(draft)
        try:
            npy.save(draft / "peaks.npy", kept.peaks)
            npy.save(draft / "scores.npy", kept.scores)
            facts = json.dumps({"hop": kept.hop, "first_centre": kept.first_centre})
            with private.create(draft / "frames.json") as file:
                file.write(facts.encode())
            draft.rename(place)
        except OSError:
            if not place.is_dir():  # somebody else has just made it
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _measure(directory: Path) -> _Kept:
    """What is worth keeping of an outputs directory."""
    with wave.open(str(directory / AUDIO)) as audio:
        peaks = np.concatenate(list(_coarse(audio)))
    frames = stored.read_frames(directory / RESULT)
    if frames is None:
        return _Kept(peaks, np.empty((0, len(NAMES)), np.float16), 0.0, 0.0)
    return _Kept(peaks, frames.scores.astype(np.float16), frames.hop, frames.first_centre)


def _samples(audio: wave.Wave_read, count: int) -> NDArray[np.int16]:
    return np.frombuffer(audio.readframes(count), "<i2")


def _coarse(audio: wave.Wave_read) -> Iterator[NDArray[np.int16]]:
    """The peaks of each 10 ms, (spans, 2)."""
    while len(block := _samples(audio, BLOCK // SPAN * SPAN)):
        whole = np.pad(block, (0, -len(block) % SPAN), mode="edge").reshape(-1, SPAN)
        yield np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1)


def _peaks(
    audio: wave.Wave_read, kept: NDArray[np.int16], first: int, last: int, points: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Lowest and highest of equal spans between two samples: from the kept peaks where those are fine enough."""
    if (last - first) / points >= SPAN:
        stretch = kept[first // SPAN : -(-last // SPAN)]
        low, high = stretch[:, 0], stretch[:, 1]
    else:
        audio.setpos(first)
        low = high = _samples(audio, last - first)
    edges = _edges(len(low), points)
    return np.minimum.reduceat(low, edges), np.maximum.reduceat(high, edges)


def _curve(kept: _Kept, start: float, end: float, points: int) -> Curve | None:
    """The mean scores of the frames with their centres in equal spans; the nearest frame where there is none."""
    if not kept.hop or not len(kept.scores):
        return None
    first = min(len(kept.scores) - 1, max(0, int(np.ceil((start - kept.first_centre) / kept.hop - 1e-9))))
    last = max(first + 1, int(np.ceil((end - kept.first_centre) / kept.hop - 1e-9)))
    scores = np.asarray(kept.scores[first:last], dtype=np.float32)
    edges = _edges(len(scores), points)
    counts = np.diff(np.append(edges, len(scores)))
    means = np.add.reduceat(scores, edges) / counts[:, None]
    times = kept.first_centre + kept.hop * (first + edges + (counts - 1) / 2)
    return Curve(times=_listed(times), scores={name: _listed(means[:, index]) for index, name in enumerate(NAMES)})


def _edges(count: int, points: int) -> NDArray[np.intp]:
    """Where each of at most `points` spans of `count` things begins."""
    points = min(points, count)
    return (np.arange(points) * count) // points


def _listed(values: NDArray[Any]) -> list[float]:
    rounded: list[float] = np.asarray(values, dtype=np.float64).round(DIGITS).tolist()
    return rounded
