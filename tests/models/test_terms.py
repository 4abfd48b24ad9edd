import pytest

from emovox.models.named import CATALOG
from emovox.models.terms import terms_of

UNKNOWN = terms_of("who knows")


@pytest.mark.parametrize(
    ("names", "part"),
    [
        (("CC BY-NC-SA 4.0", "cc-by-nc-4.0", "CC-BY-NC-ND-4.0"), "not for companies' products"),
        (("Apache-2.0", "mit", "bsd-3-clause", "CC BY 4.0"), "anyone, for anything, with credit"),
        (("cc0-1.0", "public domain"), "anyone, for anything"),
        (("CC BY-SA 4.0",), "under the same licence"),
        (("openrail", "CreativeML OpenRAIL-M", "bigscience-openrail-m", "openrail++"), "that its licence forbids"),
        (("OpenRAIL, no commercial use",), "its authors exclude products"),
        (("FunASR model licence",), "for reference and learning purposes only"),
    ],
)
def test_a_licence_in_words(names: tuple[str, ...], part: str) -> None:
    for name in names:
        terms = terms_of(name)
        assert part in terms.english
        assert terms is not UNKNOWN
        assert any("一" <= letter <= "鿿" for letter in terms.chinese)


@pytest.mark.parametrize("name", ["", "not stated", "other, model-license", "mit, cc-by-nc-4.0", "mitre"])
def test_nothing_is_guessed(name: str) -> None:
    assert terms_of(name) is UNKNOWN
    assert "read it" in UNKNOWN.english


def test_every_licence_of_the_catalog_is_in_words() -> None:
    assert not [entry.name for entry in CATALOG if entry.licence.terms is UNKNOWN]
