from pathlib import Path

from emovox.labels.folds import Folds, find_folds
from emovox.labels.label_list import Labelled


def row(**groups: str) -> Labelled:
    return Labelled(Path("x.wav"), "sad", "x.wav", groups)


def test_folds_that_share_speakers_are_counted_by_corpus() -> None:
    mixed = [row(corpus="emodb", speaker=speaker, fold=fold) for fold in "123" for speaker in ("03", fold)]
    apart = [row(corpus="esd", speaker=speaker, fold=fold) for speaker, fold in ("a1", "a1", "b2")]
    one = [row(corpus="nemo", speaker="03", fold="1")]
    assert find_folds([*mixed, *apart, *one]) == [Folds("emodb", "fold", 3, 3), Folds("esd", "fold", 2, 0)]


def test_only_those_that_share_are_counted() -> None:
    rows = [row(Speaker=speaker, Split=split) for speaker, split in ("a1", "b2", "a3", "c4")]
    assert find_folds(rows) == [Folds(None, "Split", 4, 2)]


def test_what_is_not_said_is_not_counted() -> None:
    assert (
        find_folds([row(speaker="a"), row(fold="1"), row(speaker="", fold="2"), row(speaker="a", fold="")]) == []
    )
