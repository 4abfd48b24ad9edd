"""The timeline of stored outputs: the sound's peaks and the curve, as finely as a picture needs them.

Anything that needs a pass over hours of sound or result.json is cached, small and quick to read.
"""

import secrets
import shutil
import wave
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import isnan
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from emovox import private
from emovox.audio.waveform import SAMPLE_RATE
from emovox.emotions import NAMES
from emovox.errors import FramesError
from emovox.inference import npy
from emovox.inference import stored_result as stored
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.frames import FRAMES, Frames, Rows
from emovox.inference.raw import frames_without_baseline
from emovox.inference.recognition import Segment
from emovox.models.readout import Kind
from emovox.outputs import AUDIO, RESULT
from emovox.server.http.problems import Problem, damaged, log
from emovox.server.timeline_view import Curve, ReadoutCurve, Series, Timeline

SPAN = 160  # samples of one cached peak: 10 ms
BLOCK = 2**17  # samples read at once: more falls out of a processor's cache
COARSE = 16  # frames whose sums are cached, so that a look at hours needn't read every frame
FULL = 32768  # full scale of 16 bits
DIGITS = 4
_RECENT = 4  # recordings whose segments stay in memory: reading them takes longer than all the rest
_DRAFT = "draft-"


class _Columns(BaseModel):
    """The columns of a readout in the cached curves; those of the nine, without a name, come first."""

    name: str | None
    kind: Kind = "linear"
    labels: list[str]
    range: tuple[float, float] | None = None
    gives_values: bool = False
    without: bool = False  # the baseline; they come after all others


class _Facts(BaseModel):
    """Of the cached curves."""

    hop: float = 0.0  # seconds from frame to frame; 0: there are no frames
    first_centre: float = 0.0  # seconds to the first frame's centre
    columns: list[_Columns]


@dataclass(frozen=True)
class _Cache:
    """The cached data of one outputs directory.

    Attributes:
        peaks: int16 (spans, 2), the lowest and highest sample of each 10 ms.
        curves: float16 (T, K), the nine and the readouts side by side; float32 where there are values.
        sums: float32 (T / `COARSE`, K), of as many frames of the curves each, without those that don't count.
        counts: uint8 (T / `COARSE`, K), how many count.
        facts: of the curves, with whose columns they are, in order.
    """

    peaks: NDArray[np.int16]
    curves: NDArray[np.floating]
    sums: NDArray[np.float32]
    counts: NDArray[np.uint8]
    facts: _Facts


class Timelines:
    """The timelines of outputs directories. Its methods read the disk, so they are for threads."""

    def __init__(self, root: Path) -> None:
        """Begin, with caches under `root`."""
        self._root = root
        self._segments: OrderedDict[tuple[str, int], list[Segment] | None] = OrderedDict()
        self._lock = Lock()
        for draft in root.glob(f"{_DRAFT}*"):  # a kill interrupted it
            shutil.rmtree(draft, ignore_errors=True)

    def read(
        self, directory: Path, *, start: float, end: float | None, points: int, segments: bool = True
    ) -> Timeline:
        """The timeline of an outputs directory.

        Args:
            directory: with result.json, and processed_audio.wav if that is kept.
            start: seconds.
            end: seconds, at most and by default the recording's end.
            points: at most.
            segments: whether they are wanted.

        Raises:
            Problem: 404, they are gone; 422, the stretch is empty; 500, the outputs are damaged.
        """
        try:
            with _sound(directory) as audio:
                samples = _length(directory) if audio is None else audio.getnframes()
                first = round(min(start * SAMPLE_RATE, samples))
                last = samples if end is None else round(min(end * SAMPLE_RATE, samples))
                if first >= last:
                    raise Problem(
                        422,
                        "empty-stretch",
                        f"nothing in this stretch: the recording has {samples / SAMPLE_RATE:.2f} s",
                    )
                cache = self._cache(directory)
                none = np.zeros(0, np.int16), np.zeros(0, np.int16)
                low, high = none if audio is None else _peaks(audio, cache.peaks, first, last, points)
                spoken = self._segments_of(directory) if segments else None
                if spoken is not None:
                    after, before = first / SAMPLE_RATE, last / SAMPLE_RATE
                    spoken = [item for item in spoken if item.end > after and item.start < before]
                return Timeline(
                    start=first / SAMPLE_RATE,
                    end=last / SAMPLE_RATE,
                    duration=samples / SAMPLE_RATE,
                    low=_listed(low / FULL),
                    high=_listed(high / FULL),
                    curve=_curve(cache, first / SAMPLE_RATE, last / SAMPLE_RATE, points),
                    segments=spoken,
                )
        except FileNotFoundError:
            raise Problem(404, "no-such-output", "its sound or its result.json is gone") from None
        except (OSError, EOFError, ValueError, KeyError, wave.Error) as error:
            raise damaged("its sound or its result.json can't be read", error) from error

    def forget(self, id_: str) -> None:
        """Delete the caches of outputs that are gone."""
        for path in self._root.glob(f"{id_}.*"):
            shutil.rmtree(path, ignore_errors=True)
        with self._lock:
            for key in [key for key in self._segments if key[0] == id_]:
                del self._segments[key]

    def _segments_of(self, directory: Path) -> list[Segment] | None:
        """The segments of a result.json, from memory if it was read just now."""
        key = directory.name, (directory / RESULT).stat().st_mtime_ns
        with self._lock:
            if key in self._segments:
                self._segments.move_to_end(key)
                return self._segments[key]
        segments = stored.read_segments(directory / RESULT)
        with self._lock:
            self._segments[key] = segments
            while len(self._segments) > _RECENT:
                self._segments.popitem(last=False)
        return segments

    def _cache(self, directory: Path) -> _Cache:
        modified = (directory / RESULT).stat().st_mtime_ns
        with suppress(OSError):
            modified += (directory / FRAMES).stat().st_mtime_ns
        path = self._root / f"{directory.name}.{modified:x}"
        try:
            return _Cache(
                np.load(path / "peaks.npy", mmap_mode="r"),
                np.load(path / "curves.npy", mmap_mode="r"),
                np.load(path / "sums.npy", mmap_mode="r"),
                np.load(path / "counts.npy", mmap_mode="r"),
                _Facts.model_validate_json((path / "frames.json").read_bytes()),
            )
        except (
            OSError,
            EOFError,
            ValueError,
        ):  # none, an earlier version's, or a power cut interrupted the writing
            shutil.rmtree(path, ignore_errors=True)
        cache = _measure(directory)
        try:
            self._write(cache, path, directory.parent)
        except OSError as error:  # it only saves time
            log.warning("a timeline can't be cached: %s", error)
        return cache

    def _write(self, cache: _Cache, path: Path, outputs: Path) -> None:
        """Write a cache, whole or not at all, and clear those of outputs that were deleted by hand."""
        for other in self._root.glob("outputs_*"):
            orphaned = not (outputs / other.name.partition(".")[0]).is_dir()
            if orphaned or (other.stem == path.stem and other != path):
                shutil.rmtree(other, ignore_errors=True)
        draft = self._root / f"{_DRAFT}{secrets.token_hex(8)}"
        private.make_directory(draft)
        try:
            npy.save(draft / "peaks.npy", cache.peaks)
            npy.save(draft / "curves.npy", cache.curves)
            npy.save(draft / "sums.npy", cache.sums)
            npy.save(draft / "counts.npy", cache.counts)
            with private.create(draft / "frames.json") as file:
                file.write(cache.facts.model_dump_json().encode())
            draft.rename(path)
        except OSError:
            if not path.is_dir():  # another thread has just written it
                raise
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _measure(directory: Path) -> _Cache:
    """The data to cache of an outputs directory."""
    with _sound(directory) as audio:
        peaks = np.empty((0, 2), np.int16) if audio is None else np.concatenate(list(_coarse(audio)))
    frames = _frames(directory)
    if frames is None:
        return _Cache(peaks, np.empty((0, 0), np.float16), *_summed(np.empty((0, 0))), _Facts(columns=[]))
    columns, rows = _columns(frames)
    head = stored.read_head(directory / RESULT)
    if head.get("baseline") is not None:
        baseline = BaselineFacts.model_validate(head["baseline"])
        raw = frames_without_baseline(frames, baseline, head["model"].get("emotions"))
        for item, numbers in zip(*_columns(raw), strict=True):
            if item.name in baseline.shift or item.name is None:
                columns.append(item.model_copy(update={"without": True}))
                rows.append(numbers)
    kind = np.float32 if any(item.gives_values for item in columns) else np.float16
    curves: NDArray[Any] = np.concatenate([np.empty((len(frames), 0), kind), *rows], axis=1, dtype=kind)
    facts = _Facts(hop=frames.hop, first_centre=frames.first_centre, columns=columns)
    return _Cache(peaks, curves, *_summed(curves), facts)


def _summed(curves: NDArray[Any]) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Sums of each `COARSE` frames, (T / COARSE, K), and how many of them count."""
    edges = np.arange(0, len(curves), COARSE)
    sums = np.empty((len(edges), curves.shape[1]), np.float32)
    counts = np.empty(sums.shape, np.uint8)
    step = BLOCK // COARSE
    for at in range(0, len(edges), step):
        rows = np.asarray(curves[at * COARSE : (at + step) * COARSE], dtype=np.float32)
        starts = edges[: -(-len(rows) // COARSE)]
        finite = np.isfinite(rows)
        sums[at : at + step] = np.add.reduceat(np.where(finite, rows, 0), starts)
        counts[at : at + step] = np.add.reduceat(finite, starts, dtype=np.uint8)
    return sums, counts


def _columns(frames: Frames) -> tuple[list[_Columns], list[Rows]]:
    """The columns of the nine and of each readout, with their rows."""
    columns = [] if frames.scores is None else [_Columns(name=None, labels=list(NAMES))]
    rows = [] if frames.scores is None else [frames.scores]
    for name, readout in frames.readouts.items():
        facts = readout.model_dump(include={"kind", "labels", "range"})
        columns.append(_Columns(name=name, gives_values=readout.values is not None, **facts))
        rows.append(readout.numbers)
    return columns, rows


def _frames(directory: Path) -> Frames | None:
    """The frames; None: there are none, or their file is gone or damaged, which needn't hide the rest."""
    try:
        frames = stored.read_frames(directory / RESULT)
        return None if frames is None else frames.inline()
    except FramesError as error:
        log.warning("no curve: %s", error)
        return None


@contextmanager
def _sound(directory: Path) -> Iterator[wave.Wave_read | None]:
    """The sound, opened; None: it isn't kept."""
    if not (directory / AUDIO).exists():
        yield None
        return
    with wave.open(str(directory / AUDIO)) as audio:
        yield audio


def _length(directory: Path) -> int:
    """Samples of a sound that isn't kept."""
    return round(float(stored.read_head(directory / RESULT)["recording"]["duration"]) * SAMPLE_RATE)


def _samples(audio: wave.Wave_read, count: int) -> NDArray[np.int16]:
    return np.frombuffer(audio.readframes(count), "<i2")


def _coarse(audio: wave.Wave_read) -> Iterator[NDArray[np.int16]]:
    """The peaks of each 10 ms, (spans, 2)."""
    while len(block := _samples(audio, BLOCK // SPAN * SPAN)):
        if len(block) % SPAN:
            block = np.pad(block, (0, -len(block) % SPAN), mode="edge")
        whole = block.reshape(-1, SPAN)
        yield np.stack([whole.min(axis=1), whole.max(axis=1)], axis=1)


def _peaks(
    audio: wave.Wave_read, peaks: NDArray[np.int16], first: int, last: int, points: int
) -> tuple[NDArray[np.int16], NDArray[np.int16]]:
    """Lowest and highest of equal spans between two samples, from the cached peaks if those are fine enough."""
    if (last - first) / points >= SPAN:
        stretch = peaks[first // SPAN : -(-last // SPAN)]
        low, high = stretch[:, 0], stretch[:, 1]
    else:
        audio.setpos(first)
        low = high = _samples(audio, last - first)
    edges = _edges(len(low), points)
    return np.minimum.reduceat(low, edges), np.maximum.reduceat(high, edges)


def _curve(cache: _Cache, start: float, end: float, points: int) -> Curve | None:
    """Means of the frames whose centres lie in equal spans, or the nearest frame if none does."""
    facts = cache.facts
    if not cache.curves.size:
        return None
    first = min(len(cache.curves) - 1, max(0, int(np.ceil((start - facts.first_centre) / facts.hop - 1e-9))))
    last = max(first + 1, int(np.ceil((end - facts.first_centre) / facts.hop - 1e-9)))
    size = COARSE if last - first >= 4 * COARSE * points else 1  # frames of a row
    first, last = -(-first // size), -(-last // size)
    if size > 1:
        sums, known = cache.sums[first:last], cache.counts[first:last]
    else:
        rows = np.asarray(cache.curves[first:last], dtype=np.float32)
        known = np.isfinite(rows)
        sums = np.where(known, rows, np.float32(0))
    edges = _edges(len(sums), points)
    bounds = np.minimum((np.append(edges, len(sums)) + first) * size, len(cache.curves))
    times = facts.first_centre + facts.hop * (bounds[:-1] + bounds[1:] - 1) / 2
    with np.errstate(invalid="ignore"):  # a span in which no frame counts
        means = np.add.reduceat(sums, edges) / np.add.reduceat(known, edges, dtype=np.intp)
    curve, column = Curve(times=_listed(times), scores={}, readouts={}), 0
    for item in facts.columns:
        lists = [_listed(means[:, column + index]) for index in range(len(item.labels))]
        column += len(item.labels)
        if item.name is None:
            setattr(
                curve, "scores_without" if item.without else "scores", dict(zip(item.labels, lists, strict=True))
            )
            continue
        series: Series = {
            label: [None if isnan(number) else number for number in numbers]
            for label, numbers in zip(item.labels, lists, strict=True)
        }
        if item.without:
            curve.readouts[item.name].scores_without = series
            continue
        shown = {"values" if item.gives_values else "scores": series}
        curve.readouts[item.name] = ReadoutCurve(kind=item.kind, range=item.range, **shown)
    return curve


def _edges(count: int, points: int) -> NDArray[np.intp]:
    """Where each of at most `points` spans of `count` items begins."""
    points = min(points, count)
    return (np.arange(points) * count) // points


def _listed(values: NDArray[Any]) -> list[float]:
    rounded: list[float] = np.asarray(values, dtype=np.float64).round(DIGITS).tolist()
    return rounded
