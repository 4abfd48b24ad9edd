import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.archive import Archive, Filter
from emovox.archive.record import ArchiveRecord
from emovox.baselines.baseline import Baseline, baseline_path
from emovox.baselines.fitting import fit
from emovox.errors import ArchiveError, BaselineError, HeadError
from emovox.heads.training import train
from emovox.inference.recognizer import Recognizer
from emovox.models.head import Head, head_path
from emovox.outputs import AUDIO, EMBEDDING, RESULT, SEGMENT_EMBEDDINGS, Outputs, read_result
from emovox.saving import Saving
from emovox.settings import settings
from emovox.speech_embeddings import embed_speech, find_sources
from emovox.upgrade.plan import NO_SOUND, Plan, plan
from emovox.upgrade.selection import OF_RUN, Selection
from emovox.upgrade.staging import Staging
from emovox.upgrade.upgrade import CHANGED, Report, Upgrade
from emovox.words import Cue
from support import tiny

KILLED = """
import os, signal, sys
from emovox.archive import Archive, Filter
from emovox.inference.recognizer import Recognizer
from emovox.upgrade import staging, upgrade
from emovox.upgrade.selection import Selection

place, count = sys.argv[2], int(sys.argv[3])
owner = {"commit": staging.Draft, "install": staging.Staging, "_install": upgrade.Upgrade}[place]
original = getattr(owner, place)

def counted(*arguments, **named):
    global count
    result = original(*arguments, **named)
    count -= 1
    if count == 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return result

setattr(owner, place, counted)
upgrade._SWITCHED = 1  # that all is in one transaction must not be for want of batches
with Archive() as archive:
    recognizer = Recognizer(sys.argv[1])
    upgrade.Upgrade(Selection(archive, recognizer.metadata, Filter()), recognizer).run()
"""


class World:
    """An archive of what revision 1 of a model recognised, and the model's two revisions."""

    def __init__(self, directory: Path, examples: list[Path], archive: Archive) -> None:
        self.archive = archive
        self.before = Recognizer(tiny.write(directory / "1.onnx", readouts=(tiny.EMOTIONS, tiny.DIMENSIONS)))
        self.file = tiny.write(
            directory / "2.onnx", scale=2, revision="2", readouts=(tiny.EMOTIONS, tiny.DIMENSIONS)
        )
        self.after = Recognizer(self.file)
        self.recordings = directory / "recordings"
        self.recordings.mkdir()
        self.files = [Path(shutil.copy(path, self.recordings)) for path in examples[:4]]

    def add(
        self,
        number: int,
        *,
        embeddings: bool = False,
        formats: tuple[str, ...] = (),
        outputs: bool = True,
        **options: Any,
    ) -> ArchiveRecord:
        """Recognise one of the recordings into outputs and archive, as the command does."""
        place = Outputs(settings().outputs) if outputs else None
        saving = Saving(place, formats=formats, embeddings=embeddings, archive=self.archive)
        with saving.begin(link=str(self.files[number])) as save:
            recognition = self.before.recognize(
                self.files[number], sink=save.sink, embedding_sink=save.embedding_sink, embedding=True, **options
            )
            save.commit(recognition)
        record = save.record()
        assert record is not None
        return record

    def upgrade(self, where: Filter = Filter()) -> Report:  # noqa: B008  it can't change
        return Upgrade(Selection(self.archive, self.after.metadata, where), self.after).run()

    def plan(self, where: Filter = Filter(), **arguments: Any) -> Plan:  # noqa: B008
        return plan(Selection(self.archive, self.after.metadata, where), self.after, **arguments)

    def labels(self) -> Path:
        path = self.recordings.parent / "labels.csv"
        rows = [f"recordings/{file.name},{'ab'[number % 2]}" for number, file in enumerate(self.files)]
        path.write_text("\n".join(["path,label", *rows]), encoding="utf-8")
        return path

    def train(self) -> Head:
        head = train(self.labels(), "calls", self.before).head
        head.write(head_path("calls"))
        return head

    def fit(self, source: Path | None = None) -> Baseline:
        source = source or self.recordings
        items, _ = embed_speech(find_sources(str(source)), self.before)
        [baseline] = fit(
            "room",
            [item.embedding for item in items],
            self.before.metadata,
            sha256s=[item.sha256 for item in items],
            source=str(source),
        )
        baseline.write(baseline_path("room"))
        return baseline

    def revisions(self) -> list[str]:
        return sorted(record.revision for record in self.archive.all())


@pytest.fixture
def world(database: str, tmp_path: Path, examples: list[Path]) -> Iterator[World]:
    with Archive() as archive:
        yield World(tmp_path, examples, archive)


def kill(world: World, place: str, count: int) -> None:
    """Upgrade in a process that is killed after a step has been done so many times."""
    arguments = [sys.executable, "-c", KILLED, str(world.file), place, str(count)]
    process = subprocess.run(arguments, env=dict(os.environ), capture_output=True, check=False)
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()


def test_everything_is_of_the_new_revision_at_once(world: World) -> None:
    old = [
        world.add(0, granularity="frame", formats=("csv", "srt"), segments=True),
        world.add(1, segments=True, embeddings=True, speech_only=True),
        world.add(2, emotions=("angry", "sad")),
    ]
    world.archive.tag(old[1].sha256, "kept")
    assert old[0].outputs is not None
    table = (old[0].outputs / "frames.csv").read_bytes()
    before = {item.id: world.archive.embedding(item.id) for item in old}
    report = world.upgrade()
    assert (report.upgraded, report.left, report.failed) == (3, {}, [])
    new = {record.sha256: record for record in world.archive.all()}
    assert world.revisions() == ["2", "2", "2"]
    for item in old:
        record = new[item.sha256]
        assert (record.created, record.name, record.link) == (item.created, item.name, item.link)
        assert (record.outputs, record.duration, record.codec) == (item.outputs, item.duration, item.codec)
        assert record.outputs is not None
        result = read_result(record.outputs)
        assert (result.model.revision, result.recording.sha256) == ("2", item.sha256)
        assert result.scores == record.scores
        assert result.timestamp == item.created.strftime("%Y-%m-%d %H:%M:%S")
        vector, previous = world.archive.embedding(record.id), before[item.id]
        assert vector is not None
        assert previous is not None
        np.testing.assert_allclose(vector, 2 * previous, rtol=0.02, atol=1e-6)
        assert world.archive.directories.of([record.id]) == {record.id: (record.outputs,)}
        assert world.archive.by_outputs(record.outputs) == record
    assert new[old[1].sha256].tags == ("kept",)
    first, second, third = (new[item.sha256] for item in old)
    assert (first.granularity, bool(world.archive.segments(first.id))) == ("frame", True)
    assert first.outputs is not None
    assert (first.outputs / "frames.csv").read_bytes() != table
    assert not (first.outputs / EMBEDDING).exists()
    assert second.outputs is not None
    assert read_result(second.outputs).speech_only
    assert {EMBEDDING, SEGMENT_EMBEDDINGS} < {path.name for path in second.outputs.iterdir()}
    assert third.scores is not None
    assert third.scores["happy"] == 0
    assert third.scores["angry"] > 0
    assert world.upgrade().upgraded == 0


def test_it_is_what_the_recording_would_have_given_now(world: World) -> None:
    words = [Cue(0.2, 1.4, "the words"), Cue(0.2, 0.4, "stay")]
    options: dict[str, Any] = {"granularity": "frame", "segments": True, "smoothing": 0.1, "words": words}
    item = world.add(0, **options)
    world.upgrade()
    assert item.outputs is not None
    result = read_result(item.outputs)
    again = world.after.recognize(world.files[0], **options)
    assert result.recording == again.recording
    assert result.segments == again.segments
    assert result.lines == again.lines
    assert [line.text for line in result.lines or []] == ["the words", "stay"]
    assert (result.scores, result.readouts, result.warnings) == (again.scores, again.readouts, again.warnings)
    assert result.frames is not None
    assert again.frames is not None
    assert result.frames.smoothing == 0.1
    np.testing.assert_array_equal(result.frames.logits, again.frames.logits)


def test_similar_recordings_are_found_again(world: World) -> None:
    for number in range(3):
        world.add(number)
    world.upgrade()
    neighbours = world.archive.similar(world.after.recognize(world.files[0], embedding=True), k=3, raw=True)
    assert len(neighbours) == 2
    with pytest.raises(ArchiveError):
        world.archive.similar(world.before.recognize(world.files[0], embedding=True), raw=True)


def test_what_has_no_sound_stays_and_is_told(world: World) -> None:
    lost, moved, changed = world.add(0), world.add(1), world.add(2)
    for item in (lost, moved, changed):
        assert item.outputs is not None
        (item.outputs / AUDIO).unlink()
    world.files[0].unlink()
    world.files[2].write_bytes(b"another")
    assert world.plan().left == {NO_SOUND: 1}
    report = world.upgrade()
    assert report.left == {NO_SOUND: 1, CHANGED: 1}
    assert (report.upgraded, world.revisions()) == (1, ["1", "1", "2"])
    assert next(world.archive.all(Filter(revision="2"))).sha256 == moved.sha256


def test_what_is_only_in_the_archive_is_inferred_from_the_recording(world: World) -> None:
    item = world.add(1, outputs=False, segments=True)
    assert world.upgrade().upgraded == 1
    [record] = world.archive.all()
    assert (record.revision, record.outputs, record.created) == ("2", None, item.created)
    assert len(world.archive.segments(record.id)) == len(item.segments)


def test_copies_of_an_outputs_directory_are_of_the_new_revision_too(world: World) -> None:
    item = world.add(0)
    assert item.outputs is not None
    copy = item.outputs.with_name("outputs_20240104_223000")
    shutil.copytree(item.outputs, copy)
    from emovox.archive.importing import import_directories  # noqa: PLC0415

    assert import_directories(world.archive, [copy]) == 0
    world.upgrade()
    [record] = world.archive.all()
    assert (copy / RESULT).read_bytes() == (item.outputs / RESULT).read_bytes()
    assert set(world.archive.directories.of([record.id])[record.id]) == {copy, item.outputs}
    assert import_directories(world.archive, [copy, item.outputs]) == 0


def test_heads_and_baselines_are_fitted_again(world: World) -> None:
    head, baseline = world.train(), world.fit()
    item = world.add(0, head="calls", baseline="room", expect="sad=0.6")
    with pytest.raises(HeadError, match=r"--model tiny@1.*`emovox archive upgrade --model tiny@2`"):
        head.check(world.after.metadata)
    with pytest.raises(BaselineError, match=r"--model tiny@1.*`emovox archive upgrade"):
        baseline.check(world.after.metadata)
    report = world.upgrade()
    assert [(outcome.name, outcome.note) for outcome in report.heads + report.baselines] == [
        ("calls", ""),
        ("room", ""),
    ]
    new = Baseline.find("room")
    assert (new.model.revision, new.count, new.recordings) == ("2", baseline.count, baseline.recordings)
    np.testing.assert_allclose(new.sum, 2 * baseline.sum, rtol=1e-4, atol=1e-7)
    trained = Head.find("calls")
    assert (trained.model.revision, trained.training.clips) == ("2", head.training.clips)
    assert item.outputs is not None
    result = read_result(item.outputs)
    again = world.after.recognize(world.files[0], head="calls", baseline="room", expect="sad=0.6")
    assert result.baseline == again.baseline
    assert (result.scores, result.readouts) == (again.scores, again.readouts)
    [record] = world.archive.all()
    assert record.baseline is not None
    assert record.baseline.checksum == new.checksum


def test_a_baseline_of_the_archive_is_of_its_new_embeddings(world: World) -> None:
    from emovox.archive.fitting import fit as fit_archive  # noqa: PLC0415
    from emovox.baselines.removal import take_out  # noqa: PLC0415

    records = [world.add(number) for number in range(3)]
    [baseline] = fit_archive(world.archive, "room", world.before.metadata, Filter(), source="the archive")
    baseline.write(baseline_path("room"))
    world.upgrade()
    new = Baseline.find("room")
    vectors = [world.archive.embedding(record.id) for record in world.archive.all()]
    np.testing.assert_allclose(new.sum, np.sum([row for row in vectors if row is not None], axis=0), rtol=1e-6)
    from emovox.archive.vectors import stored_embeddings  # noqa: PLC0415

    [removal] = take_out([records[0].sha256], lambda sha256: stored_embeddings(world.archive, sha256))
    assert (removal.count, removal.left) == (2, 0)


def test_groups_are_fitted_with_their_whole(world: World) -> None:
    items, _ = embed_speech(find_sources(str(world.recordings)), world.before)
    for item in fit(
        "room",
        [item.embedding for item in items],
        world.before.metadata,
        sha256s=[item.sha256 for item in items],
        groups=["x", "x", "y", "y"],
        column="agent",
        source=str(world.recordings),
    ):
        item.write(baseline_path(item.name))
    world.add(0)
    assert {outcome.name for outcome in world.upgrade().baselines} == {"room", "room.x", "room.y"}
    part, whole = Baseline.find("room.x"), Baseline.find("room")
    assert part.group is not None
    assert (part.model.revision, part.count, part.group.count, part.group.value) == ("2", 2, 4, "x")
    np.testing.assert_array_equal(part.group.sum, whole.sum)


def test_what_cannot_be_fitted_again_stays_with_what_it_recognised(world: World) -> None:
    world.train()
    world.fit()
    world.add(0, head="calls")
    world.add(1, baseline="room")
    world.add(2)
    world.files[3].unlink()
    (world.recordings.parent / "labels.csv").write_text("path,label\nrecordings/gone.wav,a\n", encoding="utf-8")
    baseline = Baseline.find("room").model_copy(update={"recordings": None})
    baseline.write(baseline_path("room"))
    report = world.upgrade()
    assert (report.upgraded, sorted(world.revisions())) == (1, ["1", "1", "2"])
    [head], [room] = report.heads, report.baselines
    assert "not found: recordings/gone.wav" in head.note
    assert "not all its recordings are known: `emovox baseline fit RECORDINGS --name room`" in room.note
    assert {reason.rpartition("the ")[2] for reason in report.left} == {
        "head calls, which stays as it is",
        "baseline room, which stays as it is",
    }
    assert (Head.find("calls").model.revision, Baseline.find("room").model.revision) == ("1", "1")


def test_a_baseline_goes_on_without_a_few_of_its_recordings(world: World) -> None:
    world.fit()
    world.add(0)
    world.files[3].unlink()
    [outcome] = world.upgrade().baselines
    assert outcome.note == "of 3 of its 4 recordings"
    assert Baseline.find("room").count == 3


def test_an_old_head_says_how_to_train_it_again(world: World) -> None:
    head = world.train()
    head.model_copy(update={"training": head.training.model_copy(update={"labels_file": None})}).write(
        head_path("calls")
    )
    world.add(0)
    assert "it doesn't say on which list" in world.plan().heads["calls"]
    [outcome] = world.upgrade().heads
    assert "`emovox head train LABELS --name calls`" in outcome.note


def test_a_head_or_baseline_that_was_removed_is_left_out_and_told(world: World) -> None:
    world.train()
    world.fit()
    item = world.add(0, head="calls", baseline="room")
    head_path("calls").unlink()
    baseline_path("room").unlink()
    assert world.plan().without == {"head calls": 1, "baseline room": 1}
    report = world.upgrade()
    assert (report.upgraded, report.without) == (1, {"head calls": 1, "baseline room": 1})
    assert item.outputs is not None
    assert (read_result(item.outputs).baseline, "calls" in read_result(item.outputs).readouts) == (None, False)


def test_relative_to_itself_again(world: World) -> None:
    item = world.add(1, baseline="self", segments=True)
    world.upgrade()
    assert item.outputs is not None
    again = world.after.recognize(world.files[1], baseline="self", segments=True)
    assert read_result(item.outputs).baseline == again.baseline
    assert read_result(item.outputs).warnings == again.warnings


def test_what_was_relative_to_a_run_stays(world: World) -> None:
    world.fit()
    item = world.add(0, baseline="room")
    assert item.baseline is not None
    assert item.outputs is not None
    content = json.loads((item.outputs / RESULT).read_bytes())
    content["baseline"]["name"] = "speaker anna"
    (item.outputs / RESULT).write_text(json.dumps(content), encoding="utf-8")
    world.archive.delete([item.sha256])
    from emovox.archive.importing import import_directories  # noqa: PLC0415

    import_directories(world.archive, [item.outputs])
    assert world.upgrade().left == {OF_RUN: 1}


def test_a_filter_selects_records_with_their_heads_and_baselines(world: World) -> None:
    world.train()
    world.fit()
    first = world.add(0, head="calls")
    world.add(1)
    world.archive.tag(first.sha256, "some")
    report = world.upgrade(Filter(tag="some"))
    assert ([item.name for item in report.heads], report.baselines) == (["calls"], [])
    assert world.revisions() == ["1", "2"]
    assert Baseline.find("room").model.revision == "1"
    with pytest.raises(ArchiveError, match="of the model other"):
        world.plan(Filter(model="other"))


def test_a_plan_changes_nothing(world: World) -> None:
    world.train()
    items = [world.add(number) for number in range(2)]
    result = world.plan(estimate=True)
    assert (result.records, result.doable, result.staged, result.heads) == ({"1": 2}, 2, 0, {"calls": ""})
    assert result.seconds == pytest.approx(sum(item.duration or 0 for item in items))
    assert result.estimate is not None
    assert result.estimate > 0
    assert world.revisions() == ["1", "1"]
    assert Head.find("calls").model.revision == "1"


@pytest.mark.parametrize(("place", "count"), [("commit", 2), ("install", 1), ("install", 3), ("_install", 2)])
def test_what_is_killed_goes_on_and_nothing_is_lost(world: World, place: str, count: int) -> None:
    world.train()
    world.fit()
    items = [world.add(number, baseline="room", head="calls") for number in range(3)]
    ids = sorted(item.id for item in items)
    kill(world, place, count)
    assert sorted(record.id for record in world.archive.all()) == ids, "the old is used until the new is whole"
    if place == "commit":
        assert world.plan().staged == 2
        assert Head.find("calls").model.revision == "1"
        assert all(read_result(item.outputs).model.revision == "1" for item in items if item.outputs is not None)
        for item in items:
            if item.id in Staging.made(world.after.model) and item.outputs is not None:
                (item.outputs / AUDIO).unlink()  # what was made isn't made again
                world.files[items.index(item)].unlink()
    report = world.upgrade()
    assert (report.upgraded, report.failed, report.left) == (3, [], {})
    assert world.revisions() == ["2"] * 3
    assert (Head.find("calls").model.revision, Baseline.find("room").model.revision) == ("2", "2")
    for record in world.archive.all():
        assert record.outputs is not None
        assert read_result(record.outputs).scores_without == pytest.approx(record.scores)
    assert not list((settings().outputs / ".emovox").glob("upgrade-*"))


def test_a_policy_is_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.add(0, side="worker")
    world.add(1, side="customer")
    world.add(2, outputs=False, side="customer")
    monkeypatch.setenv("EMOVOX_POLICY", "eu")
    settings.cache_clear()
    world.add(3, side="worker")
    after = Recognizer(world.file)
    selection = Selection(world.archive, after.metadata, Filter())
    assert plan(selection, after).left == {"the policy allows nothing but the talk time of a worker's voice": 1}
    report = Upgrade(selection, after).run()
    assert (report.upgraded, sum(report.left.values())) == (2, 1)
    new = list(world.archive.all(Filter(revision="2")))
    assert [record.side for record in new] == ["customer", "customer"]
    assert all(record.policy is not None and record.policy.inferred for record in new)
    monkeypatch.delenv("EMOVOX_POLICY")
    settings.cache_clear()
    assert world.upgrade().upgraded == 1, "what was never inferred isn't now"


def test_one_upgrade_at_a_time(world: World) -> None:
    world.add(0)
    staging = Staging(world.after.model)
    with pytest.raises(ArchiveError, match="another process upgrades"):
        world.upgrade()
    staging.close(done=False)
    assert world.upgrade().upgraded == 1


def test_what_is_deleted_while_it_waits_does_not_come_back(world: World) -> None:
    items = [world.add(number) for number in range(2)]
    kill(world, "commit", 2)
    world.archive.delete([items[1].sha256])
    assert world.upgrade().upgraded == 1
    assert [record.sha256 for record in world.archive.all()] == [items[0].sha256]
