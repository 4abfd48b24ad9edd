"""The declaration of the options, and what is made of it."""

import inspect
from typing import Any, get_type_hints

import pytest

from emovox.errors import OptionsError
from emovox.inference.options import OptionArguments, Options, declared
from emovox.inference.recognizer import Recognizer


def test_type_checkers_are_told_what_is_declared() -> None:
    told, kinds = get_type_hints(OptionArguments), get_type_hints(Options)
    assert sorted(told) == sorted(declared(Options))
    freer = {"head", "baseline", "expect", "side", "words"}  # by name, path or text, too
    assert {name: kind for name, kind in told.items() if name not in freer} == {
        name: kind for name, kind in kinds.items() if name not in freer
    }


def test_the_docstring_tells_every_option() -> None:
    text = inspect.getdoc(Recognizer.recognize) or ""
    for name, info in declared(Options).items():
        assert f"{name}: {str(info.description)[:40]}" in text


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"granularity": "word"}, "granularity 'word': choose utterance or frame"),
        ({"smoothing": -1}, "smoothing -1: give 0 to 3600"),
        ({"smoothing": float("nan")}, "smoothing nan: give 0 to 3600"),
        ({"channel": 0}, "channel 0: give 1 or more"),
        ({"track": 0}, "track 0: give 1 to 1024"),
        ({"track": 1025}, "track 1025: give 1 to 1024"),
    ],
)
def test_a_wrong_value_is_refused_with_advice(wrong: dict[str, Any], advice: str) -> None:
    with pytest.raises(OptionsError) as error:
        Options.of(**wrong)
    assert str(error.value) == advice


def test_the_ends_of_the_limits_are_well() -> None:
    assert Options(smoothing=0, channel=1, track=1).smoothing == 0
    assert Options(smoothing=3600, channel=1000, track=1024).track == 1024


def test_an_unknown_option_is_named() -> None:
    with pytest.raises(TypeError, match="'loud'"):
        Options.of(loud=True)  # type: ignore[call-arg]


def test_what_exports_show_is_wanted() -> None:
    assert Options(merge=True).segments
    assert Options().showing(["segments"]) == Options(segments=True)
    assert Options(smoothing=2).showing(["frames"]) == Options(granularity="frame", smoothing=2)
    assert Options(segments=True).showing([]) == Options(segments=True)
