"""The dataset of a head: embeddings of labelled recordings, each computed once."""

import json
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from emovox import files
from emovox.errors import AudioError, DecoderError, EmovoxError, LabelsError
from emovox.heads.embedding_cache import EmbeddingCache, Vector
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Failure, Labelled
from emovox.labels.stretches import sound_of
from emovox.labels.value_list import Rated
from emovox.notes import NOTES, Notes, joined_notes, listed_notes
from emovox.outputs import RESULT
from emovox.policy import Side, listed_sides, side_of

WHAT = "an embedding"

Row = TypeVar("Row", Labelled, Rated)


def embed(
    rows: Sequence[Row], recognizer: Recognizer, *, begin: Callable[[str], None] = lambda _: None
) -> tuple[NDArray[np.float32], list[Row], list[Failure], list[str]]:
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
    embeddings: list[Vector] = []
    usable: list[Row] = []
    failures: list[Failure] = []
    sha256s: list[str] = []
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


def _embedding(row: Labelled | Rated, recognizer: Recognizer, cache: EmbeddingCache) -> tuple[Vector, str | None]:
    path, sides, notes = row.path, listed_sides(row.groups, recognizer.policy), listed_notes(row.groups)
    side = side_of(sides, None, len(sides or ()))
    if path.suffix.lower() == ".npy":
        return stored_embedding(path, recognizer, side, notes)[:2]
    recognizer.policy.demand(side, **notes)
    recognizer.policy.check(side, WHAT)
    sha256 = checksum(path)
    cached = cache.get(sha256, span=row.span)
    if cached is not None and cached.shape == (recognizer.metadata.embedding_size,):
        return cached, sha256
    recognition = recognizer.recognize(
        sound_of(row), embedding=True, side=sides, purpose=notes.get("purpose"), consent=notes.get("consent")
    )
    assert recognition.embedding is not None  # noqa: S101  asked for
    embedding: Vector = recognition.embedding[0]
    cache.put(sha256 if row.span else recognition.recording.sha256, embedding, span=row.span)
    return embedding, sha256


def stored_embedding(
    path: Path, recognizer: Recognizer, side: Side | None = None, notes: Notes | None = None
) -> tuple[Vector, str | None, int | None]:
    """The mean of an embedding.npy, (D,), with the sha256 and channel of `stored_recording`.

    Args:
        path: of the file.
        recognizer: the model.
        side: whose voice it is, if the outputs directory doesn't say.
        notes: its purpose and consent; likewise.

    Raises:
        LabelsError: unreadable, or another model's.
        PolicyError: the policy allows nothing but the talk time of this voice, or something isn't declared.
    """
    facts = _stored(path.parent)
    sha256, channel, stored_side, stored_notes = _recording(facts)
    side = stored_side or side
    declared = joined_notes(notes, stored_notes)
    recognizer.policy.demand(side, **declared)
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
    with suppress(KeyError, TypeError, AttributeError):
        by = facts["model"]
        if (by["name"], by.get("embedding_revision") or by["revision"]) != (model.name, model.embeddings_of):
            raise LabelsError(
                f"an embedding by {by['name']} {by['revision']}, not by {model.name} {model.revision}"
            )
    return mean, sha256, channel


class StoredRecording(NamedTuple):
    """What was recognised in an outputs directory.

    Attributes:
        sha256: of the recording; None: it isn't known.
        channel: of it, from 1; None: all together.
        side: whose voice it is; None: it isn't said.
        notes: its purpose and consent, as far as they are said.
    """

    sha256: str | None = None
    channel: int | None = None
    side: Side | None = None
    notes: Notes = cast("Notes", MappingProxyType({}))


def stored_recording(directory: Path) -> StoredRecording:
    """What was recognised in an outputs directory, as far as its result.json says it."""
    return _recording(_stored(directory))


def _recording(facts: Any) -> StoredRecording:
    sha256, recording = None, facts.get("recording") if isinstance(facts, dict) else None
    if not isinstance(recording, dict):
        return StoredRecording()
    with suppress(ValueError, KeyError, TypeError):
        sha256 = bytes.fromhex(recording["sha256"]).hex()
    notes = cast("Notes", {name: text for name in NOTES if isinstance(text := recording.get(name), str)})
    return StoredRecording(sha256, recording.get("channel"), recording.get("side"), notes)


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
