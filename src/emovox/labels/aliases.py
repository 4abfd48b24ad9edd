"""Other names of the nine emotions, and the classes that labels mean."""

import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from emovox.emotions import EMOTIONS
from emovox.errors import LabelsError

_WORDS = {
    "angry": "anger ang furious rage hot_anger cold_anger wut ärger aerger zorn colère gniew 生气 怒 气愤",
    "disgusted": "disgust dis disgusting ekel dégoût 反感 恶心",
    "fearful": "fear fea afraid scared anxious anxiety panic angst peur strach 害怕 恐慌 惊恐",
    "happy": "happiness hap joy joyful amused amusement excited exc excitement freude joie radość 开心 高兴 喜悦",
    "neutral": "neu calm neutrality none ruhig neutre 平静 中立",
    "other": "others oth boredom boredem bored contempt frustrated frustration fru langeweile 无聊",
    "sad": "sadness sorrow unhappy trauer traurig tristesse smutek 难过 伤心 哀伤",
    "surprised": "surprise sur sup ps pleasant_surprise überraschung ueberraschung 惊喜 惊奇 吃惊",
    "unknown": "unk <unk> no_speech noise",
}
SYNONYMS = {
    **{word.replace("_", " "): name for name, words in _WORDS.items() for word in words.split()},
    **{emotion.name: emotion.name for emotion in EMOTIONS},
    **{emotion.chinese: emotion.name for emotion in EMOTIONS},
}
"""The emotion of each word; words are in lower case, with spaces."""

EMODB = {"W": "angry", "L": "other", "E": "disgusted", "A": "fearful", "F": "happy", "T": "sad", "N": "neutral"}
"""The letters of EmoDB: Wut, Langeweile, Ekel, Angst, Freude, Trauer, neutral."""


def emotion_of(label: str) -> str | None:
    """The emotion that a label means, in English, Chinese, German and some other languages; None: none known."""
    word = " ".join(label.strip().casefold().replace("_", " ").replace("-", " ").split())
    return SYNONYMS.get(word)


def to_classes(
    labels: Sequence[str],
    classes: Sequence[str],
    given: Mapping[str, str],
    path: Path,
    emotions: Mapping[str, str] | None = None,
) -> dict[str, str | None]:
    """The class of each label: the one given, the same word, or a word for the emotion that one class is alone.

    Args:
        labels: of a list.
        classes: that labels may mean.
        given: classes by label, which come first; an empty one leaves the label's recordings out.
        path: of the list, for the message.
        emotions: which of the nine a class is, where its word doesn't say it.

    Returns:
        By label: a class, or None to leave it out.

    Raises:
        LabelsError: a label means none of the classes, or an unknown class is given.
    """
    by_word = {name.casefold(): name for name in classes}
    meanings = {name: (emotions or {}).get(name) or emotion_of(name) for name in classes}
    shared = Counter(meanings.values())
    by_emotion = {emotion: name for name, emotion in meanings.items() if emotion and shared[emotion] == 1}
    letters = EMODB if set(labels) <= set(EMODB) and not set(classes) & set(EMODB) else {}
    meaning: dict[str, str | None] = {}
    strangers = []
    for label in dict.fromkeys(labels):
        word = given.get(label, label)
        if not word:
            meaning[label] = None
            continue
        name = by_word.get(word.casefold()) or by_emotion.get(letters.get(word) or emotion_of(word) or "")
        meaning[label] = name
        if name is None:
            strangers.append(word if word == label else f"{label}={word}")
    if strangers:
        first = strangers[0].split("=")[0]
        raise LabelsError(
            f"{path}: no class for the label{'s' * (len(strangers) > 1)} {', '.join(map(repr, strangers))}; the "
            f"classes are {', '.join(classes)}. Map it with --labels-map "
            f"{shlex.quote(f'{first}=CLASS')}, or leave its "
            f"recordings out with {shlex.quote(f'{first}=')}"
        )
    return meaning


def parse_map(text: str) -> dict[str, str]:
    """What labels mean, of `LABEL=CLASS` separated by commas; an empty class leaves a label out."""
    pairs = [part.partition("=") for part in text.split(",")]
    return {label.strip(): word.strip() for label, _, word in pairs}
