"""The policy: of whose voice emotions may be inferred. It decides before a model runs, and nothing else does.

Under the profile `eu` the voice of somebody at work or in education gives its talk time and nothing else, as
Article 5(1)(f) of Regulation (EU) 2024/1689 (the AI Act) forbids to infer their emotions, but for medical or
safety reasons. `research` covers who takes part in an approved study, and nobody else. Under `open`, the default,
everything is inferred of everybody: the law elsewhere may be another.

    what is inferred of    customer    worker, pupil                 subject     nobody says    demanded
    open                   all         all                           all         all            what `require` says
    eu                     all         talk time, or an exception    all         all            what `require` says
    research               talk time   talk time, or an exception    all         all            purpose, consent
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, cast, get_args

from pydantic import BaseModel, ConfigDict, Field

from emovox.errors import OptionsError, PolicyError, SettingsError
from emovox.notes import NOTES, note
from emovox.settings import settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Side = Literal["customer", "worker", "pupil", "subject"]
"""Whose voice it is: a customer's, somebody's at work or in education, or a participant's in a study."""
Profile = Literal["open", "eu", "research"]
SIDES: tuple[Side, ...] = get_args(Side)
PROFILES: tuple[Profile, ...] = get_args(Profile)
Demand = Literal["side", "purpose", "consent"]
"""What a policy may demand to be declared of a recording."""
DEMANDS: tuple[Demand, ...] = get_args(Demand)
LEFT_OPEN = "open"
"""Instead of a side, in a list of those of channels: nobody says whose voice it is."""
LONGEST = 365_000
"""Days of a retention, at most."""
PROTECTED: frozenset[Side] = frozenset({"worker", "pupil"})
_ASKED = {
    "side": f"say whose voice it is, one of {', '.join(SIDES)}",
    "purpose": "say what it is recognised for (option purpose), as quality",
    "consent": "say where the consent is kept (option consent), as form 12/2026",
}


class Ruling(BaseModel):
    """What a policy decided of one voice."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    profile: Profile = Field(description="of the policy: `eu`, `research`, or `open`, which allows everything")
    inferred: bool = Field(description="whether anything was inferred; if not there is talk time alone")
    exception: str | None = Field(
        None,
        description="the medical or safety reason that the policy gives for inferring all the same",
        exclude_if=lambda value: value is None,
    )
    ethics: str | None = Field(
        None,
        description="reference of the approval that the profile `research` needs",
        exclude_if=lambda value: value is None,
    )
    abstain: bool = Field(
        False,
        description="whether nothing is given where the model is unsure; left out if it is",
        exclude_if=lambda value: not value,
    )


@dataclass(frozen=True)
class Policy:
    """Of whose voice emotions may be inferred.

    Attributes:
        profile: `eu`, `research` or `open`.
        require: what must be declared of a recording.
        exception: a medical or safety reason for which protected voices are inferred, too.
        ethics: reference of the approval of a study; `research` needs one, and demands purpose and consent.
        abstain: whether nothing is given where the model is unsure.
        retention: days after which results go, by purpose; `default` is that of all others.
        notice: whether live streams must say that their speakers were told.
        given: whether somebody chose it.
    """

    profile: Profile = "open"
    require: tuple[Demand, ...] = ()
    exception: str | None = None
    ethics: str | None = None
    abstain: bool = False
    retention: tuple[tuple[str, float], ...] = ()
    notice: bool = False
    given: bool = False

    def __post_init__(self) -> None:
        if self.profile == "research":
            if self.ethics is None:
                raise PolicyError('the profile research needs the approval\'s reference: ethics = "ETH-2026-041"')
            needed = {*self.require, *NOTES}
            object.__setattr__(self, "require", tuple(name for name in DEMANDS if name in needed))

    def rule(self, side: Side | None, purpose: str | None = None, consent: str | None = None) -> Ruling:
        """Decide of a recording before it is inferred.

        Args:
            side: whose voice it is; None: nobody says.
            purpose: what it is recognised for; None: nobody says.
            consent: where the consent is kept; None: nobody says.

        Raises:
            PolicyError: something of this must be said.
        """
        self.demand(side, purpose, consent)
        return self.ruling(side)

    def ruling(self, side: Side | None) -> Ruling:
        """What is decided of a voice, whatever else must be declared: of results that there are already."""
        excepted = self.exception if self.profile != "open" and side in PROTECTED else None
        return Ruling(
            profile=self.profile,
            inferred=side not in self.withheld,
            exception=excepted,
            ethics=self.ethics,
            abstain=self.abstain,
        )

    def demand(self, side: Side | None, purpose: str | None = None, consent: str | None = None) -> None:
        """Refuse a recording of which something isn't declared that must be. Arguments as of `rule`.

        Raises:
            PolicyError: it names what is missing.
        """
        declared = {"side": side, "purpose": purpose, "consent": consent}
        missing = [name for name in self.require if declared[name] is None]
        if missing:
            advice = "; ".join(_ASKED[name] for name in missing)
            raise PolicyError(f"the policy requires a {' and a '.join(missing)}: {advice}")

    def check(self, side: Side | None, what: str) -> None:
        """Refuse what can't be had of a voice at all.

        Args:
            side: whose it is.
            what: what was asked for, as the beginning of a sentence.

        Raises:
            PolicyError: nothing may be inferred of it.
        """
        if side in self.withheld:
            raise PolicyError(
                f"{what} can't be had of a {side}'s voice: the policy {self.profile} allows talk time alone"
            )

    @property
    def withheld(self) -> frozenset[Side]:
        """The sides of which nothing may be inferred."""
        protected = PROTECTED if self.exception is None else frozenset[Side]()
        customers = frozenset[Side]({"customer"})
        return {"open": frozenset[Side](), "eu": protected, "research": protected | customers}[self.profile]

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "profile": self.profile,
            "require": list(self.require),
            "exception": self.exception,
            "ethics": self.ethics,
            "abstain": self.abstain,
        }

    @classmethod
    def known_facts(cls, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Facts that an earlier version wrote down, as `facts` gives them: what it didn't know had its default."""
        old = {"require": ["side"]} if facts.get("require_side") else {}
        return {**cls().facts(), **old, **{name: value for name, value in facts.items() if name != "require_side"}}

    @property
    def sentence(self) -> str:
        """What it means, for logs."""
        rules = "everything is inferred of everybody"
        if self.withheld:
            rules = f"nothing but talk time of {', '.join(f'{side}s' for side in SIDES if side in self.withheld)}"
        if self.profile != "open" and self.exception is not None:
            rules += f"; workers and pupils too, for this reason: {self.exception}"
        if self.ethics is not None:
            rules += f"; approved as {self.ethics}"
        if self.retention:
            rules += f"; deleted after {', '.join(f'{days:g} days ({name})' for name, days in self.retention)}"
        if self.notice:
            rules += "; who speaks live must be told"
        if self.abstain:
            rules += "; nothing where the model is unsure"
        required = f"; required: {', '.join(self.require)}" if self.require else ""
        return f"policy {self.profile}: {rules}{required}"


def policy() -> Policy:
    """The policy of this process, by the setting `policy`.

    Raises:
        SettingsError: it is none.
    """
    return _read(settings().policy)


@lru_cache(maxsize=4)
def _read(named: str | None) -> Policy:
    if named is None:
        return Policy()
    if named in PROFILES:
        try:
            return Policy(named, given=True)
        except PolicyError as error:
            raise SettingsError(f"setting policy: {error}, in a file: its path is the setting") from error
    try:
        content = tomllib.loads(Path(named).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"setting policy: {named!r} is neither {' nor '.join(PROFILES)} nor a file") from None
    except (OSError, ValueError) as error:
        raise SettingsError(f"setting policy: {named} can't be read: {error}") from error
    return _of(content, named)


def _of(content: dict[str, Any], path: str) -> Policy:
    """The policy that a file describes; a mistake in it must not make it allow more."""
    exceptions = content.get("exceptions", {})
    unknown = {*content} - {"profile", "require", "ethics", "abstain", "retention", "notice", "exceptions"}
    if isinstance(exceptions, dict):
        unknown |= {f"exceptions.{name}" for name in {*exceptions} - {"reason"}}
    if unknown:
        names = ", ".join(sorted(unknown))
        keys = "profile, require, ethics, abstain, notice, [retention] and [exceptions] reason"
        old = '; require_side is now require = ["side"]' if "require_side" in unknown else ""
        raise SettingsError(f"{path}: {names}: a policy has {keys}{old}")
    profile = content.get("profile")
    if profile not in PROFILES:
        raise SettingsError(f"{path}: profile must be {', '.join(PROFILES[:-1])} or {PROFILES[-1]}")
    required = _required(content, path)
    reason = exceptions.get("reason") if isinstance(exceptions, dict) else exceptions
    if exceptions != {} and not (isinstance(exceptions, dict) and isinstance(reason, str) and reason.strip()):
        raise SettingsError(f"{path}: [exceptions] needs a reason in words, medical or of safety")
    exception = reason.strip() if isinstance(reason, str) else None
    try:
        return Policy(
            cast("Profile", profile),
            required,
            exception,
            _ethics(content, path),
            _flag(content, "abstain", path),
            _retention(content, path),
            _flag(content, "notice", path),
            given=True,
        )
    except PolicyError as error:
        raise SettingsError(f"{path}: {error}") from error


def _flag(content: dict[str, Any], name: str, path: str) -> bool:
    value = content.get(name, False)
    if not isinstance(value, bool):
        raise SettingsError(f"{path}: {name} must be true or false")
    return value


def _retention(content: dict[str, Any], path: str) -> tuple[tuple[str, float], ...]:
    table = content.get("retention", {})
    if not isinstance(table, dict):
        raise SettingsError(f"{path}: retention must be a table, [retention]")
    for purpose, days in table.items():
        if isinstance(days, bool) or not isinstance(days, (int, float)) or not 0 < days <= LONGEST:
            raise SettingsError(f"{path}: [retention] {purpose} must be days, up to {LONGEST:,}")
    return tuple((purpose, float(days)) for purpose, days in table.items())


def _ethics(content: dict[str, Any], path: str) -> str | None:
    value = content.get("ethics")
    try:
        return None if value is None else note(str(value) if isinstance(value, str) else "")
    except OptionsError as error:
        raise SettingsError(f"{path}: ethics must be the approval's reference, in a few words") from error


def _required(content: dict[str, Any], path: str) -> tuple[Demand, ...]:
    names = content.get("require", [])
    if not isinstance(names, list) or not all(name in DEMANDS for name in names):
        raise SettingsError(f"{path}: require must be a list of {', '.join(DEMANDS)}")
    return tuple(name for name in DEMANDS if name in names)


Sides = tuple[Side | None, ...]
"""Those of the channels, in order; a single one is that of all."""


def parse_sides(value: str | Iterable[str | None]) -> Sides:
    """The sides that are meant: one, or one for each channel between commas.

    Raises:
        OptionsError: there is no such side.
    """
    words = value.split(",") if isinstance(value, str) else value
    names = [LEFT_OPEN if word is None else str(word).strip().lower() for word in words]
    for name in names:
        if name not in {*SIDES, LEFT_OPEN}:
            raise OptionsError(f"side {name!r}: choose {', '.join(SIDES)}, or {LEFT_OPEN} where nobody says")
    if not names:
        raise OptionsError(f"side: name one of {', '.join(SIDES)}")
    return tuple(None if name == LEFT_OPEN else cast("Side", name) for name in names)


def side_of(sides: Sequence[Side | None] | None, channel: int | None, channels: int) -> Side | None:
    """Whose voice a channel is, or a recording with all its channels together.

    Args:
        sides: as declared; None: not at all.
        channel: from 1; None: all of them together.
        channels: of the recording.

    Raises:
        PolicyError: sides are declared of other channels than there are, so it isn't known whose voice is where.
    """
    if not sides:
        return None
    if len(sides) == 1:
        return sides[0]
    if channels != len(sides):
        raise PolicyError(f"sides of {len(sides)} channels are declared, and this recording has {channels}")
    if channel is None:
        raise PolicyError("sides of several channels are declared: recognise each channel by itself")
    return sides[channel - 1]


_COLUMN = re.compile(r"side(?:_(\d{1,2}))?")


def is_of_sides(column: str) -> bool:
    """Whether a list's column may say whose voice a recording is."""
    return _COLUMN.fullmatch(column.strip().casefold()) is not None


def listed_sides(row: Mapping[str, str], policy: Policy) -> Sides | None:
    """What a list says of a recording: in its column `side`, or `side_1`, `side_2`… of its channels.

    While everything is allowed, other words in them than sides mean nothing: the column may be about something
    else.

    Args:
        row: of the list, by column.
        policy: that will decide.

    Returns:
        None: it says nothing.

    Raises:
        PolicyError: it isn't understood, and the policy would have to decide by it.
    """
    cells = {match[1]: value for key, value in row.items() if (match := _COLUMN.fullmatch(key.strip().casefold()))}
    whole = cells.pop(None, "").strip()
    channels = {int(number): value.strip() for number, value in cells.items() if number}
    try:
        if whole:
            return parse_sides(whole)
        if any(channels.values()):
            return parse_sides(channels.get(number) or LEFT_OPEN for number in range(1, max(channels) + 1))
    except OptionsError as error:
        if policy.profile != "open" or "side" in policy.require:
            raise PolicyError(str(error)) from error
    return None
