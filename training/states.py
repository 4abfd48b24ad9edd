"""States of clips, computed once by the very graph that is shipped, and kept: what is trained is what runs."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.progress import track

from emovox.audio.waveform import Waveform
from training.augment import Condition, Surroundings, condition, degrade, piece, placed, voiced
from training.corpus import Clip, read_waveform
from training.graph import HOP
from training.sessions import open_session, run

_CHUNK = 32  # clips that a process is handed at once


@dataclass(frozen=True)
class States:
    """The states of many clips.

    Attributes:
        frames: float16 (T, S) of each clip, T frames of 40 ms, by its path; mapped from the disk.
    """

    frames: Mapping[str, NDArray[np.float16]]

    def of(self, clip: Clip) -> NDArray[np.float16]:
        """The states of one clip, (T, S)."""
        return self.frames[clip.path]

    def __contains__(self, clip: Clip) -> bool:
        """Whether the clip was heard in this version."""
        return clip.path in self.frames

    @property
    def width(self) -> int:
        """S."""
        return int(next(iter(self.frames.values())).shape[1])


@dataclass(frozen=True)
class Version:
    """A way to hear the clips.

    Attributes:
        name: it is kept under this name.
        copy: as recorded (0), or which of the degraded copies.
        voice: which of the copies in another voice instead, if any.
        placed: which of the copies made alike everyday recordings instead, if any.
        seconds: instead, a piece that long at most.
        condition: a test condition instead.
    """

    name: str
    copy: int = 0
    voice: int = 0
    placed: int = 0
    seconds: float = 0
    condition: Condition | None = None

    def of(self, waveform: Waveform, number: int, surroundings: Surroundings) -> Waveform:
        """The waveform in this version, the same whenever it is asked for."""
        if self.condition:
            return condition(self.condition, waveform, np.random.default_rng([number, 1000]), surroundings)
        if self.seconds:
            return piece(waveform, self.seconds, np.random.default_rng([number, 2000]))
        if self.placed:
            return placed(waveform, np.random.default_rng([number, 3000 + self.placed]), surroundings)
        if self.voice:
            return voiced(waveform, np.random.default_rng([number, 50 * self.voice]))
        if self.copy:
            return degrade(waveform, np.random.default_rng([number, self.copy]), surroundings)
        return waveform


class _Worker:
    """What a process needs to compute states, made once in each."""

    here: "_Worker"

    def __init__(
        self, graph: bytes, corpora: Path, version: Version, surroundings: Surroundings, seed: int
    ) -> None:
        self._session = open_session(onnx.load_from_string(graph), 1)
        self._corpora, self._version, self._surroundings, self._seed = corpora, version, surroundings, seed

    def compute(self, clip: Clip) -> NDArray[np.float16]:
        waveform = read_waveform(self._corpora / clip.path)
        waveform = self._version.of(waveform, clip.number + self._seed, self._surroundings)
        states = run(self._session, "states", waveform)[: -(-len(waveform) // (2 * HOP))]
        return states.astype(np.float16)


def _start(graph: bytes, corpora: Path, version: Version, surroundings: Surroundings, seed: int) -> None:
    _Worker.here = _Worker(graph, corpora, version, surroundings, seed)


def _compute(clip: Clip) -> NDArray[np.float16]:
    return _Worker.here.compute(clip)


def compute(
    model: onnx.ModelProto,
    corpora: Path,
    clips: Sequence[Clip],
    version: Version,
    surroundings: Callable[[], Surroundings],
    *,
    work: Path,
    seed: int,
    processes: int,
) -> States:
    """States of each clip in one version; kept in `work` for each corpus, so that a second run is quick."""
    graph = model.SerializeToString()
    width = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    frames: dict[str, NDArray[np.float16]] = {}
    for corpus in {clip.corpus: None for clip in clips}:
        own = [clip for clip in clips if clip.corpus == corpus]
        facts = [graph, f"{version} {seed}".encode(), *(clip.path.encode() for clip in own)]
        name = f"states-{version.name}-{corpus}-{hashlib.sha256(b'|'.join(facts)).hexdigest()[:12]}"
        values, spans = work / f"{name}.f16", work / f"{name}.json"
        if not spans.exists():
            work.mkdir(parents=True, exist_ok=True)
            start = (graph, corpora, version, surroundings(), seed)
            _write(own, values, spans, start, f"States, {version.name}, {corpus}", processes)
        mapped = np.memmap(values, np.float16, "r").reshape(-1, width)
        table = json.loads(spans.read_text()).items()
        frames |= {path: mapped[first:last] for path, (first, last) in table}
    return States(frames)


def _write(
    clips: Sequence[Clip], values: Path, spans: Path, start: tuple[Any, ...], title: str, processes: int
) -> None:
    found: dict[str, tuple[int, int]] = {}
    total = 0
    with values.open("wb") as file, ProcessPoolExecutor(processes, get_context("spawn"), _start, start) as pool:
        made = zip(clips, pool.map(_compute, clips, chunksize=_CHUNK), strict=True)
        for clip, states in track(made, description=title, total=len(clips)):
            file.write(states.tobytes())
            found[clip.path] = (total, total + len(states))
            total += len(states)
    spans.write_text(json.dumps(found))
