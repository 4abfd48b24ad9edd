import pytest

from emovox.inference.sentence import Moment
from emovox.inference.value_sentence import step, value_words

TABLE = {
    (0.1, 0.1): ("Sounds very calm and very negative.", "听起来非常平静，非常消极。"),
    (0.3, 0.3): ("Sounds calm and rather negative.", "听起来平静，偏消极。"),
    (0.5, 0.5): (
        "Sounds moderately aroused and neither negative nor positive.",
        "听起来不算平静也不算激动，不消极也不积极。",
    ),
    (0.7, 0.7): ("Sounds aroused and rather positive.", "听起来激动，偏积极。"),
    (0.9, 0.95): ("Sounds very aroused and very positive.", "听起来非常激动，非常积极。"),
    (-0.2, 1.3): ("Sounds very calm and very positive.", "听起来非常平静，非常积极。"),
    (0.9, 0.3): ("Sounds very aroused and rather negative.", "听起来非常激动，偏消极。"),
}


@pytest.mark.parametrize(("numbers", "said"), TABLE.items(), ids=str)
def test_arousal_and_valence_are_said_in_words(numbers: tuple[float, float], said: tuple[str, str]) -> None:
    arousal, valence = numbers
    for low, high in ((0, 1), (1, 7), (-1, 1)):
        scaled = {
            "valence": low + valence * (high - low),  # in whatever order a model gives them
            "Arousal": low + arousal * (high - low),
        }
        for language, sentence in zip(("en", "zh"), said, strict=True):
            assert value_words(scaled, (low, high), [], language)[1] == sentence


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, 0), (0.19, 0), (0.2, 1), (0.39, 1), (0.4, 2), (0.5, 2), (0.6, 2), (0.61, 3), (0.8, 3), (0.81, 4), (1, 4)],
)
def test_the_steps_are_fifths_of_the_range(value: float, expected: int) -> None:
    assert step(value, (0, 1)) == expected
    assert step(1 + 6 * value, (1, 7)) == expected


def test_dominance_is_said_where_it_stands_out() -> None:
    values = {"arousal": 0.3, "dominance": 0.5, "valence": 0.3}
    assert value_words(values, (0, 1), [], "en")[1] == "Sounds calm and rather negative."
    values["dominance"] = 0.75
    assert value_words(values, (0, 1), [], "en")[1] == "Sounds calm, rather negative and rather dominant."
    assert value_words(values, (0, 1), [], "zh")[1] == "听起来平静，偏消极，偏强势。"
    assert value_words({"dominance": 0.5}, (0, 1), [Moment("dominance", 62)], "en")[1] == "Most dominant at 1:02."


def test_moments_have_words_of_their_own() -> None:
    moments = [Moment("valence", 0), Moment("arousal", 72)]
    values = {"arousal": 0.3, "valence": 0.3}
    title, said = value_words(values, (0, 1), moments, "en")
    assert title == "arousal 0.30 · valence 0.30"
    assert said == "Sounds calm and rather negative; most positive at 0:00, most aroused at 1:12."
    assert value_words(values, (0, 1), moments, "zh")[1] == "听起来平静，偏消极；0:00 最积极，1:12 最激动。"


def test_what_it_does_not_know_is_told_as_numbers() -> None:
    values = {"arousal": 0.3, "Kraft": -0.001}
    assert value_words(values, (0, 1), [Moment("Kraft", 5)], "en")[1] == (
        "Sounds calm; Kraft 0.00; Kraft is highest at 0:05."
    )
    said = "Arousal 0.30, valence 0.30; arousal is highest at 1:12."
    values = {"arousal": 0.3, "valence": 0.3}
    assert value_words(values, None, [Moment("arousal", 72)], "en")[1] == said
    assert value_words({"x": 1.0}, (0, 1), [], "zh")[1] == "X 1.00。"
