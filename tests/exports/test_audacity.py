from emovox.exports import audacity
from support.results import classes, nothing, recognition, recording, segment, values


def test_what_audacity_imports() -> None:
    segments = [segment(0, 1.5, "angry"), segment(7199.25, 7200, "sad", confidence=0.996)]
    result = recognition(recording=recording(7200), segments=segments)
    assert "".join(audacity.lines(result, "en")) == (
        "0.000000\t1.500000\tangry 75 %\n7199.250000\t7200.000000\tsad 100 %\n"
    )
    assert "".join(audacity.lines(result, "zh")).split()[2] == "愤怒"


def test_silence() -> None:
    assert "".join(audacity.lines(recognition(segments=[]), "en")) == ""


def test_models_that_do_not_give_the_nine() -> None:
    mood, own = values(arousal=0.625, valence=0.25), classes(**{"rab\tbia\n": 0.75, "gioia": 0.25})
    segments = [
        segment(0, 1, **nothing(), readouts={"dimensions": mood}),
        segment(1, 2, **nothing(), readouts={"dimensions": mood, "emotion": own}),
    ]
    lines = "".join(audacity.lines(recognition(recording=recording(9), segments=segments), "zh")).splitlines()
    assert [line.split("\t")[2] for line in lines] == ["arousal 0.62 · valence 0.25", "rab bia 75 %"]
