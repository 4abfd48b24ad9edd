"""Known corpora, read by the names of their files: speaker, emotion, language."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from emovox import directories
from emovox.audio.files import EXTENSIONS
from emovox.errors import LabelsError
from emovox.labels.aliases import EMODB
from emovox.labels.label_list import Labelled, read_labels

_RAVDESS = ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised")
_CREMA = {"ANG": "angry", "DIS": "disgust", "FEA": "fear", "HAP": "happy", "NEU": "neutral", "SAD": "sad"}
_EMODB_WOMEN = {"08", "09", "13", "14", "16"}
_ESD_ENGLISH = range(11, 21)  # the first ten speakers speak Mandarin
_FOLD = re.compile(r"_fold_?(\d+)\.jsonl$")
_IEMOCAP_LINE = re.compile(r"^\[[\d. -]+\]\s+(Ses\S+)\s+(\S+)\s", re.MULTILINE)

Layout = Callable[[Path, directories.Failed], Iterator[Labelled]]
"""Reads a corpus, and is told what to call with what can't be read."""
Facts = tuple[str, dict[str, str]]
"""A label and groups."""


def _refuse(path: Path, reason: str) -> None:
    raise LabelsError(f"{path}: {reason}")


def read_layout(layout: str, path: Path, *, failed: directories.Failed = _refuse) -> list[Labelled]:
    """The recordings of a corpus as it is distributed.

    Args:
        layout: one of `LAYOUTS`.
        path: its directory; for `emobox` one of its .jsonl splits, or a directory of some.
        failed: is told of directories and files that can't be read, and why; the rest is read. By default an
            error.

    Raises:
        LabelsError: no such layout, or no file is named as in this layout; or some can't be read.
    """
    if layout not in LAYOUTS:
        raise LabelsError(f"no layout {layout!r}: choose {', '.join(LAYOUTS)}")
    try:
        path.stat()
    except OSError as error:
        missing = isinstance(error, FileNotFoundError)
        raise LabelsError(f"{path}: {'no such directory' if missing else error.strerror}") from error
    rows = list(LAYOUTS[layout](path, failed))
    if not rows:
        raise LabelsError(f"{path}: no files named as those of {layout}: {SHAPES[layout]}")
    return rows


def _by_name(facts: Callable[[Path], Facts | None]) -> Layout:
    """A layout whose file names say it all."""

    def read(root: Path, failed: directories.Failed) -> Iterator[Labelled]:
        paths = directories.files(root, failed)
        for path in sorted(path for path in paths if path.suffix.lower() in EXTENSIONS):
            if (pair := facts(path)) is not None:
                yield Labelled(path, pair[0], path.relative_to(root).as_posix(), pair[1])

    return read


def _emodb(path: Path) -> Facts | None:
    match = re.fullmatch(r"(\d\d)([ab]\d\d)([WLEAFTN])[a-z]?", path.stem)
    if not match:
        return None
    gender = "female" if match[1] in _EMODB_WOMEN else "male"
    return EMODB[match[3]], {"speaker": match[1], "gender": gender, "language": "de", "text": match[2]}


def _ravdess(path: Path) -> Facts | None:
    if not re.fullmatch(r"0[13](-\d\d){6}", path.stem):  # 02 is video without sound
        return None
    _, channel, emotion, intensity, text, _, actor = path.stem.split("-")
    if not 1 <= int(emotion) <= len(_RAVDESS):
        return None
    return _RAVDESS[int(emotion) - 1], {
        "speaker": actor,
        "gender": "male" if int(actor) % 2 else "female",
        "language": "en",
        "kind": "speech" if channel == "01" else "song",
        "intensity": "normal" if intensity == "01" else "strong",
        "text": text,
    }


def _crema(path: Path) -> Facts | None:
    match = re.fullmatch(r"(\d{4})_([A-Z]{3})_([A-Z]{3})_(LO|MD|HI|XX|X)", path.stem)
    if not match or match[3] not in _CREMA:
        return None
    intensity = {"LO": "low", "MD": "medium", "HI": "high"}.get(match[4], "unspecified")
    return _CREMA[match[3]], {"speaker": match[1], "language": "en", "intensity": intensity, "text": match[2]}


def _esd(path: Path) -> Facts | None:
    match = re.fullmatch(r"(\d{4})_\d{6}", path.stem)
    kinds = {"angry", "happy", "neutral", "sad", "surprise"}
    label = next((part for part in reversed(path.parts[:-1]) if part.lower() in kinds), None)
    if not match or label is None:
        return None
    return label, {"speaker": match[1], "language": "en" if int(match[1]) in _ESD_ENGLISH else "zh"}


def _iemocap(root: Path, failed: directories.Failed) -> Iterator[Labelled]:
    """Labels are in Session*/dialog/EmoEvaluation/*.txt, sound is in Session*/sentences/wav/."""
    for notes in sorted(path for path in directories.files(root, failed) if path.suffix == ".txt"):
        if notes.relative_to(root).parts[-3:-1] != ("dialog", "EmoEvaluation"):
            continue
        try:
            text = notes.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            failed(notes, f"can't be read: {error.strerror or error}")
            continue
        sentences = notes.parents[2] / "sentences" / "wav"
        for name, label in _IEMOCAP_LINE.findall(text):
            path = sentences / name.rsplit("_", 1)[0] / f"{name}.wav"
            yield Labelled(path, label, path.relative_to(root).as_posix(), _iemocap_groups(name))


def _iemocap_groups(name: str) -> dict[str, str]:
    gender = name.rsplit("_", 1)[1][0]
    return {
        "speaker": name[:5] + gender,
        "gender": "female" if gender == "F" else "male",
        "language": "en",
        "session": name[:5],
        "kind": "improvised" if "impro" in name else "scripted",
    }


def _emobox(root: Path, failed: directories.Failed) -> Iterator[Labelled]:
    """Paths in splits are relative to EmoBox's own folder, some levels up; known corpora add their speakers."""
    if root.is_file():
        splits = [root]
    else:  # beside these lie lists of an older form, without the columns that are read here
        paths = [path for path in sorted(directories.files(root, failed)) if path.suffix == ".jsonl"]
        splits = [path for path in paths if "_test_fold_" in path.name] or [
            path for path in paths if "test" in path.name
        ]
    for split in splits:
        fold = _FOLD.search(split.name)
        for row in read_labels(split, paths="wav", labels="emo"):
            homes = (parent / row.name for parent in split.absolute().parents)
            path = next((home for home in homes if os.path.isfile(home)), row.path)  # noqa: PTH113
            corpus = row.groups.get("dataset", "")
            facts = NAMED[corpus](path) if corpus in NAMED else None
            groups = {"corpus": corpus, **({} if facts is None else facts[1])}
            if fold:
                groups["fold"] = fold[1]
            if corpus == "iemocap" and path.stem.startswith("Ses"):
                groups |= _iemocap_groups(path.stem)
            yield replace(row, path=path, groups=groups)


NAMED: Mapping[str, Callable[[Path], Facts | None]] = {
    "emodb": _emodb,
    "ravdess": _ravdess,
    "cremad": _crema,
    "esd": _esd,
}
"""Corpora whose file names say label and speaker, by EmoBox's names for them."""
LAYOUTS: Mapping[str, Layout] = {
    "emodb": _by_name(_emodb),
    "ravdess": _by_name(_ravdess),
    "crema-d": _by_name(_crema),
    "esd": _by_name(_esd),
    "iemocap": _iemocap,
    "emobox": _emobox,
}
"""How each known corpus is read."""
SHAPES = {
    "emodb": "03a01Fa.wav",
    "ravdess": "Actor_12/03-01-06-01-02-01-12.wav",
    "crema-d": "1001_DFA_ANG_XX.wav",
    "esd": "0011/Angry/0011_000351.wav",
    "iemocap": "Session1/dialog/EmoEvaluation/*.txt and Session1/sentences/wav/",
    "emobox": "*_test_*.jsonl",
}
"""An example of each, for messages."""
AGREED = {"iemocap": {"xxx": ""}}
"""Labels of recordings whose raters didn't agree: left out, unless --labels-map says otherwise."""
