from pathlib import Path

import pytest

from emovox.labels.label_list import Labelled
from emovox.labels.trained_on import trained_corpora

LITE = ("emodb", "ravdess", "nemo", "emospeech_cmd")


@pytest.mark.parametrize(
    ("path", "groups", "corpora"),
    [
        ("mine/call.wav", {}, []),
        ("mine/03a01Fa.wav", {}, ["emodb"]),
        ("RAVDESS/Actor_01/a.wav", {}, ["ravdess"]),
        ("x/03-01-06-01-02-01-12.wav", {}, ["ravdess"]),
        ("corpora/EmoSpeech-CMD/a.wav", {}, ["emospeech_cmd"]),
        ("x/a.wav", {"Corpus": "nEMO"}, ["nemo"]),
        ("x/a.wav", {"dataset": "emodb"}, ["emodb"]),
        ("nemo.wav", {"speaker": "nemo"}, []),  # neither a person's name nor a file's is a corpus
        ("1001_DFA_ANG_XX.wav", {}, []),  # CREMA-D, which the model doesn't know
    ],
)
def test_a_corpus_is_known_by_column_directory_or_shape(
    path: str, groups: dict[str, str], corpora: list[str]
) -> None:
    row = Labelled(Path(path), "angry", path, groups)
    assert trained_corpora([row], LITE) == corpora
    assert trained_corpora([row], ()) == []
