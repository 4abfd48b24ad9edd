import string
from typing import Any, get_args

import pytest

import emovox
from emovox.notices.notice import AUDIENCES, _texts, languages, notice
from emovox.policy import Policy

FACTS: dict[str, Any] = {"operator": "Acme", "purpose": "quality", "contact": "a@b.example", "days": 30}


def fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_each_language_says_the_same() -> None:
    assert len(languages()) == 10
    english = _texts()["en"]
    for language, texts in _texts().items():
        assert texts.keys() == english.keys(), language
        for name, text in texts.items():
            assert fields(text) == fields(english[name]), (language, name)
            assert text[-1] in ".。", (language, name)


@pytest.mark.parametrize("language", ["en", "zh", "de", "fr", "es", "it", "pt", "nl", "pl", "ja"])
@pytest.mark.parametrize("audience", AUDIENCES)
def test_all_that_is_given_is_in_it(language: str, audience: Any) -> None:
    text = notice(language, audience, model="lite 5.3", policy=Policy(), **FACTS)
    assert all(str(value) in text for value in ("lite 5.3", *FACTS.values()))
    assert "{" not in text


def test_what_is_not_known_is_not_said() -> None:
    text = notice("en", "callers", model="lite 5.3", policy=Policy())
    assert "responsible" not in text
    assert "deleted" not in text
    assert "None" not in text


def test_it_says_what_the_policy_withholds_and_no_more() -> None:
    said = {
        profile: "employees are not analysed"
        in notice("en", "callers", model="m", policy=Policy(profile), **FACTS)
        for profile in get_args(type(Policy().profile)) or ("open", "eu")
    }
    assert said == {"open": False, "eu": True}
    excepted = Policy("eu", exception="medical: therapy")
    assert "employees" not in notice("en", "callers", model="m", policy=excepted, **FACTS)


def test_aloud_it_is_short_and_names_whom_to_ask() -> None:
    whole = notice("de", "callers", model="m", policy=Policy("eu"), **FACTS)
    short = notice("de", "callers", model="m", policy=Policy("eu"), aloud=True, **FACTS)
    assert len(short) < len(whole) * 0.8
    assert "a@b.example" in short


def test_another_language_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(emovox.OptionsError, match="there are en, zh, de"):
        notice("xx", "callers", model="m", policy=Policy())
