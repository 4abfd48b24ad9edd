"""The dataset of a head: embeddings of labelled recordings, each computed once."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox import files
from emovox.errors import AudioError, DecoderError, EmovoxError, LabelsError
from emovox.heads.embedding_cache import EmbeddingCache, Vector
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Failure, Labelled
from emovox.outputs import RESULT


def embed(
    rows: Sequence[Labelled], recognizer: Recognizer, *, begin: Callable[[str], None] = lambda _: None
) -> tuple[NDArray[np.float32], list[Labelled], list[Failure], list[str]]:
    """Embeddings of recordings, or of `embedding.npy` files, of which the mean over the frames is taken.

    Args:
        rows: the list.
        recognizer: the model.
        begin: is told the name of each before its turn.

    Returns:
        float32 (n, D), their n rows, the recordings that failed, and the sha256 of the recordings as far as they
        are
        known: those of bare `embedding.npy` files aren't.

    Raises:
        LabelsError: not one could be used.
        DecoderError: as `Recognizer.recognize`.
    """
    embeddings, usable, failures, sha256s = [], [], [], []
    with closing(EmbeddingCache(cache_key(recognizer))) as cache:
        for row in rows:
            begin(row.name)
            try:
                embedding, sha256 = _embedding(row.path, recognizer, cache)
                embeddings.append(embedding)
                usable.append(row)
                sha256s += [] if sha256 is None else [sha256]
            except AudioError as error:
                failures.append((row.name, error.reason))
            except DecoderError:  # not the recording's fault
                raise
            except EmovoxError as error:
                failures.append((row.name, str(error)))
    if not embeddings:
        name, reason = failures[0]
        raise LabelsError(f"none of the {len(failures)} recordings can be used; {name}: {reason}")
    return np.stack(embeddings), usable, failures, sha256s


def cache_key(recognizer: Recognizer) -> str:
    """What tells a model's embeddings from all others: the file that gives them, and the precision."""
    model = recognizer.model
    return f"{recognizer.metadata.embedding_checksum or model.checksum} {model.precision}"


def _embedding(path: Path, recognizer: Recognizer, cache: EmbeddingCache) -> tuple[Vector, str | None]:
    if path.suffix.lower() == ".npy":
        return stored_embedding(path, recognizer)[:2]
    sha256 = checksum(path)
    cached = cache.get(sha256)
    if cached is not None and cached.shape == (recognizer.metadata.embedding_size,):
        return cached, sha256
    recognition = recognizer.recognize(path, embedding=True)
    assert recognition.embedding is not None  # noqa: S101  asked for
    embedding: Vector = recognition.embedding[0]
    cache.put(recognition.recording.sha256, embedding)
    return embedding, sha256


def stored_embedding(path: Path, recognizer: Recognizer) -> tuple[Vector, str | None, int | None]:
    """The mean of an embedding.npy, (D,), with the sha256 and channel of `stored_recording`.

    Raises:
        LabelsError: unreadable, or another model's.
    """
    try:
        values = np.load(path, allow_pickle=False)
    except (OSError, ValueError) as error:
        raise LabelsError(f"not an embedding: {' '.join(str(error).split())}") from error
    mean: Vector = np.atleast_2d(np.asarray(values, np.float32)).mean(axis=0)
    width, model = recognizer.metadata.embedding_size, recognizer.model
    if values.ndim > 2 or mean.shape != (width,) or not np.isfinite(mean).all():
        raise LabelsError(
            f"not an embedding by {model.name}, which has {width} numbers: its shape is {values.shape}"
        )
    facts = _stored(path.parent)
    with suppress(KeyError, TypeError):
        by = facts["model"]
        if (by["name"], by.get("embedding_revision") or by["revision"]) != (model.name, model.embeddings_of):
            raise LabelsError(
                f"an embedding by {by['name']} {by['revision']}, not by {model.name} {model.revision}"
            )
    return mean, *_recording(facts)


def stored_recording(directory: Path) -> tuple[str | None, int | None]:
    """What was recognised in an outputs directory.

    Returns:
        sha256 of the recording, None where it isn't known; its channel, from 1, None for all together.
    """
    return _recording(_stored(directory))


def _recording(facts: Any) -> tuple[str | None, int | None]:
    with suppress(ValueError, KeyError, TypeError, AttributeError):
        recording = facts["recording"]
        return bytes.fromhex(recording["sha256"]).hex(), recording.get("channel")
    return None, None


def _stored(directory: Path) -> Any:
    """The result.json of an outputs directory; None where it can't be read."""
    with suppress(OSError, ValueError):
        return json.loads((directory / RESULT).read_bytes())
    return None


def checksum(path: Path) -> str:
    """sha256 of a file.

    Raises:
        AudioError: it can't be read.
    """
    try:
        return files.digest(path)
    except OSError as error:
        raise AudioError(f"can't be read: {error.strerror or error}") from error
