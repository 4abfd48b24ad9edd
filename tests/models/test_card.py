"""The card in the wheel and the one among the documents say the same, and what the file says of itself."""

import json
from pathlib import Path

from emovox.models.catalog import find, resolve
from emovox.models.runtime.engine import read_metadata

ROOT = Path(__file__).parents[2]
CARD = ROOT / "src" / "emovox" / "models" / "bundled" / "lite.md"
DOCUMENT = ROOT / "docs" / "models" / "lite.md"


def test_both_copies_agree() -> None:
    wheel = CARD.read_text(encoding="utf-8")
    assert wheel.replace("](../../../../docs/models/", "](") == DOCUMENT.read_text(encoding="utf-8")


def test_pictures_are_there() -> None:
    names = ("lite-speakers.png", "lite-corpora.png", "lite-reliability.png")
    assert all(f"]({name})" in DOCUMENT.read_text(encoding="utf-8") for name in names)
    assert all((DOCUMENT.parent / name).is_file() for name in names)


def test_card_and_file_agree() -> None:
    text, metadata = CARD.read_text(encoding="utf-8"), read_metadata(resolve("lite"))
    assert f"Revision {metadata.revision}." in text
    assert f"(B, {metadata.embedding_size})" in text
    assert metadata.licence == find("lite").licence.name
    assert metadata.licence in text
    assert f"{resolve('lite').stat().st_size / 1e6:.1f} MB" in text


def test_figures_are_the_measured_ones() -> None:
    text = CARD.read_text(encoding="utf-8")
    facts = json.loads((ROOT / "training" / "measured.json").read_text())
    for name in ("emodb", "ravdess", "nemo"):
        for measured in (facts["joint"][f"{name}, recorded"]["own"], facts["left_out"][name]["shared"]):
            assert f"{measured['unweighted']:.3f}" in text
