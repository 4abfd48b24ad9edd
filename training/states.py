"""States of clips, computed once by the very graph that is shipped, and kept: what is trained is what runs."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
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


def compute(
    model: onnx.ModelProto,
    corpora: Path,
    clips: Sequence[Clip],
    version: Version,
    surroundings: Surroundings,
    *,
    work: Path,
    seed: int,
    threads: int,
) -> States:
    """States of each clip in one version; kept in `work`, so that a second run is quick."""
    facts = [model.SerializeToString(), f"{version} {seed}".encode(), *(clip.path.encode() for clip in clips)]
    key = hashlib.sha256(b"|".join(facts)).hexdigest()[:12]
    values, spans = work / f"states-{version.name}-{key}.f16", work / f"states-{version.name}-{key}.json"
    if not spans.exists():
        work.mkdir(parents=True, exist_ok=True)
        session = open_session(model, threads)
        found: dict[str, tuple[int, int]] = {}
        total = 0
        with values.open("wb") as file:
            for clip in track(clips, description=f"States, {version.name}"):
                waveform = version.of(read_waveform(corpora / clip.path), clip.number + seed, surroundings)
                states = run(session, "states", waveform)[: -(-len(waveform) // (2 * HOP))]
                file.write(states.astype(np.float16).tobytes())
                found[clip.path] = (total, total + len(states))
                total += len(states)
        spans.write_text(json.dumps(found))
    table = {path: (start, stop) for path, (start, stop) in json.loads(spans.read_text()).items()}
    width = model.graph.output[0].type.tensor_type.shape.dim[2].dim_value
    return States(np.memmap(values, np.float16, "r").reshape(-1, width), table)
