from dataclasses import replace
from pathlib import Path

import pytest

from emovox.errors import OptionsError, PolicyError, SettingsError
from emovox.notes import listed_notes, note
from emovox.policy import PROTECTED, SIDES, Policy, Ruling, listed_sides, parse_sides, policy, side_of
from emovox.settings import settings

EU = Policy("eu")


def read(text: str, path: Path, patch: pytest.MonkeyPatch) -> Policy:
    path.write_text(text, encoding="utf-8")
    patch.setenv("EMOVOX_POLICY", str(path))
    settings.cache_clear()
    return policy()


def test_by_default_everything_is_inferred_of_everybody() -> None:
    assert policy() == Policy("open", require=(), exception=None, given=False)
    for side in (None, *SIDES):
        assert policy().rule(side) == Ruling(profile="open", inferred=True)


def test_eu_withholds_what_is_of_workers_and_pupils() -> None:
    assert (
        {side for side in SIDES if not EU.rule(side).inferred} == {"worker", "pupil"} == PROTECTED == EU.withheld
    )
    assert EU.rule(None) == Ruling(profile="eu", inferred=True)
    for side in PROTECTED:
        with pytest.raises(PolicyError, match=f"a baseline can't be had of a {side}'s voice"):
            EU.check(side, "a baseline")
    EU.check("customer", "a baseline")
    EU.check(None, "a baseline")


APPROVED = Policy("research", ethics="ETH-2026-041")
EXCEPTED = Policy("research", ethics="ETH-2026-041", exception="medical: therapy")


@pytest.mark.parametrize(
    ("own", "inferred"),
    [
        (Policy(), "customer worker pupil subject nobody"),
        (EU, "customer subject nobody"),
        (Policy("eu", exception="medical: therapy"), "customer worker pupil subject nobody"),
        (APPROVED, "subject nobody"),
        (EXCEPTED, "worker pupil subject nobody"),
    ],
)
def test_the_table_of_profiles(own: Policy, inferred: str) -> None:
    """As the module and docs/responsible-use have it."""
    said = {side or "nobody" for side in (None, *SIDES) if own.ruling(side).inferred}
    assert said == set(inferred.split())


def test_research_demands_purpose_consent_and_approval() -> None:
    assert APPROVED.require == ("purpose", "consent")
    assert Policy("research", ("side",), ethics="x").require == ("side", "purpose", "consent")
    assert APPROVED.rule("subject", "study", "form 3") == Ruling(
        profile="research", inferred=True, ethics="ETH-2026-041"
    )
    for declared in ((None, None, None), ("subject", "study", None)):
        with pytest.raises(PolicyError, match="requires"):
            APPROVED.rule(*declared)
    with pytest.raises(PolicyError, match="approval's reference"):
        Policy("research")


def test_a_file_may_abstain_and_keep_for_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'profile = "eu"\nabstain = true\nnotice = true\n[retention]\ndefault = 90\nquality = 0.5\n'
    own = read(text, tmp_path / "p.toml", monkeypatch)
    assert (own.abstain, own.notice, own.retention) == (True, True, (("default", 90.0), ("quality", 0.5)))
    assert "quality" in own.sentence
    assert own.rule(None) == Ruling(profile="eu", inferred=True, abstain=True)


def test_research_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'profile = "research"\nethics = " ETH-2026-041 "\n'
    assert read(text, tmp_path / "p.toml", monkeypatch) == replace(APPROVED, given=True)
    monkeypatch.setenv("EMOVOX_POLICY", "research")
    settings.cache_clear()
    with pytest.raises(SettingsError, match=r"approval's reference.*in a file"):
        policy()


def test_an_exception_is_written_into_the_ruling_where_it_was_needed() -> None:
    medical = Policy("eu", exception="medical: therapy")
    assert medical.rule("worker") == Ruling(profile="eu", inferred=True, exception="medical: therapy")
    assert medical.rule("customer") == Ruling(profile="eu", inferred=True)
    assert medical.withheld == set()


def test_a_side_may_be_required() -> None:
    with pytest.raises(PolicyError, match="requires a side"):
        Policy(require=("side",)).rule(None)
    assert Policy(require=("side",)).rule("worker").inferred


def test_purpose_and_consent_may_be_required() -> None:
    strict = Policy(require=("side", "purpose", "consent"))
    with pytest.raises(PolicyError, match=r"requires a side and a purpose and a consent: .*option purpose"):
        strict.rule(None)
    with pytest.raises(PolicyError, match="requires a consent: say where"):
        strict.rule("customer", "quality")
    assert strict.rule("customer", "quality", "form 12").inferred


def test_a_note_is_one_short_line() -> None:
    assert note("  quality \n of calls ") == "quality of calls"
    for wrong in ("", " ", "x" * 201, "a\x00b"):
        with pytest.raises(OptionsError, match="printable"):
            note(wrong)


def test_lists_say_purpose_and_consent_in_their_columns() -> None:
    assert listed_notes({"Purpose": " quality ", "consent": "", "path": "x"}) == {"purpose": "quality"}
    with pytest.raises(PolicyError):
        listed_notes({"consent": "x" * 300})


@pytest.mark.parametrize("name", ["open", "eu"])
def test_a_profile_may_be_named(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", name)
    settings.cache_clear()
    assert policy() == Policy(name, given=True)  # type: ignore[arg-type]


def test_a_file_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = 'profile = "eu"\nrequire = ["side", "consent"]\n[exceptions]\nreason = " medical: dysarthria "\n'
    assert read(text, tmp_path / "p.toml", monkeypatch) == Policy(
        "eu", ("side", "consent"), "medical: dysarthria", given=True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        'profile = "usa"',
        'profile = "eu"\n[exceptions]',
        'profile = "eu"\n[exceptions]\nreason = " "',
        'profile = "eu"\nexceptions = "safety"',
        'profile = "eu"\n[exceptions]\nsafety = "x"\nreason = "y"',
        'profile = "eu"\nrequire_sides = true',
        'profile = "eu"\nrequire = "side"',
        'profile = "eu"\nabstain = "yes"',
        'profile = "eu"\nnotice = 1',
        'profile = "eu"\nretention = 90',
        'profile = "eu"\n[retention]\ndefault = 0',
        'profile = "eu"\n[retention]\ndefault = true',
        'profile = "research"',
        'profile = "research"\nethics = ""',
        'profile = "research"\nethics = 41',
        'profile = "eu"\nrequire = ["sides"]',
        'profile = "eu',
    ],
)
def test_a_mistake_in_a_file_never_allows_more(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if text == 'profile = "eu"\n[exceptions]':  # an empty table is no exception
        assert read(text, tmp_path / "p.toml", monkeypatch).withheld == PROTECTED
        return
    with pytest.raises(SettingsError):
        read(text, tmp_path / "p.toml", monkeypatch)


def test_the_old_word_for_a_required_side_is_refused_with_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match=r'require_side is now require = \["side"\]'):
        read('profile = "open"\nrequire_side = true\n', tmp_path / "p.toml", monkeypatch)
    own = Policy("open", ("side",), given=True)  # batches that were begun with it go on
    assert Policy.known_facts({"profile": "open", "require_side": True, "exception": None}) == own.facts()


def test_what_is_no_file_is_no_policy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_POLICY", "EU-strict")
    settings.cache_clear()
    with pytest.raises(SettingsError, match="neither open nor eu nor research nor a file"):
        policy()


def test_sides_are_words_between_commas() -> None:
    assert parse_sides("worker") == ("worker",)
    assert parse_sides(" Customer, open,PUPIL") == ("customer", None, "pupil")
    assert parse_sides(["customer", None]) == ("customer", None)
    wrongs: list[str | list[str]] = ["agent", "", "customer,", []]
    for wrong in wrongs:
        with pytest.raises(OptionsError):
            parse_sides(wrong)


def test_sides_of_channels_must_be_those_of_the_recording() -> None:
    sides = parse_sides("customer,worker")
    assert side_of(None, 1, 2) is None
    assert side_of(parse_sides("worker"), None, 2) == side_of(parse_sides("worker"), 7, 8) == "worker"
    assert [side_of(sides, channel, 2) for channel in (1, 2)] == ["customer", "worker"]
    for channel, channels in ((None, 2), (1, 1), (None, 1), (1, 3)):
        with pytest.raises(PolicyError, match="sides of"):
            side_of(sides, channel, channels)


def test_lists_say_sides_in_their_columns() -> None:
    assert listed_sides({"path": "x"}, EU) is None
    assert listed_sides({"Side": " Worker "}, EU) == ("worker",)
    assert listed_sides({"side": "customer,worker"}, EU) == ("customer", "worker")
    assert listed_sides({"side": "", "side_2": "worker", "side_1": "customer"}, EU) == ("customer", "worker")
    assert listed_sides({"side_2": "worker", "side_1": ""}, EU) == (None, "worker")
    assert listed_sides({"side": "", "side_1": ""}, EU) is None


def test_other_words_in_such_a_column_matter_only_where_something_is_forbidden() -> None:
    row = {"side": "left"}
    assert listed_sides(row, Policy()) is None
    for strict in (EU, Policy(require=("side",))):
        with pytest.raises(PolicyError, match="'left'"):
            listed_sides(row, strict)
