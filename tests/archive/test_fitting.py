"""A baseline of the archive's embeddings, without sound."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from emovox.archive import Archive, Filter
from emovox.archive import vectors as vectors_module
from emovox.archive.fitting import fit
from emovox.archive.vectors import stored_embeddings
from emovox.baselines.baseline import Baseline, baseline_path
from emovox.baselines.fitting import fit as fit_rows
from emovox.baselines.removal import take_out
from emovox.errors import ArchiveError
from emovox.heads.embedding_cache import EmbeddingCache
from support import tiny
from support.records import START, record, vector

METADATA = tiny.metadata(embedding_size=8)


@pytest.fixture
def archive(database: str) -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def rounded(number: int) -> np.ndarray:
    return vector(number).astype(np.float16).astype(np.float32)


def test_it_is_the_fit_of_the_rows(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vectors_module, "_BLOCK", 2)
    records = [record(number, link=f"/calls/{'ab'[number % 2]}/{number}.wav") for number in range(5)]
    later = record(9, sha256=records[0].sha256, created=START + timedelta(days=9))  # recognised again
    archive.add_records([*records, later, record(20, model="other"), record(21, embedding=None)])
    [whole] = fit(archive, "line3", METADATA, Filter(), source="a test")
    [rows] = fit_rows(
        "line3",
        np.stack([rounded(9), *(rounded(number) for number in range(1, 5))]),
        METADATA,
        sha256s=[item.sha256 for item in records],
    )
    assert (whole.count, whole.summands, whole.source) == (5, rows.summands, "a test")
    np.testing.assert_allclose(whole.sum, rows.sum)
    np.testing.assert_allclose(whole.squares, rows.squares)
    assert [item.name for item in fit(archive, "x", METADATA, Filter(), column="folder")] == ["x", "x.a", "x.b"]
    for number, name in enumerate(["anna", "bert"]):
        archive.tag(records[number].sha256, f"speaker:{name}")
    made = fit(archive, "x", METADATA, Filter(), column="speaker")
    assert [(item.name, item.count) for item in made] == [("x", 5), ("x.anna", 1), ("x.bert", 1)]
    assert fit(archive, "x", METADATA, Filter(tag="speaker:anna"))[0].count == 1


def test_each_channel_counts_and_all_go(archive: Archive) -> None:
    apart = [record(number, sha256="a" * 64, channel=number + 1) for number in range(2)]
    again = record(2, sha256="a" * 64, channel=1, created=START + timedelta(days=9))
    archive.add_records([*apart, again, record(3)])
    [whole] = fit(archive, "line3", METADATA, Filter())
    [expected] = fit_rows("x", np.stack([rounded(number) for number in (1, 2, 3)]), METADATA)
    assert whole.count == 3
    np.testing.assert_allclose(whole.sum, expected.sum)
    whole.write(baseline_path("line3"))
    [removal] = take_out(["a" * 64], lambda sha256: stored_embeddings(archive, sha256))
    assert (removal.count, removal.left) == (1, 0)
    archive.delete(["a" * 64])
    after, [rest] = Baseline.find("line3"), fit(archive, "line3", METADATA, Filter())
    assert after.summands == rest.summands
    np.testing.assert_allclose(after.sum, rest.sum, atol=1e-9)


def test_what_cant_be_fitted(archive: Archive) -> None:
    with pytest.raises(ArchiveError, match=r"no embeddings of these recordings by tiny 1: recognise"):
        fit(archive, "x", METADATA, Filter())
    archive.add_records([record(0)])
    with pytest.raises(ArchiveError, match=r"by other 1; it has those by tiny 1: choose with --model"):
        fit(archive, "x", METADATA.model_copy(update={"name": "other"}), Filter())
    with pytest.raises(ArchiveError, match="no recording has a tag like speaker:NAME"):
        fit(archive, "x", METADATA, Filter(), column="speaker")
    for name in ("anna", "bert"):
        archive.tag(record(0).sha256, f"speaker:{name}")
    with pytest.raises(ArchiveError, match="several tags speaker:…, anna and bert"):
        fit(archive, "x", METADATA, Filter(), column="speaker")


def test_what_is_deleted_is_taken_out(archive: Archive, tmp_path: Path) -> None:
    """By what the archive has, what lies in outputs, and what the cache has."""
    outputs = tmp_path / "outputs/outputs_20240104_223000"
    outputs.mkdir(parents=True)
    frames = np.random.default_rng(0).standard_normal((5, 8)).astype(np.float32)
    np.save(outputs / "embedding.npy", frames)
    archive.add_records([record(0, outputs=outputs), *(record(number) for number in range(1, 4))])
    cache = EmbeddingCache("whatever")
    cache.put(record(1).sha256, vector(1))
    cache.close()
    sums = [frames.mean(axis=0), vector(1), rounded(2), vector(3)]
    sha256s = [record(number).sha256 for number in range(4)]
    [made] = fit_rows("line3", np.stack(sums), METADATA, sha256s=sha256s)
    made.write(baseline_path("line3"))

    def stored(sha256: str) -> Iterator[np.ndarray]:
        return stored_embeddings(archive, sha256)

    assert [(item.count, item.left) for item in take_out(sha256s[:3], stored)] == [(1, 0)]
    [still] = take_out(sha256s[3:], stored)  # the archive has rounded what was summed
    assert (still.count, still.left) == (1, 1)
    assert "aren't stored any more" in still.reason
