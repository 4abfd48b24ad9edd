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
from emovox.policy import Side, listed_sides, side_of

WHAT = "an embedding"


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
                embedding, sha256 = _embedding(row, recognizer, cache)
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


def _embedding(row: Labelled, recognizer: Recognizer, cache: EmbeddingCache) -> tuple[Vector, str | None]:
    path, sides = row.path, listed_sides(row.groups, recognizer.policy)
    side = side_of(sides, None, len(sides or ()))
    if path.suffix.lower() == ".npy":
        return stored_embedding(path, recognizer, side)
    recognizer.policy.require(side)
    recognizer.policy.check(side, WHAT)
    sha256 = checksum(path)
    cached = cache.get(sha256)
    if cached is not None and cached.shape == (recognizer.metadata.embedding_size,):
        return cached, sha256
    recognition = recognizer.recognize(path, embedding=True, side=sides)
    assert recognition.embedding is not None  # noqa: S101  asked for
    embedding: Vector = recognition.embedding[0]
    cache.put(recognition.recording.sha256, embedding)
    return embedding, sha256


def stored_embedding(path: Path, recognizer: Recognizer, side: Side | None = None) -> tuple[Vector, str | None]:
    """The mean of an embedding.npy, (D,), and its recording's sha256 if the outputs directory has it.

    Args:
        path: of the file.
        recognizer: the model.
        side: whose voice it is, if the outputs directory doesn't say.

    Raises:
        LabelsError: unreadable, or another model's.
        PolicyError: the policy allows nothing but the talk time of this voice, or it isn't said whose it is.
    """
    facts: dict[str, Any] = {}
    with suppress(OSError, ValueError, KeyError, TypeError):
        facts = json.loads((path.parent / RESULT).read_bytes())
        side = facts["recording"].get("side") or side
    recognizer.policy.require(side)
    recognizer.policy.check(side, WHAT)
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
    with suppress(ValueError, KeyError, TypeError):
        by = facts["model"]
        if (by["name"], by.get("embedding_revision") or by["revision"]) != (model.name, model.embeddings_of):
            raise LabelsError(
                f"an embedding by {by['name']} {by['revision']}, not by {model.name} {model.revision}"
            )
        return mean, bytes.fromhex(facts["recording"]["sha256"]).hex()
    return mean, None


def checksum(path: Path) -> str:
    """sha256 of a file.

    Raises:
        AudioError: it can't be read.
    """
    try:
        return files.digest(path)
    except OSError as error:
        raise AudioError(f"can't be read: {error.strerror or error}") from error
