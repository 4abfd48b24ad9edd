"""Corrections: what people say of segments, in a database of either kind."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from emovox.archive import Archive, ArchiveRecord
from emovox.archive.corrections import check_label, labels_of, overlap
from emovox.archive.record import SegmentRecord
from emovox.emotions import NAMES
from emovox.errors import ArchiveError, PolicyError
from emovox.inference.recognition import ReadoutResult, Segment
from emovox.settings import settings
from support.records import record


def segment(start: float, end: float, emotion: str = "sad", confidence: float = 0.5, **more: object) -> Segment:
    rest = (1 - confidence) / 8
    scores = {name: confidence if name == emotion else rest for name in NAMES}
    return Segment(start=start, end=end, emotion=emotion, confidence=confidence, scores=scores, **more)


def kept(item: Segment) -> SegmentRecord:
    return SegmentRecord(item.start, item.end, item.emotion, item.confidence, item.scores, item.channel)


def of(number: int, *segments: Segment, **changes: object) -> ArchiveRecord:
    return record(number, segments=tuple(map(kept, segments)), **changes)


def test_one_is_kept_with_all_that_was_known_and_can_be_taken_back(database: str) -> None:
    first, second = segment(0, 1), segment(2, 3, "angry", 0.9)
    item = of(1, first, second)
    with Archive() as archive:
        archive.add_records([item])
        made = archive.corrections.put(item, first, " 愤怒 ", author="ann")
        assert (made.label, made.said, made.confidence, made.author) == ("angry", "sad", 0.5, "ann")
        assert (made.model, made.revision, made.sha256, made.name) == ("tiny", "1", item.sha256, "1.wav")
        assert made.created.tzinfo is not None
        assert archive.corrections.of(item) == [made]
        assert archive.corrections.put(item, first, "relieved").id > made.id  # instead of the one before
        archive.corrections.put(item, second, "relieved")
        assert [one.label for one in archive.corrections.of(item)] == ["relieved", "relieved"]
        assert archive.corrections.counts() == {"relieved": 2}
        assert archive.corrections.remove(item, first)
        assert not archive.corrections.remove(item, first)
        assert [one.start for one in archive.corrections.of(item)] == [2]


def test_they_hold_when_the_recording_is_recognised_again_and_go_with_it(database: str) -> None:
    item, other = of(1, segment(0, 1)), of(2, segment(0, 1))
    again = replace(of(3, segment(0.1, 1.05)), sha256=item.sha256)
    with Archive() as archive:
        archive.add_records([item, again, other])
        archive.corrections.put(item, segment(0, 1), "angry")
        archive.corrections.put(other, segment(0, 1), "happy")
        [found] = archive.corrections.of(again)
        assert labels_of([segment(0.1, 1.05), segment(1.2, 3)], [found]) == [found, None]
        assert archive.corrections.put(again, segment(0.1, 1.05), "sad").start == 0.1  # in its place
        assert len(archive.corrections.of(item)) == 1
        archive.delete([item.sha256])
        assert [one.label for one in archive.corrections.all()] == ["happy"]
        with pytest.raises(ArchiveError, match="no such recording"):
            archive.corrections.put(item, segment(0, 1), "angry")


def test_channels_are_voices_of_their_own(database: str) -> None:
    one, two = (of(n, segment(0, 1, channel=n), channel=n) for n in (1, 2))
    two = replace(two, sha256=one.sha256)
    with Archive() as archive:
        archive.add_records([one, two])
        archive.corrections.put(one, segment(0, 1, channel=1), "angry")
        archive.corrections.put(two, segment(0, 1, channel=2), "sad")
        assert [item.label for item in archive.corrections.of(one)] == ["angry"]
        assert [item.label for item in archive.corrections.of(two)] == ["sad"]


def test_pages_come_latest_first(database: str) -> None:
    segments = [segment(n, n + 1) for n in range(5)]
    item = of(1, *segments)
    with Archive() as archive:
        archive.add_records([item])
        for n, one in enumerate(segments):
            archive.corrections.put(item, one, "even" if n % 2 == 0 else "odd")
        page, before = archive.corrections.page(limit=3)
        assert [one.start for one in page] == [4, 3, 2]
        page, before = archive.corrections.page(limit=3, before=before)
        assert ([one.start for one in page], before) == ([1, 0], None)
        assert [one.start for one in archive.corrections.page(label="odd")[0]] == [3, 1]
        assert archive.corrections.counts() == {"even": 3, "odd": 2}


def test_the_least_certain_come_first_once_and_only_while_nobody_has_corrected_them(
    database: str, tmp_path: Path
) -> None:
    root = tmp_path / "outputs"
    one = of(1, segment(0, 1, confidence=0.3), segment(2, 3, confidence=0.6), outputs=root / "outputs_a")
    two = of(2, segment(0, 1, confidence=0.4))
    earlier = replace(of(0, segment(0, 1, confidence=0.2)), sha256=one.sha256)
    with Archive() as archive:
        archive.add_records([one, two, earlier])

        def order(**more: object) -> list[tuple[str, int]]:
            found, after = [], None
            while True:
                page, after = archive.corrections.least_certain(limit=2, after=after, **more)  # type: ignore[arg-type]
                found += [(item.record.id, item.number) for item in page]
                if after is None:
                    return found

        assert order() == [(one.id, 0), (two.id, 0), (one.id, 1)]
        assert order(root=root) == [(one.id, 0), (one.id, 1)]
        archive.corrections.put(one, segment(0, 1, confidence=0.3), "sad")
        assert order() == [(two.id, 0), (one.id, 1)]
        with pytest.raises(ArchiveError, match="after"):
            archive.corrections.least_certain(after="1:2")


def test_under_a_policy_nobody_labels_what_may_not_be_inferred(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    worker, customer = of(1, segment(0, 1), side="worker"), of(2, segment(0, 1), side="customer")
    with Archive() as archive:
        archive.add_records([worker, customer])
        for item in (worker, customer):  # as long as everything is allowed
            archive.corrections.put(item, segment(0, 1), "angry")
        other = [of(n, segment(0, 1), side=side) for n, side in ((3, "worker"), (4, "customer"))]
        archive.add_records(other)
        monkeypatch.setenv("EMOVOX_POLICY", "eu")
        settings.cache_clear()
        with pytest.raises(PolicyError, match="a correction can't be had of a worker's voice"):
            archive.corrections.put(worker, segment(0, 1), "sad")
        assert archive.corrections.of(worker) == []
        assert [item.sha256 for item in archive.corrections.all()] == [customer.sha256]
        assert archive.corrections.counts() == {"angry": 1}
        assert [item.record.id for item in archive.corrections.least_certain()[0]] == [other[1].id]


def test_a_class_of_the_model_s_own_is_what_it_said(database: str) -> None:
    own = {"mood": ReadoutResult(kind="linear", label="calma", confidence=0.7, scores={"calma": 0.7, "noia": 0.3})}
    item = of(1, segment(0, 1))
    with Archive() as archive:
        archive.add_records([item])
        made = archive.corrections.put(item, Segment(start=0, end=1, readouts=own), "noia")
        assert (made.said, made.confidence) == ("calma", 0.7)
        assert archive.corrections.put(item, Segment(start=0, end=1), "noia").said is None


def test_two_who_correct_one_segment_leave_one_correction(database: str) -> None:
    item = of(1, segment(0, 1))
    with Archive() as archive:
        archive.add_records([item])
        threads = [
            threading.Thread(target=archive.corrections.put, args=(item, segment(0, 1), f"class {n}"))
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(archive.corrections.of(item)) == 1


@pytest.mark.parametrize("label", ["", "   ", "a\nb", "x" * 101, "\0"])
def test_a_label_is_a_word_that_can_be_read(label: str) -> None:
    with pytest.raises(ArchiveError, match="a label has"):
        check_label(label)


def test_the_nine_have_one_name_and_other_classes_theirs() -> None:
    assert [check_label(label) for label in ("Happy", "快乐", "Relieved", " 冷静 ")] == [
        "happy", "happy", "Relieved", "冷静",
    ]  # fmt: skip


def test_stretches_are_the_same_that_share_more_than_half_of_what_they_cover() -> None:
    assert overlap(0, 1, 0, 1) == 1
    assert overlap(0, 1, 2, 3) == overlap(0, 1, 1, 2) == 0
    assert overlap(0, 3, 1, 4) == pytest.approx(0.5)
    assert overlap(0, 10, 4, 5) == pytest.approx(0.1)
