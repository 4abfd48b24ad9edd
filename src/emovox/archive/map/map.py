"""The map: one page on which every recording of the archive is a point; a click plays it."""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from emovox import private
from emovox.archive.map.projection import Method, cluster, place
from emovox.archive.record import ArchiveRecord, Floats
from emovox.emotions import EMOTIONS, NAMES
from emovox.outputs import AUDIO

NONE = "–"  # the class of what has none
EMBEDDED, EMBEDDED_IN_ALL = 2 * 2**20, 200 * 2**20  # bytes of sound in a page: of a recording, and of all


@dataclass(frozen=True)
class Map:
    """What was drawn.

    Attributes:
        points: how many.
        sounding: how many can be played.
        method: `umap` or `pca`.
        clusters: how many; 0: none, without scikit-learn.
    """

    points: int
    sounding: int
    method: str
    clusters: int


def write_map(
    file: Path,
    records: Sequence[ArchiveRecord],
    vectors: Floats,
    *,
    method: Method = "auto",
    embed_audio: bool = False,
    language: str = "en",
) -> Map:
    """Write the page.

    Args:
        file: the page; sounds are linked relative to it.
        records: the points, at least one.
        vectors: their embeddings, float32 (n, D).
        method: of the projection.
        embed_audio: sounds up to 2 MB are in the page itself, up to 200 MB in all; the rest is linked.
        language: `en` or `zh`.

    Raises:
        ArchiveError: UMAP is asked for and not installed.
        OSError: it can't be written.
    """
    positions, projection = place(vectors, method=method)
    clusters = cluster(vectors)
    verdicts = [verdict(record) for record in records]
    classes = sorted({name or NONE for name, _ in verdicts if name not in NAMES})
    places = {name: index for index, name in enumerate([*NAMES, *classes])}
    budget, points = EMBEDDED_IN_ALL, []
    for index, (record, (name, confidence)) in enumerate(zip(records, verdicts, strict=True)):
        sound = _sound(record)
        url = None if sound is None else _link(sound, file)
        if sound is not None and embed_audio and sound.stat().st_size <= min(EMBEDDED, budget):
            budget -= sound.stat().st_size
            url = f"data:audio/wav;base64,{base64.b64encode(sound.read_bytes()).decode()}"
        points.append(
            {
                "x": round(float(positions[index, 0]), 4),
                "y": round(float(positions[index, 1]), 4),
                "emotion": places[name or NONE],
                "confidence": None if confidence is None else round(confidence, 3),
                "values": [
                    f"{name} {value:.2f}"
                    for item in record.readouts.values()
                    for name, value in (item.values or {}).items()
                ],
                "name": record.name or record.sha256[:12],
                "time": record.created.strftime("%Y-%m-%d %H:%M"),
                "tags": list(record.tags),
                "cluster": 0 if clusters is None else int(clusters[index]),
                "sound": url,
            }
        )
    count = 0 if clusters is None or not len(clusters) else int(clusters.max()) + 1
    data = {
        "language": language,
        "method": projection,
        "model": f"{records[0].model} {records[0].revision}".strip(),
        "clusters": count,
        "emotions": [
            {
                "label": f"{emotion.emoji} {emotion.label(language)}",
                "colour": emotion.colour,
                "dark": emotion.dark_colour,
            }
            for emotion in EMOTIONS
        ]
        + [{"label": name} for name in classes],
        "points": points,
    }
    # No name may end the element that holds the data.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = resources.files("emovox.archive.map").joinpath("map.html").read_text(encoding="utf-8")
    draft = file.with_name(f".{file.name}.draft")
    with private.create(draft, "w", encoding="utf-8") as output:
        output.write(page.replace("__LANGUAGE__", language).replace("__DATA__", text))
    draft.replace(file)
    return Map(len(points), sum(point["sound"] is not None for point in points), projection, count)


def verdict(record: ArchiveRecord) -> tuple[str | None, float | None]:
    """What colours a point, with its score: the emotion, or else a class that some readout gives."""
    if record.emotion is not None:
        return record.emotion, record.confidence
    classes = ((item.label, item.confidence) for item in record.readouts.values() if item.label is not None)
    return next(classes, (None, None))


def _sound(record: ArchiveRecord) -> Path | None:
    """The waveform in the outputs directory, or else the recording, if they still exist."""
    for path in (record.outputs and record.outputs / AUDIO, record.link and Path(record.link)):
        if path and path.is_file() and (path.name == AUDIO or path.suffix.lower() in _PLAYED):
            return path
    return None


_PLAYED = {".wav", ".mp3", ".m4a", ".flac", ".ogg", ".opus", ".webm", ".mp4", ".aac"}  # by browsers


def _link(sound: Path, page: Path) -> str:
    try:
        relative = os.path.relpath(sound, page.absolute().parent)
    except ValueError:  # another drive of Windows
        return sound.absolute().as_uri()
    return quote(Path(relative).as_posix())
