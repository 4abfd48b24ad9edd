"""The state of a run before its end, to be kept: what a recording came to, before it is known relative to what.

A baseline of many recordings is known only when the last of them was recognised. A run that takes up the state of
another, and ends with that baseline, gives to the last bit what it would have given had the baseline been there.
"""

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.speech import Span
from emovox.inference.pooling import Pool
from emovox.inference.recording_facts import RecordingFacts
from emovox.models.runtime.engine import Floats
from emovox.models.runtime.readout_function import Functions

_HEADER, _COUNTS, _EMBEDDINGS, _LOGITS = "header", "counts", "embeddings", "logits."


@dataclass(frozen=True)
class RunState:
    """A recording, read and inferred.

    Attributes:
        facts: of the recording.
        warnings: codes.
        spans: of speech.
        created_at: when it was recognised.
        speech: float32 (D,), the mean embedding of its frames of speech, which baselines are made of; None: it has
            none.
        arrays: sums over the frames of pools, and the curves, as the run names them.
    """

    facts: RecordingFacts
    warnings: tuple[str, ...]
    spans: tuple[Span, ...]
    created_at: datetime
    speech: Floats | None
    arrays: Mapping[str, NDArray[Any]]

    def to_bytes(self) -> bytes:
        """As a file of NumPy's, without pickles."""
        header = {
            "facts": self.facts.model_dump(mode="json"),
            "warnings": self.warnings,
            "spans": [(span.start, span.end) for span in self.spans],
            "created_at": self.created_at.isoformat(),
        }
        arrays = {**self.arrays, _HEADER: np.frombuffer(json.dumps(header).encode(), np.uint8)}
        if self.speech is not None:
            arrays["speech"] = self.speech
        file = io.BytesIO()
        np.savez(file, **arrays)  # type: ignore[arg-type]
        return file.getvalue()

    @classmethod
    def from_bytes(cls, data: bytes) -> "RunState":
        """Read `to_bytes` back.

        Raises:
            ValueError: it is damaged.
        """
        try:
            with np.load(io.BytesIO(data), allow_pickle=False) as file:
                arrays = {name: file[name] for name in file.files}
            header = json.loads(arrays.pop(_HEADER).tobytes())
            return cls(
                facts=RecordingFacts.model_validate(header["facts"]),
                warnings=tuple(header["warnings"]),
                spans=tuple(Span(*ends) for ends in header["spans"]),
                created_at=datetime.fromisoformat(header["created_at"]),
                speech=arrays.pop("speech", None),
                arrays=arrays,
            )
        except Exception as error:  # of what isn't such a file NumPy and zipfile raise anything
            raise ValueError(f"not the state of a run: {' '.join(str(error).split())}") from error


def stack(pools: Sequence[Pool], *, embeddings: int) -> dict[str, NDArray[Any]]:
    """The sums of pools as arrays, the embeddings of the first so many only."""
    sums = [pool.sums for pool in pools]
    arrays: dict[str, NDArray[Any]] = {_COUNTS: np.array([pool.frame_count for pool in pools])}
    for name in dict.fromkeys(name for logits, _ in sums for name in logits):
        size = next(len(logits[name]) for logits, _ in sums if name in logits)
        arrays[f"{_LOGITS}{name}"] = np.stack([logits.get(name, np.zeros(size)) for logits, _ in sums])
    vectors = [vector for _, vector in sums[:embeddings]]
    width = max((np.size(vector) for vector in vectors), default=0)
    arrays[_EMBEDDINGS] = np.stack([np.broadcast_to(vector, width) for vector in vectors])
    return arrays


def unstack(arrays: Mapping[str, NDArray[Any]], functions: Functions) -> list[Pool]:
    """The pools that `stack` took."""
    logits = {name.removeprefix(_LOGITS): rows for name, rows in arrays.items() if name.startswith(_LOGITS)}
    vectors = arrays[_EMBEDDINGS]
    return [
        Pool.of(
            functions,
            int(count),
            {name: rows[index] for name, rows in logits.items()} if count else {},
            vectors[index] if index < len(vectors) else np.zeros(vectors.shape[1:]),
        )
        for index, count in enumerate(arrays[_COUNTS])
    ]
