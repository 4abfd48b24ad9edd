"""The model file for companies: it is what it says, of permissive speech alone, and runs once it is added."""

from pathlib import Path

import pytest

from emovox import Recognizer
from emovox.models.adding import add
from emovox.models.runtime.engine import read_metadata
from emovox.models.terms import terms_of
from training.corpus import BY_NAME

FILE = Path(__file__).parents[2] / "training" / "lite-free.onnx"
PERMISSIVE = {"CC0-1.0", "Apache-2.0", "CC BY 3.0", "CC BY 4.0", "public domain"}


def test_no_speech_in_it_has_a_stricter_licence() -> None:
    facts = read_metadata(FILE)
    assert facts.corpora
    assert {BY_NAME[name].licence for name in facts.corpora} <= PERMISSIVE
    assert terms_of(facts.licence).english == "anyone, for anything, with credit"
    credits_of = FILE.with_suffix(".md").read_text(encoding="utf-8")
    assert all(BY_NAME[name].credit.split(",")[0] in credits_of for name in facts.corpora)


@pytest.mark.parametrize("name", ["emodb_03b01Wa_angry.flac", "emodb_10a02Na_neutral.flac"])
def test_it_runs_once_it_is_added(name: str) -> None:
    add(FILE)
    recognizer = Recognizer("lite-free")
    result = recognizer.recognize(FILE.parents[1] / "examples" / name)
    assert result.emotion == name.rsplit("_", maxsplit=1)[-1].removesuffix(".flac")
    assert result.model.name == "lite-free"
