"""A project's label config, Label Studio's XML: what can be labelled in it, and which classes its labels mean.

Source: Label Studio's documentation, tags `Audio`, `Labels` and `Choices`.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal
from xml.etree import ElementTree

from emovox.errors import LabelsError
from emovox.labels.aliases import emotion_of

LONGEST = 2**20
"""Characters of a config, at most."""
Kind = Literal["Labels", "Choices"]
_ITEMS: dict[str, str] = {"Labels": "Label", "Choices": "Choice"}


@dataclass(frozen=True)
class Label:
    """A label that people may give.

    Attributes:
        value: as annotations have it.
        words: what it is called in the config, in lower case.
        predicted: the classes that the config says it stands for (`predicted_values`), in lower case.
    """

    value: str
    words: frozenset[str]
    predicted: frozenset[str]


@dataclass(frozen=True)
class Control:
    """Labels about recordings: of stretches (`Labels`), or of the whole (`Choices`).

    Attributes:
        name: of the tag.
        kind: of the tag.
        to_name: name of the tag of the recording.
        key: of the recording in a task's data.
        labels: what may be given.
    """

    name: str
    kind: Kind
    to_name: str
    key: str
    labels: tuple[Label, ...]

    def meanings(self, classes: Iterable[str]) -> dict[str, str]:
        """The label of each class that one stands for.

        By `predicted_values`, by the same word, or by the emotion that both mean, if no other label means it.
        """
        emotions = {label.value: _emotion(label) for label in self.labels}
        shared = Counter(emotions.values())
        by_emotion = {emotion: value for value, emotion in emotions.items() if emotion and shared[emotion] == 1}
        meanings: dict[str, str] = {}
        for name in classes:
            word = name.casefold()
            value = (
                next((label.value for label in self.labels if word in label.predicted), None)
                or next((label.value for label in self.labels if word in label.words), None)
                or by_emotion.get(emotion_of(name) or "")
            )
            if value is not None:
                meanings[name] = value
        return meanings


def read_config(text: str) -> list[Control]:
    """The controls of a config that are about recordings, in its order.

    Choices about single regions are left out.

    Raises:
        LabelsError: it isn't one, or has none.
    """
    if len(text) > LONGEST or "<!DOCTYPE" in text or "<!ENTITY" in text:
        raise LabelsError("label config: too long, or with a document type")
    try:
        root = ElementTree.fromstring(text)  # noqa: S314  without a document type there are no entities
    except ElementTree.ParseError as error:
        raise LabelsError(f"label config: not valid XML: {error}") from error
    keys = {
        tag.get("name", ""): tag.get("value", "").removeprefix("$")
        for tag in root.iter("Audio")
        if tag.get("value")
    }
    controls = [control for tag in root.iter() if (control := _control(tag, keys)) is not None]
    if not controls:
        raise LabelsError(
            "label config: it needs <Labels> or <Choices> with labels in it, whose toName is that of an <Audio>"
        )
    return controls


def _control(tag: ElementTree.Element, keys: dict[str, str]) -> Control | None:
    if tag.tag not in _ITEMS or tag.get("perRegion", "").lower() == "true" or not tag.get("name"):
        return None
    to_name = next((name for name in tag.get("toName", "").replace(",", " ").split() if name in keys), None)
    labels = tuple(_label(item) for item in tag.iter(_ITEMS[tag.tag]) if item.get("value"))
    if to_name is None or not labels:
        return None
    kind: Kind = "Labels" if tag.tag == "Labels" else "Choices"
    return Control(tag.get("name", ""), kind, to_name, keys[to_name], labels)


def _label(item: ElementTree.Element) -> Label:
    value, alias = item.get("value", ""), item.get("alias")
    predicted = (word.strip().casefold() for word in item.get("predicted_values", "").split(","))
    words = frozenset(word.casefold() for word in (value, alias) if word)
    return Label(alias or value, words, frozenset(word for word in predicted if word))


def _emotion(label: Label) -> str | None:
    """The only emotion that the words of a label mean; None: there is none, or the config says its classes."""
    emotions = {emotion for word in label.words if (emotion := emotion_of(word))}
    return emotions.pop() if len(emotions) == 1 and not label.predicted else None
