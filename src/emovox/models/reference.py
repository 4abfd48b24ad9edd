"""Reference means: where emotions lie among a model's embeddings, by labelled clips that come with the program.

A model that doesn't bring them is run over the clips when a baseline is first used with it, and they are kept.
"""

import csv
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter, ValidationError

from emovox import files, private
from emovox.audio.recording import open_recording
from emovox.audio.waveform import Waveform
from emovox.errors import ModelError
from emovox.models.metadata import Metadata
from emovox.models.readout import ReferenceMean
from emovox.models.runtime.engine import Engine

CLIPS = Path(__file__).with_name("references")
SOURCE = "EmoDB"
_MEANS = TypeAdapter(dict[str, ReferenceMean])


def with_reference(
    engine: Engine, cache_directory: Path, *, notice: Callable[[str], None] = lambda _: None
) -> Metadata:
    """A model's metadata, with reference means of its emotions: its own, or else measured.

    Args:
        engine: the model.
        cache_directory: where they are kept.
        notice: is told that it takes a while, which it does only once.

    Raises:
        ModelError: the model failed, or the clips are missing from this installation.
    """
    metadata, readout = engine.metadata, engine.metadata.emotions
    if readout is None or readout.reference:
        return metadata
    file = cache_directory / "references" / f"{engine.checksum[:32]}-{engine.precision}.json"
    means: dict[str, ReferenceMean] | None = None
    with suppress(OSError, ValidationError):
        means = _MEANS.validate_json(file.read_bytes())
    if means is None:
        notice(f"measuring where emotions lie for {metadata.name} on {len(labelled_clips())} clips (only once)")
        means = measure(engine)
        with suppress(OSError):  # then it is measured again
            private.make_directory(file.parent)
            files.write(file, _MEANS.dump_json(means), durable=False)
    reference = {label: means[emotion] for label, emotion in readout.emotions.items() if emotion in means}
    readouts = tuple(
        item if item is not readout else readout.model_copy(update={"reference": reference})
        for item in metadata.readouts
    )
    return metadata.model_copy(update={"readouts": readouts})


def measure(engine: Engine) -> dict[str, ReferenceMean]:
    """The mean embedding of each emotion, each clip counting once.

    Raises:
        ModelError: the model failed, or the clips are missing from this installation.
    """
    rows = defaultdict(list)
    for emotion, waveform in labelled_clips():
        rows[emotion].append(engine.run([waveform])[0].embedding)
    return {
        emotion: ReferenceMean(
            embedding=np.mean(group, axis=0, dtype=np.float64).astype(np.float32), count=len(group), source=SOURCE
        )
        for emotion, group in rows.items()
    }


@cache
def labelled_clips() -> tuple[tuple[str, Waveform], ...]:
    """The clips with their emotions, float32 (n,) each, 16 kHz.

    Raises:
        ModelError: they are missing from this installation.
    """
    from emovox.audio.decoding import decode  # noqa: PLC0415  FFmpeg takes time to load, and few need the clips

    clips = []
    try:
        with (CLIPS / "labels.tsv").open(newline="", encoding="utf-8") as table:
            rows = list(csv.DictReader(table, delimiter="\t"))
    except OSError as error:
        raise ModelError(f"the labelled clips are missing from {CLIPS}: install Emovox again") from error
    for row in rows:
        path = CLIPS / row["path"]
        with open_recording(path, max_bytes=2**20) as recording, decode(recording, max_seconds=60) as decoding:
            clips.append((row["label"], np.concatenate(list(decoding.blocks()))))
    return tuple(clips)
