"""States of clips, computed once by the very graph that is shipped, and kept: what is trained is what runs."""

import hashlib
import json
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray
from rich.progress import track

from emovox.audio.waveform import Waveform
from training.augment import Condition, Surroundings, condition, degrade, voiced
from training.corpus import Clip, read_waveform
from training.graph import HOP
from training.sessions import open_session, run

_CHUNK = 32  # clips that a process is handed at once


@dataclass(frozen=True)
class States:
    """The states of many clips, one after the other.

    Attributes:
        values: float16 (frames of 40 ms, S), mapped from the disk.
        spans: the first and the last frame but one of each clip, by its path.
    """

    values: NDArray[np.float16]
    spans: dict[str, tuple[int, int]]

    def of(self, clip: Clip) -> NDArray[np.float16]:
        """The states of one clip, (T, S)."""
        start, stop = self.spans[clip.path]
        return self.values[start:stop]


@dataclass(frozen=True)
class Version:
    """A way to hear the clips.

    Attributes:
        name: it is kept under this name.
        copy: as recorded (0), or which of the degraded copies.
        voice: which of the copies in another voice instead, if any.
        condition: a test condition instead.
    """

    name: str
    copy: int = 0
    voice: int = 0
    condition: Condition | None = None

    def of(self, waveform: Waveform, number: int, surroundings: Surroundings) -> Waveform:
        """The waveform in this version, the same whenever it is asked for."""
        if self.condition:
            return condition(self.condition, waveform, np.random.default_rng([number, 1000]), surroundings)
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
    surroundings: Surroundings,
    *,
    work: Path,
    seed: int,
    processes: int,
) -> States:
    """States of each clip in one version; kept in `work`, so that a second run is quick."""
    graph = model.SerializeToString()
    facts = [graph, f"{version} {seed}".encode(), *(clip.path.encode() for clip in clips)]
    key = hashlib.sha256(b"|".join(facts)).hexdigest()[:12]
    values, spans = work / f"states-{version.name}-{key}.f16", work / f"states-{version.name}-{key}.json"
    if not spans.exists():
        work.mkdir(parents=True, exist_ok=True)
        found: dict[str, tuple[int, int]] = {}
        total = 0
        start = (graph, corpora, version, surroundings, seed)
        with (
            values.open("wb") as file,
            ProcessPoolExecutor(processes, get_context("spawn"), _start, start) as pool,
        ):
            made = zip(clips, pool.map(_compute, clips, chunksize=_CHUNK), strict=True)
            for clip, states in track(made, description=f"States, {version.name}", total=len(clips)):
                file.write(states.tobytes())
                found[clip.path] = (total, total + len(states))
                total += len(states)
        spans.write_text(json.dumps(found))
    table = {path: (start, stop) for path, (start, stop) in json.loads(spans.read_text()).items()}
    width = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    return States(np.memmap(values, np.float16, "r").reshape(-1, width), table)
