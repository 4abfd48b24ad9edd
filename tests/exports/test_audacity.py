from emovox.exports import audacity
from support.results import recognition, recording, segment


def test_what_audacity_imports() -> None:
    segments = [segment(0, 1.5, "angry"), segment(7199.25, 7200, "sad", confidence=0.996)]
    result = recognition(recording=recording(7200), segments=segments)
    assert "".join(audacity.lines(result, "en")) == (
        "0.000000\t1.500000\tangry 75 %\n7199.250000\t7200.000000\tsad 100 %\n"
    )
    assert "".join(audacity.lines(result, "zh")).split()[2] == "愤怒"


def test_silence() -> None:
    assert "".join(audacity.lines(recognition(segments=[]), "en")) == ""
