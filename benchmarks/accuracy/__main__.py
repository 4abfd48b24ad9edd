"""How right models are, on corpora that anybody can get: unweighted recall, intervals by speaker, baselines.

    python -m benchmarks.accuracy lite training/lite-free.onnx --corpora ../shared/corpora

measures these models; without names all that are installed. The folder has a list NAME.tsv for each corpus, with
the columns path, label and speaker. `--emobox DIR` adds EmoBox's test lists. Figures are kept in accuracy.json as
they come; what is there of the same model and recordings isn't measured again. Then the tables of docs/accuracy.md
and docs/models.md are written, in both languages; without corpora that is all.

Nothing is fitted here, so no split can leak: what a model was trained on it says itself, and the table says it.
"""

import argparse
import json
import platform
import sys
from pathlib import Path
from typing import Any

from benchmarks import models, pages
from benchmarks.accuracy.cells import measure
from benchmarks.accuracy.corpora import Corpus, read_emobox, read_lists
from benchmarks.accuracy.tables import NAME, tables
from emovox import __version__
from emovox.errors import EmovoxError
from emovox.files import replacing
from emovox.inference.recognizer import Recognizer
from emovox.models.catalog import installed, known, resolve
from emovox.models.runtime.session import engine_version

FIGURES = Path(__file__).parents[1] / "accuracy.json"


def main() -> None:
    """Read the command line, measure, keep figures, and write the tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=__doc__.splitlines()[0])
    parser.add_argument("models", nargs="*", help="names or .onnx files; by default all that are installed")
    parser.add_argument("--corpora", type=Path, help="folder with the lists and their clips")
    parser.add_argument("--emobox", type=Path, help="EmoBox's folder of lists, beside its downloads")
    parser.add_argument("--most", type=int, default=720, help="recordings of each corpus, at random; 0: all")
    parser.add_argument("--seed", type=int, default=0, help="of the sample")
    parser.add_argument("--json", type=Path, default=FIGURES, help="where figures are kept")
    parser.add_argument("--docs", type=Path, default=pages.DOCS, help="folder of the pages")
    options = parser.parse_args()
    corpora: list[Corpus] = []
    if options.corpora:
        corpora += read_lists(options.corpora, options.most, options.seed)
    if options.emobox:
        corpora += read_emobox(options.emobox, options.most, options.seed)
    names = options.models or [entry.name for entry in known() if installed(entry.name)]
    for name in names if corpora else ():
        measure_model(name, corpora, options.json)
    facts = json.loads(options.json.read_bytes())
    for language, suffix in pages.LANGUAGES.items():
        pages.write(options.docs / f"accuracy{suffix}", NAME, tables(facts, language))
        pages.write(options.docs / f"models{suffix}", models.NAME, models.table(facts, language))


def measure_model(name: str, corpora: list[Corpus], figures: Path) -> None:
    """Measure a model on all corpora, and keep each cell as it comes."""
    recognizer, path = Recognizer(name), resolve(name)
    for corpus in corpora:
        facts = read(figures)
        key = f"{recognizer.metadata.name} {recognizer.metadata.revision}, {corpus.name}"
        kept = facts["cells"].get(key)
        same = kept and (kept["digest"], kept["model"]) == (
            corpus.digest,
            recognizer.model.model_dump(mode="json"),
        )
        if same:
            print(f"{key}: kept", flush=True)
            continue
        try:
            cell = measure(corpus, recognizer)
        except EmovoxError as error:
            print(f"{key}: {error}", file=sys.stderr, flush=True)
            facts["refused"][key] = str(error)
        else:
            facts["refused"].pop(key, None)
            facts["cells"][key] = cell
            print(f"{key}: {cell.get('figures') or cell.get('taken_for')}", flush=True)
        metadata = recognizer.metadata
        facts["models"][f"{metadata.name} {metadata.revision}"] = {
            "name": metadata.name,
            "revision": metadata.revision,
            "licence": metadata.licence,
            "corpora": list(metadata.corpora),
            "bytes": path.stat().st_size if path.is_file() else None,
        }
        facts["versions"] = versions()
        keep(figures, facts)


def read(figures: Path) -> dict[str, Any]:
    """The figures that were kept."""
    empty: dict[str, Any] = {"schema": 1, "versions": {}, "models": {}, "cells": {}, "refused": {}}
    return empty | (json.loads(figures.read_bytes()) if figures.exists() else {})


def keep(figures: Path, facts: dict[str, Any]) -> None:
    """Write figures, whole or not at all."""
    with replacing(figures, durable=False) as file:
        file.write((json.dumps(facts, indent=1, ensure_ascii=False) + "\n").encode())


def versions() -> dict[str, str]:
    """What measured."""
    return {
        "emovox": __version__,
        "engine": engine_version(),
        "python": platform.python_version(),
        "machine": platform.machine(),
    }


if __name__ == "__main__":
    main()
