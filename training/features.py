"""Embeddings of clips, computed by the very graph that is shipped: what is trained is what runs."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from rich.progress import track

from emovox.audio.waveform import Waveform
from training.corpus import Clip, copies, read_waveform
from training.graph import EMBEDDING


def open_session(model: onnx.ModelProto, threads: int) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def run(session: onnxruntime.InferenceSession, output: str, waveform: Waveform) -> NDArray[np.float32]:
    """One output for one waveform, without the batch axis."""
    feeds = {"waveform": waveform[None], "samples": np.array([len(waveform)], np.int64)}
    values: NDArray[np.float32] = session.run([output], feeds)[0][0]
    return values


def embed(
    model: onnx.ModelProto, corpora: Path, clips: Sequence[Clip], *, work: Path, threads: int, seed: int
) -> NDArray[np.float32]:
    """Embeddings of each clip and of its worse copies: (clips, 3, D), the clip itself first.

    Kept in `work` under a checksum of the model and the list, so that a second run is quick.
    """
    facts = [model.SerializeToString(), str(seed).encode(), *(clip.path.encode() for clip in clips)]
    cache = work / f"embeddings-{hashlib.sha256(b'|'.join(facts)).hexdigest()[:16]}.npy"
    if cache.exists():
        loaded: NDArray[np.float32] = np.load(cache)
        return loaded
    session = open_session(model, threads)
    embeddings = np.empty((len(clips), 3, EMBEDDING), np.float32)
    for row, clip in enumerate(track(clips, description="Embedding")):
        waveform = read_waveform(corpora / clip.path)
        for column, version in enumerate([waveform, *copies(waveform, seed + row)]):
            embeddings[row, column] = run(session, "embedding", version)
    work.mkdir(parents=True, exist_ok=True)
    np.save(cache, embeddings)
    return embeddings
