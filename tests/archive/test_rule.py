import pytest

from emovox.archive.rule import Rule
from emovox.errors import FilterError


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("angry >= 60% for 3s", Rule("angry", ">=", 0.6, 3, None, percent=True)),
        ("愤怒 ≥ 60 ％ 持续 3 秒", Rule("angry", ">=", 0.6, 3, None, percent=True)),
        ("Angry>.6", Rule("angry", ">", 0.6, 0, None, percent=True)),
        ("arousal >= 0.7 for 2 seconds", Rule("arousal", ">=", 0.7, 2)),
        ("dimensions.valence <= −0.25", Rule("dimensions.valence", "<=", -0.25)),
        ("hot anger < 5% for 0.5s of customer", Rule("hot anger", "<", 0.05, 0.5, "customer", percent=True)),
        ("愤怒 >= 60% 持续 3 秒，限客户", Rule("angry", ">=", 0.6, 3, "customer", percent=True)),
        ("中性 >= 100% of Worker", Rule("neutral", ">=", 1.0, 0, "worker", percent=True)),
    ],
)
def test_a_rule_is_read_in_both_languages_and_as_it_is_written(text: str, rule: Rule) -> None:
    assert Rule.parse(text) == rule
    assert Rule.parse(rule.text("en")) == rule
    assert Rule.parse(rule.text("zh")) == rule


def test_as_people_read_it() -> None:
    rule = Rule.parse("愤怒 > 7% 持续 1.5 秒，限员工")
    assert str(rule) == "angry > 7% for 1.5s of worker"
    assert rule.text("zh") == "愤怒 > 7% 持续 1.5 秒，限员工"
    assert Rule.of(rule) is rule


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "write a name"),
        ("angry", "write a name"),
        ("angry = 60%", "angry >= 60% for 3s"),
        ("angry >= much", "write a name"),
        ("angry >= 60% for ever", "write a name"),
        ("angry >= 60% for 3", "write a name"),
        ("angry >= 60", "write 60%"),
        ("angry >= 160%", "0% to 100%"),
        ("angry >= -1%", "0% to 100%"),
        ("angry >= 60% for -3s", "aren't negative"),
        ("angry >= 60% of boss", "customer, worker, pupil, subject"),
        ("angry >= 60% of open", "no side is called 'open'"),
    ],
)
def test_what_is_wrong_is_said(text: str, reason: str) -> None:
    with pytest.raises(FilterError, match=r"^rule ") as caught:
        Rule.parse(text)
    assert reason in str(caught.value)
