"""The policy: of whose voice emotions may be inferred. It decides before a model runs, and nothing else does.

Under the profile `eu` the voice of somebody at work or in education gives its talk time and nothing else, as
Article 5(1)(f) of Regulation (EU) 2024/1689 (the AI Act) forbids to infer their emotions, but for medical or
safety reasons. Under `open`, the default, everything is inferred of everybody: the law elsewhere may be another.
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
from emovox.settings import settings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Side = Literal["customer", "worker", "pupil", "subject"]
"""Whose voice it is: a customer's, somebody's at work or in education, or a participant's in a study."""
Profile = Literal["open", "eu"]
SIDES: tuple[Side, ...] = get_args(Side)
PROFILES: tuple[Profile, ...] = get_args(Profile)
LEFT_OPEN = "open"
"""Instead of a side, in a list of those of channels: nobody says whose voice it is."""
PROTECTED: frozenset[Side] = frozenset({"worker", "pupil"})


class Ruling(BaseModel):
    """What a policy decided of one voice."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    profile: Profile = Field(description="of the policy: `eu`, or `open`, which allows everything")
    inferred: bool = Field(description="whether anything was inferred; if not there is talk time alone")
    exception: str | None = Field(
        None,
        description="the medical or safety reason that the policy gives for inferring all the same",
        exclude_if=lambda value: value is None,
    )


@dataclass(frozen=True)
class Policy:
    """Of whose voice emotions may be inferred.

    Attributes:
        profile: `eu` or `open`.
        require_side: whether it must be said whose voice a recording is.
        exception: a medical or safety reason for which protected voices are inferred, too.
        given: whether somebody chose it.
    """

    profile: Profile = "open"
    require_side: bool = False
    exception: str | None = None
    given: bool = False

    def rule(self, side: Side | None) -> Ruling:
        """Decide of a voice; None: nobody says whose it is.

        Raises:
            PolicyError: that must be said.
        """
        self.require(side)
        excepted = self.exception if self.profile == "eu" and side in PROTECTED else None
        return Ruling(profile=self.profile, inferred=side not in self.withheld, exception=excepted)

    def require(self, side: Side | None) -> None:
        """Refuse a voice of which nobody says whose it is, if the policy demands that.

        Raises:
            PolicyError: it does.
        """
        if side is None and self.require_side:
            raise PolicyError(f"the policy requires a side: say whose voice it is, one of {', '.join(SIDES)}")

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
        return PROTECTED if self.profile == "eu" and self.exception is None else frozenset()

    def facts(self) -> dict[str, Any]:
        """As plain data."""
        return {"profile": self.profile, "require_side": self.require_side, "exception": self.exception}

    @property
    def sentence(self) -> str:
        """What it means, for logs."""
        rules = "everything is inferred of everybody"
        if self.profile == "eu":
            rules = "nothing but talk time of workers and pupils"
            if self.exception is not None:
                rules = f"workers and pupils too, for this reason: {self.exception}"
        return f"policy {self.profile}: {rules}{'; a side is required' if self.require_side else ''}"


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
        return Policy(named, given=True)
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
    unknown = {*content} - {"profile", "require_side", "exceptions"}
    if isinstance(exceptions, dict):
        unknown |= {f"exceptions.{name}" for name in {*exceptions} - {"reason"}}
    if unknown:
        raise SettingsError(f"{path}: {', '.join(sorted(unknown))}: a policy has profile, require_side and "
                            "[exceptions] reason")  # fmt: skip
    profile, required = content.get("profile"), content.get("require_side", False)
    if profile not in PROFILES:
        raise SettingsError(f"{path}: profile must be {' or '.join(PROFILES)}")
    if not isinstance(required, bool):
        raise SettingsError(f"{path}: require_side must be true or false")
    reason = exceptions.get("reason") if isinstance(exceptions, dict) else exceptions
    if exceptions != {} and not (isinstance(exceptions, dict) and isinstance(reason, str) and reason.strip()):
        raise SettingsError(f"{path}: [exceptions] needs a reason in words, medical or of safety")
    exception = reason.strip() if isinstance(reason, str) else None
    return Policy(cast("Profile", profile), required, exception, given=True)


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
        if policy.profile != "open" or policy.require_side:
            raise PolicyError(str(error)) from error
    return None
