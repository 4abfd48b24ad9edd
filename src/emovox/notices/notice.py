"""What people are told before emotions are inferred from their voices: Article 50(3) of the AI Act demands it."""

import string
import sys
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal, get_args

from emovox.errors import OptionsError
from emovox.policy import Policy

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

Audience = Literal["callers", "participants", "visitors"]
AUDIENCES: tuple[Audience, ...] = get_args(Audience)
ALOUD = ("limits", "rights")
"""What is left of a notice that is read aloud, after its first sentence."""
_ORDER = ("operator", "purpose", "limits", "withheld", "local", "retention", "rights")


@lru_cache(maxsize=1)
def _texts() -> dict[str, dict[str, str]]:
    content = files("emovox.notices").joinpath("texts.toml").read_text(encoding="utf-8")
    texts: dict[str, dict[str, str]] = tomllib.loads(content)
    return texts


def languages() -> tuple[str, ...]:
    """Codes of the languages that there are texts in."""
    return tuple(_texts())


def notice(
    language: str,
    audience: Audience,
    *,
    model: str,
    policy: Policy,
    aloud: bool = False,
    **facts: str | int | None,
) -> str:
    """The text of a notice.

    Args:
        language: one of `languages()`.
        audience: who is told.
        model: its name and revision.
        policy: under which it is used; where it withholds the emotions of workers, the text says so.
        aloud: a short one, to be read to callers.
        facts: `operator`, `purpose`, `contact`, and `days` after which results are deleted. What isn't known isn't
            said.

    Raises:
        OptionsError: there is no text in that language.
    """
    try:
        texts = _texts()[language]
    except KeyError:
        raise OptionsError(f"no notice in {language!r}: there are {', '.join(languages())}") from None
    fields: dict[str, Any] = {
        "model": model,
        **{name: value for name, value in facts.items() if value is not None},
    }
    parts = [audience, *(part for part in _ORDER if not aloud or part in ALOUD)]
    if "worker" not in policy.withheld:
        parts = [part for part in parts if part != "withheld"]
    sentences = [texts[part] for part in parts if _needs(texts[part]) <= fields.keys()]
    gap = "" if language in {"zh", "ja"} else " "
    return gap.join(sentence.format(**fields) for sentence in sentences)


def _needs(sentence: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(sentence) if name}
