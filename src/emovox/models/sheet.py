"""The instruction sheet of a model: what Article 13(3) of the AI Act wants a deployer to be told, as far as known.

`sheet.md` filled from the model file's metadata, the bundled card and an evaluation of one's own; where nothing is
known, it says so. It is a help for who has to write instructions for use, and doesn't replace them.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from emovox.errors import EmovoxError
from emovox.models import catalog
from emovox.models.metadata import Metadata
from emovox.models.readout import Readout
from emovox.models.terms import terms_of
from emovox.version import __version__

_CALIBRATED = (
    "Below a confidence that was measured the result says `unsure`; a policy may demand that nothing is "
    "given then."
)
_UNCALIBRATED = "What its confidence is worth wasn't measured: it is never `unsure`."
_SHORT = {
    "en": {
        "licence": "Licence: {} ({}).",
        "corpora": "Trained on {}.",
        "unknown": "What it was trained on is not known.",
        "confidence": "Its confidence was measured: where that is too low a verdict is unsure.",
        "uncalibrated": "What its confidence is worth wasn’t measured.",
        "whole": "Instruction sheet: emovox models sheet {}",
    },
    "zh": {
        "licence": "许可证：{}（{}）。",
        "corpora": "训练语料：{}。",
        "unknown": "训练语料不详。",
        "confidence": "置信度经过测量：过低时判断为不确定。",
        "uncalibrated": "置信度值多少没有测量过。",
        "whole": "使用说明书：emovox models sheet {}",
    },
}
_UNKNOWN = (
    "Not known: measure it on recordings like yours (`emovox evaluate LABELS --out report`, then `--evaluation`)."
)


def sheet(metadata: Metadata, *, card: Path | None = None, evaluation: Mapping[str, Any] | None = None) -> str:
    """The sheet, as Markdown.

    Args:
        metadata: of the model.
        card: its model card, whose sections of measurements are taken over.
        evaluation: an evaluation.json, of recordings like those that it will be used on.
    """
    return "\n".join(_lines(metadata, card, evaluation))


def short(name: str, revision: str, language: str) -> list[str]:
    """The sheet in a few sentences, and the command that gives all of it; empty where the model isn't here.

    Args:
        name: of the model, as results have it.
        revision: of the same.
        language: `en` or `zh`.
    """
    metadata, words = _on_disk(name, revision), _SHORT[language]
    if metadata is None:
        return []
    terms = terms_of(metadata.licence)
    calibrated = any(readout.calibration is not None for readout in metadata.readouts)
    comma = "、" if language == "zh" else ", "
    return [
        words["licence"].format(metadata.licence, terms.chinese if language == "zh" else terms.english),
        words["corpora"].format(comma.join(metadata.corpora)) if metadata.corpora else words["unknown"],
        words["confidence" if calibrated else "uncalibrated"],
        words["whole"].format(catalog.name_of(name, revision)),
    ]


def _on_disk(name: str, revision: str) -> Metadata | None:
    """What that very revision's file says of itself; a result may have any name in it, so it is no path."""
    from emovox.models.runtime.engine import read_metadata  # noqa: PLC0415  takes time to load

    with suppress(EmovoxError):
        entry = catalog.find(catalog.name_of(name, revision))
        converted = (file for path in catalog.conversions(entry.name) for file in sorted(path.glob("*/*.onnx")))
        for file in converted if entry.file is None else [entry.file]:
            if (metadata := read_metadata(file)).revision == revision:
                return metadata
    return None


def _lines(metadata: Metadata, card: Path | None, evaluation: Mapping[str, Any] | None) -> Iterator[str]:
    calibrated = any(readout.calibration is not None for readout in metadata.readouts)
    facts = {
        "name": metadata.name,
        "revision": metadata.revision,
        "version": __version__,
        "source": metadata.source,
        "licence": metadata.licence,
        "terms": terms_of(metadata.licence).english,
        "readouts": "\n".join(f"- {_readout(readout)}" for readout in metadata.readouts),
        "size": metadata.embedding_size,
        "rate": metadata.sample_rate,
        "hop": f"{metadata.hop / metadata.sample_rate * 1000:g}",
        "corpora": ", ".join(metadata.corpora) or "not known",
        "confidence": _CALIBRATED if calibrated else _UNCALIBRATED,
        "precision": metadata.precision,
        "measured": "\n".join(_measured(card, evaluation)),
        "groups": "\n".join(_groups(evaluation)),
    }
    template = Path(__file__).with_suffix(".md").read_text(encoding="utf-8")
    yield template.rstrip().format(**facts)


def _readout(readout: Readout) -> str:
    kind = "values" if readout.gives_values else "classes"
    range_ = "" if readout.range is None else f", from {readout.range[0]:g} to {readout.range[1]:g}"
    return f"{readout.name}: {kind} {', '.join(readout.labels)}{range_}"


def _measured(card: Path | None, evaluation: Mapping[str, Any] | None) -> Iterator[str]:
    if evaluation is not None:
        model = evaluation.get("model") or {}
        yield (
            f"On your recordings ({evaluation.get('clips')}, {model.get('name')} {model.get('revision')}): "
            f"unweighted accuracy {_share(evaluation.get('unweighted'))}, expected calibration error "
            f"{_share(evaluation.get('calibration_error'))}.\n"
        )
        recalls = evaluation.get("recalls") or {}
        if recalls:
            yield "| class | recall |\n| --- | --- |"
            yield "\n".join(f"| {name} | {_share(value)} |" for name, value in recalls.items()) + "\n"
        corpora = evaluation.get("trained_corpora") or []
        if corpora:
            yield f"The model was trained on {', '.join(corpora)}, so these figures flatter it.\n"
    sections = [] if card is None else re.split(r"^(?=## )", card.read_text(encoding="utf-8"), flags=re.MULTILINE)
    parts = [part for part in sections if part.startswith("## Measured")]
    yield from (re.sub(r"^## ", "#### ", re.sub(r"^!\[.*\n", "", part, flags=re.MULTILINE)) for part in parts)
    if not parts and evaluation is None:
        yield _UNKNOWN + "\n"


def _groups(evaluation: Mapping[str, Any] | None) -> Iterator[str]:
    groups = {} if evaluation is None else evaluation.get("groups") or {}
    for column, values in groups.items():
        yield f"| {column} | recordings | unweighted accuracy |\n| --- | --- | --- |"
        yield (
            "\n".join(
                f"| {name} | {facts.get('clips')} | {_share(facts.get('unweighted'))} |"
                for name, facts in values.items()
            )
            + "\n"
        )


def _share(value: Any) -> str:
    return "not known" if value is None else f"{100 * float(value):.1f} %"
