from pathlib import Path

import pytest

from emovox.errors import LabelsError
from emovox.labels.aliases import to_classes

LIST = Path("x.csv")


def test_a_class_of_a_model_is_meant_by_its_name_and_by_its_emotion() -> None:
    classes, emotions = ("rabbia", "gioia", "noia"), {"rabbia": "angry", "gioia": "happy"}
    labels = ["Rabbia", "anger", "开心", "noia", "x"]
    meaning = to_classes(labels, classes, {"x": ""}, LIST, emotions)
    assert meaning == {"Rabbia": "rabbia", "anger": "rabbia", "开心": "gioia", "noia": "noia", "x": None}
    with pytest.raises(LabelsError, match="no class for the labels 'anger', '开心'; the classes are rabbia"):
        to_classes(labels, classes, {"x": ""}, LIST)


def test_an_emotion_that_two_classes_are_means_neither() -> None:
    classes, emotions = ("irritated", "livid", "happy"), {"irritated": "angry", "livid": "angry", "happy": "happy"}
    assert to_classes(["livid", "joy"], classes, {}, LIST, emotions) == {"livid": "livid", "joy": "happy"}
    with pytest.raises(LabelsError, match=r"no class for the label 'Wut'.*--labels-map Wut=CLASS"):
        to_classes(["Wut"], classes, {}, LIST, emotions)
