"""The map: one page in which every recording of the archive is a point that plays it."""

import base64
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import numpy as np

from emovox import private
from emovox.archive.map.projection import Method, cluster, place
from emovox.archive.record import Floats
from emovox.archive.stored_record import Found
from emovox.emotions import EMOTIONS, NAMES
from emovox.outputs import AUDIO

EMBEDDED, EMBEDDED_IN_ALL = 2 * 2**20, 200 * 2**20  # bytes of sound that a page may hold, of one and of all


@dataclass(frozen=True)
class Map:
    """What was drawn.

    Attributes:
        points: how many.
        sounding: how many can be played.
        method: `umap` or `pca`.
        clusters: how many; 0: nobody looked for any.
    """

    points: int
    sounding: int
    method: str
    clusters: int


def write_map(
    file: Path,
    found: Sequence[Found],
    vectors: Floats,
    *,
    method: Method = "auto",
    embed_audio: bool = False,
    language: str = "en",
) -> Map:
    """Write the page.

    Args:
        file: where to; sounds are linked relative to it.
        found: what is shown.
        vectors: their embeddings, float32 (n, D).
        method: how they are placed.
        embed_audio: sounds up to 2 MB are in the page itself, up to 200 MB in all, and the rest is linked.
        language: `en` or `zh`.

    Raises:
        ArchiveError: UMAP is asked for and not installed.
        OSError: it can't be written.
    """
    places, used = place(vectors, method=method)
    places = places - places.mean(axis=0)
    places = places / max(float(np.abs(places).max()), 1e-9)
    clusters = cluster(vectors)
    left, points = EMBEDDED_IN_ALL, []
    for index, item in enumerate(found):
        sound = _sound(item)
        url = None if sound is None else _link(sound, file)
        if sound is not None and embed_audio and sound.stat().st_size <= min(EMBEDDED, left):
            left -= sound.stat().st_size
            url = f"data:audio/wav;base64,{base64.b64encode(sound.read_bytes()).decode()}"
        points.append(
            {
                "x": round(float(places[index, 0]), 4),
                "y": round(float(places[index, 1]), 4),
                "emotion": NAMES.index(item.emotion),
                "confidence": round(item.confidence, 3),
                "name": item.name or item.sha256[:12],
                "time": item.created.strftime("%Y-%m-%d %H:%M"),
                "tags": list(item.tags),
                "cluster": 0 if clusters is None else int(clusters[index]),
                "sound": url,
            }
        )
    count = 0 if clusters is None or not len(clusters) else int(clusters.max()) + 1
    data = {
        "language": language,
        "method": used,
        "model": f"{found[0].model} {found[0].revision}".strip(),
        "clusters": count,
        "emotions": [
            {
                "label": f"{emotion.emoji} {emotion.label(language)}",
                "colour": emotion.colour,
                "dark": emotion.dark_colour,
            }
            for emotion in EMOTIONS
        ],
        "points": points,
    }
    # Nothing in a name may end the element that holds it.
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    page = resources.files("emovox.archive.map").joinpath("map.html").read_text(encoding="utf-8")
    draft = file.with_name(f".{file.name}.draft")
    with private.create(draft, "w", encoding="utf-8") as written:
        written.write(page.replace("__LANGUAGE__", language).replace("__DATA__", text))
    draft.replace(file)
    return Map(len(points), sum(point["sound"] is not None for point in points), used, count)


def _sound(found: Found) -> Path | None:
    """What the model heard, or else the recording, where they are still there."""
    for path in (found.outputs and found.outputs / AUDIO, found.link and Path(found.link)):
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
