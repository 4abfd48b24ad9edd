"""The baselines of a corpus and its speakers."""

from datetime import datetime, timezone

import numpy as np
import pytest

from emovox.baselines.corpus import Corpus
from emovox.baselines.fitting import fit
from emovox.errors import BaselineError
from emovox.models.metadata import Metadata
from support import tiny

NOW = datetime(2024, 1, 4, tzinfo=timezone.utc)


@pytest.fixture(scope="module")
def metadata() -> Metadata:
    return tiny.metadata(embedding_size=64)


def rows(metadata: Metadata) -> list[tuple[np.ndarray, str, str]]:
    draw = np.random.default_rng(0)
    scales = 10.0 ** draw.integers(-6, 6, (12, 1))
    vectors = (scales * draw.standard_normal((12, metadata.embedding_size))).astype(np.float32)
    return [(vector, f"{number:064x}", ("anna", "ben", "")[number % 3]) for number, vector in enumerate(vectors)]


def test_it_is_what_fit_makes(metadata: Metadata) -> None:
    items = rows(metadata)
    corpus = Corpus(metadata)
    for vector, sha256, speaker in items:
        corpus.add(vector, sha256, speaker=speaker)
    made = corpus.baselines("a test", created_at=NOW)
    whole, anna, _ = fit(
        "x",
        [vector for vector, _, _ in items],
        metadata,
        sha256s=[sha256 for _, sha256, _ in items],
        groups=[speaker for _, _, speaker in items],
        column="speaker",
        source="a test",
    )
    own = {"name": "corpus", "created_at": NOW}
    assert made.whole.model_dump_json() == whole.model_copy(update=own).model_dump_json()
    assert anna.group is not None
    group = anna.group.model_copy(update={"name": "corpus"})
    own = {"name": "speaker anna", "created_at": NOW, "group": group}
    assert made.of("anna").model_dump_json() == anna.model_copy(update=own).model_dump_json()
    assert made.of("") is made.of("carla") is made.whole


def test_order_changes_nothing_to_the_last_bit(metadata: Metadata) -> None:
    checksums = set()
    for seed in range(5):
        corpus, items = Corpus(metadata), rows(metadata)
        for index in np.random.default_rng(seed).permutation(len(items)):
            vector, sha256, speaker = items[index]
            corpus.add(vector, sha256, speaker=speaker)
        made = corpus.baselines("a test", created_at=NOW)
        checksums.add((made.whole.checksum, made.of("anna").checksum))
    assert len(checksums) == 1


def test_a_content_counts_once_and_once_for_each_speaker(metadata: Metadata) -> None:
    corpus, [(vector, sha256, _), *_] = Corpus(metadata), rows(metadata)
    for speaker in ("anna", "anna", "ben", ""):
        corpus.add(vector, sha256, speaker=speaker)
    corpus.add(vector, sha256, channel=2, speaker="a/b\n")
    made = corpus.baselines("a test")
    assert [made.whole.count, made.of("anna").count, made.of("ben").count, made.of("a/b\n").count] == [2, 1, 1, 1]


def test_of_nothing_there_is_none(metadata: Metadata) -> None:
    with pytest.raises(BaselineError, match="none of the recordings has speech"):
        Corpus(metadata).baselines("a test")
