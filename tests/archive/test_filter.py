import pickle

import pytest

from emovox.archive import Filter
from emovox.archive.readings import Comparison
from emovox.errors import FilterError


@pytest.mark.parametrize(
    ("word", "comparison"),
    [
        ("arousal>0.7", Comparison("arousal", ">", 0.7)),
        ("arousal >= 1e-3", Comparison("arousal", ">=", 0.001)),
        ("dimensions.arousal<-1", Comparison("dimensions.arousal", "<", -1.0)),
        ("emotion.生气/angry<=.5", Comparison("emotion.生气/angry", "<=", 0.5)),
        ("myhead=promoter", Comparison("myhead", "=", "promoter")),
        ("myhead.label = a = b", Comparison("myhead.label", "=", "a = b")),
        ("emotion=rabbia", Comparison("emotion", "=", "rabbia")),
    ],
)
def test_comparisons(word: str, comparison: Comparison) -> None:
    where = Filter.parse([word, "emotion=愤怒", "name=a>b"])
    assert where == Filter(emotion="angry", name="a>b", comparisons=(comparison,))
    assert pickle.loads(pickle.dumps(where)) == where  # noqa: S301  our own


@pytest.mark.parametrize(
    "word",
    ["", "arousal", "arousal>", ">0.7", "arousal>high", "arousal>nan", "arousal>inf", "=x", "tag=", "emotion="],
)
def test_words_that_mean_nothing(word: str) -> None:
    with pytest.raises(FilterError, match="write emotion=…, tag=…"):
        Filter.parse([word])
