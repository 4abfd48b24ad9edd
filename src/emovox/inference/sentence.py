"""The words of a summary: a headline, and one sentence that a person could repeat, in English and Chinese."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from emovox.emotions import BY_NAME

HALF = 0.5  # of the speech: what has more is what it mostly is
MOST = 2 / 3  # likewise: what leads in as much is what it is throughout


@dataclass(frozen=True)
class Stretch:
    """A part of a recording, as it is told.

    Attributes:
        classes: that lead in it; none: the model isn't sure.
        start: seconds.
        end: seconds.
        share: of all speech.
        lead: share of its own speech that its classes lead in.
    """

    classes: tuple[str, ...]
    start: float
    end: float
    share: float
    lead: float

    @property
    def key(self) -> frozenset[str]:
        """The classes, in whatever order."""
        return frozenset(self.classes)


@dataclass(frozen=True)
class Moment:
    """A moment worth hearing: its class and when it begins, seconds."""

    name: str
    start: float


@dataclass(frozen=True)
class Words:
    """What is said in one language.

    Attributes:
        unsure: instead of a class, in a headline.
        unclear: likewise, in a sentence.
        both: of two classes.
        clear: the sentence on a short recording, of what leads.
        tie: likewise, of two.
        doubt: likewise, where the model isn't sure.
        throughout: the headline of a long one that doesn't change.
        constant: its sentence, without the end.
        tied: the same of two that are level.
        once: a moment in it, with its time.
        mixed: instead of a class, of a part in which others lead in most of it.
        varied: of a long one in which no part lasts, and what leads has less than half: headline and sentence.
        mostly: how the sentence on an arc begins that has a main part; headline and sentence of a long one in
            which no part lasts, and what leads has more than half.
        doubtful: likewise, where that is unclear.
        opening: another part of it that comes first, with where it ends.
        between: one in between, with where it begins and ends.
        closing: the last, with where it begins.
        again: that it ends as it mostly is.
        first: how the sentence on an arc begins that has no main part.
        then: the next part, with where it begins.
        last: the last one.
        highest: of a value, or of a class among many, with when.
        comma: between what belongs together.
        semicolon: between the parts of an arc.
        stop: the end.
    """

    unsure: str
    unclear: str
    both: str
    clear: str
    tie: str
    doubt: str
    throughout: str
    constant: str
    tied: str
    once: str
    mixed: str
    varied: str
    mostly: str
    doubtful: str
    opening: str
    between: str
    closing: str
    again: str
    first: str
    then: str
    last: str
    highest: str
    comma: str
    semicolon: str
    stop: str


ENGLISH = Words(
    unsure="unsure",
    unclear="unclear",
    both="{} and {}",
    clear="sounds {}",
    tie="sounds both {} and {}, neither clearly ahead",
    doubt="too unclear to name: the model isn’t sure",
    throughout="{} throughout",
    constant="{} throughout",
    tied="{} and {} throughout, neither clearly ahead",
    once="{} for a moment at {}",
    mixed="changing",
    varied="changing, most often {}",
    mostly="mostly {}",
    doubtful="mostly unclear",
    opening="{} until {}",
    between="{} from {} to {}",
    closing="{} from {} to the end",
    again="{} again at the end",
    first="{} at first",
    then="{} from {}",
    last="{} from {} to the end",
    highest="{} is highest at {}",
    comma=", ",
    semicolon="; ",
    stop=".",
)
CHINESE = Words(
    unsure="不确定",
    unclear="难以判断",
    both="{}与{}",
    clear="听起来是{}的语气",
    tie="听起来既{}又{}，难分高下",
    doubt="听不真切：模型没有把握，不作判断",
    throughout="始终{}",
    constant="从头到尾都是{}",
    tied="从头到尾都在{}与{}之间，难分高下",
    once="{1} 一度{0}",
    mixed="多变",
    varied="多变，{}最多",
    mostly="以{}为主",
    doubtful="大部分难以判断",
    opening="开头{}，到 {} 为止",
    between="{1} 到 {2} {0}",
    closing="{1} 起{0}，直到结尾",
    again="结尾又回到{}",
    first="开头{}",
    then="{1} 起{0}",
    last="{1} 起{0}，直到结尾",
    highest="{}在 {} 最高",
    comma="，",
    semicolon="；",
    stop="。",
)
LANGUAGES = {"en": ENGLISH, "zh": CHINESE}


def headline(parts: Sequence[Stretch], language: str, *, long: bool) -> str:
    """What a recording was like, as a title: `neutral → angry 1:12 → neutral 2:30`.

    Args:
        parts: of its arc, in order; a single one where nothing changes, or it is short.
        language: `en` or `zh`.
        long: whether it is long enough for an arc.
    """
    words = LANGUAGES[language]
    names = [part_name(part, language) for part in parts]
    if len(parts) == 1:
        pattern = _steadiness(parts[0], words.throughout, words) if long else "{}"
        return _spaced(pattern.format(_names(parts[0].classes, language, words.unsure)))
    later = [f"{name} {clock(part.start)}" for name, part in zip(names[1:], parts[1:], strict=True)]
    return " → ".join([names[0], *later])


def sentence(parts: Sequence[Stretch], moments: Sequence[Moment], language: str, *, long: bool) -> str:
    """The same as a sentence; of one that doesn't change it says the moments, too.

    Args:
        parts: as of `headline`.
        moments: in order of time.
        language: likewise.
        long: likewise.
    """
    words = LANGUAGES[language]
    text = _changing(parts, language) if parts[1:] else _constant(parts[0], moments, language, long=long)
    return _spaced(text[:1].upper() + text[1:] + words.stop)


def _constant(part: Stretch, moments: Sequence[Moment], language: str, *, long: bool) -> str:
    """What has no parts, or is short."""
    words, names = LANGUAGES[language], [label(name, language) for name in part.classes]
    once = words.once
    if not names:
        clause = words.doubt
    elif not long:
        clause = (words.clear if len(names) == 1 else words.tie).format(*names)
    elif part.lead < MOST:
        clause = _steadiness(part, "", words).format(_names(part.classes, language, words.unclear))
        once = words.highest
    else:
        clause = (words.constant if len(names) == 1 else words.tied).format(*names)
    clauses = [
        once.format(label(item.name, language), clock(item.start))
        for item in moments
        if item.name not in part.classes
    ]
    return words.semicolon.join([clause, *([words.comma.join(clauses)] if clauses else [])])


def _steadiness(part: Stretch, throughout: str, words: Words) -> str:
    """How a long recording without parts is told, by how much of it is what it comes to."""
    if part.lead >= MOST or not part.classes:
        return throughout
    return words.mostly if part.lead >= HALF else words.varied


def _changing(parts: Sequence[Stretch], language: str) -> str:
    """An arc of several parts: what it mostly is and what else there is, or one after the other."""
    words, first, last = LANGUAGES[language], parts[0], parts[-1]
    shares: dict[frozenset[str], float] = {}
    for part in parts:
        shares[part.key] = shares.get(part.key, 0.0) + part.share * part.lead
    main = max(shares, key=lambda key: shares[key])
    names = [part_name(part, language, words.unclear) for part in parts]
    if shares[main] < HALF:
        pairs = zip(names[1:-1], parts[1:-1], strict=True)
        between = [words.then.format(name, clock(part.start)) for name, part in pairs]
        end = words.last.format(names[-1], clock(last.start))
        return words.comma.join([words.first.format(names[0]), *between, end])
    clauses = [words.mostly.format(names[[part.key for part in parts].index(main)]) if main else words.doubtful]
    for name, part in zip(names, parts, strict=True):
        if part.key == main:
            continue
        if part is first:
            clauses.append(words.opening.format(name, clock(part.end)))
        elif part is last:
            clauses.append(words.closing.format(name, clock(part.start)))
        else:
            clauses.append(words.between.format(name, clock(part.start), clock(part.end)))
    if last.key == main and first.key == main:
        clauses.append(words.again.format(names[-1]))
    return words.semicolon.join(clauses)


class Named(Protocol):
    """A part of an arc, as far as its name goes."""

    @property
    def classes(self) -> Sequence[str]:
        """As of `Stretch`."""

    @property
    def lead(self) -> float:
        """As of `Stretch`."""


def part_name(part: Named, language: str, unsure: str | None = None) -> str:
    """What leads in a part of an arc; `unsure` or its word where the model isn't sure."""
    words = LANGUAGES[language]
    if part.classes and part.lead < HALF:
        return words.mixed
    return _names(part.classes, language, unsure or words.unsure)


def _names(classes: Sequence[str], language: str, unsure: str) -> str:
    names = [label(name, language) for name in classes]
    return unsure if not names else names[0] if len(names) == 1 else LANGUAGES[language].both.format(*names)


def _spaced(text: str) -> str:
    """With a space between Chinese and what is spelt in other letters, as a model's own classes often are."""
    return re.sub(r"(?<=[\u4e00-\u9fff])(?=[A-Za-z])|(?<=[A-Za-z])(?=[\u4e00-\u9fff])", " ", text)


def label(name: str, language: str) -> str:
    """An emotion in a language; a class of a model's own as it spells it, in one line."""
    return BY_NAME[name].label(language) if name in BY_NAME else " ".join(name.split())


def clock(seconds: float) -> str:
    """A time to the second: `1:12`, `1:02:03`."""
    minutes, rest = divmod(int(seconds + 0.5), 60)
    return f"{minutes}:{rest:02}" if minutes < 60 else f"{minutes // 60}:{minutes % 60:02}:{rest:02}"
