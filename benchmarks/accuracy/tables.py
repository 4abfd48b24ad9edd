"""The tables of docs/accuracy.md, in either language."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from benchmarks.accuracy.cells import SEEN, UNSEEN, UNSTATED, Cell
from benchmarks.accuracy.left_out import LeftOut, left_out
from benchmarks.accuracy.words import KINDS, TITLES, WORDS
from emovox.emotions import EMOTIONS
from emovox.models.named import CATALOG

NAME = "accuracy"
ORDER = ("emodb", "ravdess", "nemo", "emospeech_cmd", "emogator")
BASELINES = ("none", "corpus", "speaker")
_CHINESE = {emotion.name: emotion.chinese for emotion in EMOTIONS}

Facts = dict[str, Any]


def tables(facts: Facts, language: str) -> str:
    """All of them, in Markdown.

    Args:
        facts: as `benchmarks/accuracy.json` has them.
        language: `en` or `zh`.
    """
    return "\n\n".join(_parts(facts, language))


def _parts(facts: Facts, language: str) -> Iterator[str]:
    words = WORDS[language]
    cells = sorted(facts["cells"].values(), key=_place)
    lists = [cell for cell in cells if not cell["corpus"].startswith("EmoBox")]
    figures = left_out()
    yield _measured_with(facts, language)
    yield words["marks"]
    yield f"### {words['corpora']}"
    yield grid(words["corpora columns"], list(_corpora(lists, language)))
    yield f"### {words['of classes']}"
    rows = [_line(cell, figures, language) for cell in lists if "figures" in cell]
    yield grid(words["columns"], rows)
    yield f"### {words['left out']}"
    yield words["left out is"]
    rows = [_left_out_line(item, language) for item in figures if item.nine is not None]
    yield grid(words["left out columns"], rows)
    yield f"### {words['of one class']}"
    yield grid(words["one class columns"], [_one_class(cell, language) for cell in lists if "taken_for" in cell])
    yield f"### {words['EmoBox']}"
    rows = [_folds(cell, language) for cell in cells if cell["corpus"].startswith("EmoBox") and "figures" in cell]
    yield grid(words["EmoBox columns"], rows) if rows else words["no EmoBox"]
    yield f"### {words['not measured']}"
    yield words["weights"]
    yield grid(words["not measured columns"], list(_not_measured(facts, language)))
    if facts["refused"]:
        yield words["refused"] + "\n\n" + "\n".join(_refused(facts))


def grid(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def figure(value: float, interval: Sequence[float]) -> str:
    """A share with its 95 % interval."""
    low, high = interval
    return f"{value:.3f} ({low:.3f}–{high:.3f})"


def _place(cell: Cell) -> tuple[int, str, int, str]:
    corpus, name = cell["corpus"], cell["model"]["name"]
    names = [entry.name for entry in CATALOG]
    return (
        ORDER.index(corpus) if corpus in ORDER else len(ORDER),
        corpus,
        names.index(name) if name in names else len(names),
        f"{name} {cell['model']['revision']}",
    )


def _measured_with(facts: Facts, language: str) -> str:
    dates = sorted({cell["date"] for cell in facts["cells"].values()})
    days = "–".join(dict.fromkeys([dates[0], dates[-1]]))
    models = {
        f"{model['name']} {model['revision']} ({model['precision']}, sha256 {model['checksum'][:8]}…)": None
        for model in (cell["model"] for cell in sorted(facts["cells"].values(), key=_place))
    }
    words = WORDS[language]
    return str(words["measured"].format(days=days, models=words["and"].join(sorted(models)), **facts["versions"]))


def _corpora(cells: Sequence[Cell], language: str) -> Iterator[list[str]]:
    """A line for each corpus, of the model that was compared on most of its classes."""
    by_corpus: dict[str, Cell] = {}
    for cell in cells:
        other = by_corpus.setdefault(cell["corpus"], cell)
        if len(cell["classes"]) > len(other["classes"]):
            by_corpus[cell["corpus"]] = cell
    for corpus, cell in by_corpus.items():
        kind = KINDS[corpus][language != "en"] if corpus in KINDS else ""
        names = cell["classes"]
        classes = _emotion(names[0], language) if len(names) == 1 else str(len(names))
        yield [_title(cell), kind, _clips(cell, language), _speakers(cell), classes]


def _line(cell: Cell, figures: Sequence[LeftOut], language: str) -> list[str]:
    return [
        _title(cell),
        _model(cell, language),
        " ".join(filter(None, (_seen(cell, language), _without(cell, figures, language)))),
        *(_figure(cell, name) for name in BASELINES),
    ]


def _figure(cell: Cell, name: str) -> str:
    if name not in cell["figures"]:
        return "–"
    facts = cell["figures"][name]
    return figure(facts["unweighted"], facts["interval"]) + ("" if cell["drawn_by"] else " †")


def _without(cell: Cell, figures: Sequence[LeftOut], language: str) -> str:
    """What fits without the corpus show, where the model has seen it."""
    if cell["seen"] != SEEN:
        return ""
    own = next((item for item in figures if item.corpus == cell["corpus"]), None)
    if own is None or cell["model"]["name"] != "lite":
        return f"({WORDS[language]['none fitted']})"
    values = ("–" if value is None else f"{value:.3f}" for value in (own.speakers, own.whole))
    return f"({WORDS[language]['semicolon'].join(values)})"


def _left_out_line(item: LeftOut, language: str) -> list[str]:
    values = [item.nine, item.relative]
    return [TITLES.get(item.corpus, item.corpus), *("–" if value is None else f"{value:.3f}" for value in values)]


def _one_class(cell: Cell, language: str) -> list[str]:
    [name] = cell["classes"]
    shares = cell["taken_for"]
    other = next((other for other in shares if other != name), None)
    return [
        _title(cell),
        _model(cell, language),
        _seen(cell, language),
        figure(shares.get(name, 0.0), cell["interval"]) + ("" if cell["drawn_by"] else " †"),
        "–" if other is None else f"{_emotion(other, language)} {shares[other]:.3f}",
    ]


def _folds(cell: Cell, language: str) -> list[str]:
    folds, mean = cell["folds"], cell["figures"]["none"].get("mean_of_folds")
    unknown = WORDS[language]["one fold" if mean is None else "not known"]
    shared = f"{folds[0]['shared']} / {folds[0]['count']}" if folds else unknown
    return [
        cell["corpus"].removeprefix("EmoBox/"),
        _model(cell, language),
        _seen(cell, language),
        _clips(cell, language),
        "–" if mean is None else f"{mean:.3f}",
        _figure(cell, "none"),
        shared,
    ]


def _not_measured(facts: Facts, language: str) -> Iterator[list[str]]:
    measured = {cell["model"]["name"] for cell in facts["cells"].values()}
    for entry in CATALOG:
        if entry.name not in measured:
            note = WORDS[language]["embeddings only"] if entry.embeddings_only else ""
            yield [entry.name + note, f"`emovox models pull {entry.name}`"]


def _refused(facts: Facts) -> Iterator[str]:
    """A line for each model and reason, with the corpora."""
    corpora: dict[tuple[str, str], list[str]] = {}
    for key, reason in sorted(facts["refused"].items()):
        model, _, corpus = key.partition(", ")
        corpora.setdefault((model, reason), []).append(TITLES.get(corpus, corpus))
    for (model, reason), names in corpora.items():
        yield f"- {model} ({', '.join(names)}): {reason}"


def _title(cell: Cell) -> str:
    corpus = str(cell["corpus"])
    return TITLES.get(corpus, corpus)


def _model(cell: Cell, language: str) -> str:
    """With what it leaves out of the corpus, as it doesn't tell those classes."""
    name = f"{cell['model']['name']} {cell['model']['revision']}"
    if not cell["left_out"]:
        return name
    return name + str(WORDS[language]["fewer"]).format(clips=cell["clips"], classes=len(cell["classes"]))


def _seen(cell: Cell, language: str) -> str:
    words = WORDS[language]
    return str({SEEN: words["seen"], UNSEEN: words["unseen"], UNSTATED: words["unstated"]}[cell["seen"]])


def _clips(cell: Cell, language: str) -> str:
    if cell["seed"] is None:
        return str(cell["clips"])
    return str(WORDS[language]["of"].format(clips=cell["clips"], size=cell["of"]))


def _speakers(cell: Cell) -> str:
    return "?" if cell["speakers"] is None else str(cell["speakers"])


def _emotion(name: str, language: str) -> str:
    return _CHINESE[name] if language == "zh" and name in _CHINESE else name
