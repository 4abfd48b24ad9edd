from dataclasses import fields, replace
from pathlib import Path

from emovox.archive import Archive
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.summary import Brief, Kind, Said
from emovox.policy import Ruling
from support.records import record, without_nine


def test_what_is_read_is_what_was_added(tmp_path: Path) -> None:
    given = record(
        1, revision="2", precision="int8", checksum="c" * 64, granularity="frame", channel=2, sample_rate=44_100,
        channels=2, codec="mp3", speech=1.25, warnings=("quiet", "short"), emovox="0.2.0", link="/calls/1.mp3",
        outputs=tmp_path / "outputs" / "outputs_20240104_223000", readouts=without_nine(1).readouts,
        emotions={"rabbia": "angry"}, side="worker", purpose="quality", consent="form 12",
            summary=brief("tie", "angry", "sad"), summary_recognized=brief("arc", "angry"),
            policy=Ruling(profile="open", inferred=True),
        baseline=BaselineFacts(
            name="line3", count=3, checksum="d" * 64, expectation={"neutral": 0.5, "sad": 0.5},
            shift={"emotion": {"rabbia": -1.25, "gioia": 0.1}},
        ),
    )  # fmt: skip
    in_its_row = replace(given, embedding=None, segments=())
    empty = {field.name for field in fields(in_its_row) if not getattr(in_its_row, field.name)}
    # All else is tried here.
    assert empty == {"embedding", "segments", "embedding_revision", "earlier_id", "tags", "raw"}
    with Archive(tmp_path / "outputs.db") as archive:
        archive.add_records([given])
        archive.tag(given.sha256, "b")
        archive.tag(given.sha256, "a")
        assert list(archive.all()) == [replace(in_its_row, tags=("a", "b"))]


def brief(kind: Kind, *names: str) -> Brief:
    return Brief(kind=kind, classes=list(names), headline=Said(en=" and ".join(names), zh="愤怒"))
