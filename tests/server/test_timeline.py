import json
import os
import threading
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from emovox.emotions import NAMES
from emovox.inference.baseline_facts import BaselineFacts
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.recognition import Recognition
from emovox.outputs import Outputs
from emovox.server import timeline
from emovox.server.http.problems import Problem
from emovox.server.timeline import Timelines
from emovox.server.timeline_view import Timeline
from support import results
from support.service import Client

SOUND = np.random.default_rng(0).uniform(-1, 1, 50_000).astype(np.float32)  # 3.125 s


def publish(root: Path, sound: NDArray[np.float32] = SOUND, **changes: object) -> tuple[Path, Recognition]:
    recognition = results.recognition(recording=results.recording(len(sound) / 16_000), **changes)
    with Outputs(root).draft() as draft:
        draft.write(sound)
        return draft.publish(recognition), recognition


def test_what_a_picture_needs(tmp_path: Path) -> None:
    frames = results.frames(155)
    segments = [results.segment(0.5, 1.0), results.segment(1.5, 2.5, "sad")]
    directory, _ = publish(tmp_path, granularity="frame", frames=frames, segments=segments)
    timelines = Timelines(tmp_path / "kept")
    whole = timelines.read(directory, start=0, end=None, points=100)
    assert (whole.start, whole.end, whole.duration) == (0, 3.125, 3.125)
    assert len(whole.low) == len(whole.high) == 100
    assert min(whole.low) == pytest.approx(SOUND.min(), abs=1e-3)
    assert max(whole.high) == pytest.approx(SOUND.max(), abs=1e-3)
    assert whole.segments == segments
    assert whole.curve is not None
    assert frames.scores is not None
    assert list(whole.curve.scores) == list(NAMES)
    # A point is the mean of one or two frames here, at the mean of their times.
    assert np.mean([np.interp(whole.curve.times, frames.times, frames.scores[:, 0])]) == pytest.approx(
        np.mean(whole.curve.scores["angry"]), abs=0.01
    )
    near = timelines.read(directory, start=1.0, end=1.6, points=10_000)
    assert near.segments == segments[1:]
    assert np.allclose(near.low, SOUND[16_000:25_600], atol=1e-3)
    assert near.curve is not None
    inside = (frames.times >= 1.0) & (frames.times < 1.6)
    assert np.allclose(near.curve.times, frames.times[inside], atol=1e-3)
    assert np.allclose(near.curve.scores["sad"], frames.scores[inside, NAMES.index("sad")], atol=1e-3)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_any_stretch_is_what_its_samples_and_frames_say(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    root = tmp_path_factory.mktemp("any")
    rng = np.random.default_rng(data.draw(st.integers(0, 9)))
    sound = rng.uniform(-1, 1, data.draw(st.integers(400, 20_000))).astype(np.float32)
    frames = results.frames(1 + (len(sound) - 400) // 320)
    directory, _ = publish(root, sound, granularity="frame", frames=frames)
    start = data.draw(st.floats(0, len(sound) / 16_000 - 0.01))
    end = data.draw(st.floats(start + 0.005, start + 2))
    points = data.draw(st.integers(1, 2000))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(timeline, "BLOCK", data.draw(st.sampled_from([320, 1600, 2**20])))
        found = Timelines(root / "kept").read(directory, start=start, end=end, points=points)
    first, last = round(start * 16_000), min(len(sound), round(end * 16_000))
    around = sound[max(0, first - 160) : last + 160]
    assert min(found.low) <= sound[first:last].min() + 1e-3
    assert max(found.high) >= sound[first:last].max() - 1e-3
    assert min(found.low) >= around.min() - 1e-3
    assert max(found.high) <= around.max() + 1e-3
    assert 1 <= len(found.low) <= points
    assert found.segments is None
    assert found.curve is not None
    assert 1 <= len(found.curve.times) <= points
    assert np.all(np.diff(found.curve.times) > 0)
    sums = np.sum([found.curve.scores[name] for name in NAMES], axis=0)
    assert np.allclose(sums, 1, atol=5e-3)


def test_what_is_kept_follows_the_outputs(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path)
    other, _ = publish(tmp_path)
    kept = tmp_path / "kept"
    timelines = Timelines(kept)
    first = timelines.read(directory, start=0, end=None, points=10)
    assert first.curve is None
    assert first.segments is None
    assert timelines.read(directory, start=0, end=None, points=10) == first
    timelines.read(other, start=0, end=None, points=10)
    assert len(list(kept.iterdir())) == 2
    data = json.loads((directory / "result.json").read_text())
    (directory / "result.json").write_text(json.dumps(data, indent=2))
    os.utime(directory / "result.json", ns=(1, 1))
    timelines.read(directory, start=0, end=None, points=10)
    assert len(list(kept.iterdir())) == 2
    timelines.forget(directory.name)
    assert [path.stem for path in kept.iterdir()] == [other.name]


def test_a_baseline_has_two_sides(tmp_path: Path) -> None:
    shift = {"angry": 2.0, "sad": -1.0}
    raw = results.frames(155, readouts=results.random_curves(155))
    moved = results.frame_scores(raw) * np.exp([shift.get(name, 0) for name in NAMES])
    scores = (moved / moved.sum(axis=1, keepdims=True)).astype(np.float32)
    plain, _ = publish(tmp_path, granularity="frame", frames=raw)
    relative, _ = publish(
        tmp_path, granularity="frame", frames=raw.model_copy(update={"scores": scores}), baseline=moved_by(shift)
    )
    timelines = Timelines(tmp_path / "kept")
    for _ in range(2):  # measured, then cached
        curve = timelines.read(relative, start=0, end=None, points=20).curve
        expected = timelines.read(plain, start=0, end=None, points=20).curve
        assert curve is not None
        assert expected is not None
        assert expected.scores_without is None
        assert curve.scores_without is not None
        for name in NAMES:
            assert np.allclose(curve.scores_without[name], expected.scores[name], atol=1e-3)
        assert not np.allclose(curve.scores["angry"], expected.scores["angry"], atol=0.1)
        assert curve.readouts == expected.readouts


def test_a_readout_has_two_sides_too(tmp_path: Path) -> None:
    frames = results.curves(155, emotion=results.classes(happy=0.6, angry=0.4))
    directory, _ = publish(
        tmp_path, granularity="frame", frames=frames, baseline=moved_by({"happy": 1.0}), **results.nothing()
    )
    curve = Timelines(tmp_path / "kept").read(directory, start=0, end=None, points=2).curve
    assert curve is not None
    emotion = curve.readouts["emotion"]
    assert (emotion.scores or {})["happy"] == pytest.approx([0.6] * 2, abs=1e-3)
    assert (emotion.scores_without or {})["happy"] == pytest.approx([0.6 / (0.6 + 0.4 * np.e)] * 2, abs=1e-3)
    assert curve.scores_without is None


def moved_by(shift: dict[str, float]) -> BaselineFacts:
    return BaselineFacts(
        name="line3", count=20, checksum="0" * 64, expectation={"neutral": 1}, shift={"emotion": shift}
    )


def test_what_does_not_count_is_left_out_of_means(tmp_path: Path) -> None:
    values = np.arange(310, dtype=np.float32).reshape(155, 2)
    values[50:] = np.nan
    item = FrameReadout(kind="pooled", labels=["arousal", "=1+1"], range=(0, 500), values=values)
    frames = Frames(hop=0.02, first_centre=0.0125, smoothing=1, readouts={"dimensions": item})
    directory, _ = publish(
        tmp_path, granularity="frame", frames=frames, emotion=None, confidence=None, scores=None
    )
    for _ in range(2):  # measured, then cached
        curve = Timelines(tmp_path / "kept").read(directory, start=0, end=None, points=4).curve
        assert curve is not None
        assert curve.scores == {}
        dimensions = curve.readouts["dimensions"]
        assert (dimensions.kind, dimensions.range, dimensions.scores) == ("pooled", (0, 500), None)
        assert dimensions.values is not None
        assert list(dimensions.values) == ["arousal", "=1+1"]
        arousal = dimensions.values["arousal"]
        assert arousal[:2] == [np.mean(values[:38, 0]), np.mean(values[38:50, 0])]
        assert arousal[2:] == [None, None]


def test_a_look_at_hours_is_the_mean_of_all_their_frames(tmp_path: Path) -> None:
    numbers = np.random.default_rng(0).uniform(0, 1, (5000, 2)).astype(np.float32)
    numbers[1000:1200] = np.nan  # silence
    numbers[np.random.default_rng(1).uniform(size=5000) < 0.3] = np.nan
    readout = FrameReadout(kind="linear", labels=["a", "b"], scores=numbers)
    frames = results.frames(5000).model_copy(update={"readouts": {"own": readout}})
    directory, _ = publish(tmp_path, np.zeros(1_600_400, np.float32), granularity="frame", frames=frames)
    timelines = Timelines(tmp_path / "kept")
    for start, end in ((0, None), (13.21, 77.7), (20.0, 24.0)):
        found = timelines.read(directory, start=start, end=end, points=7).curve
        assert found is not None
        assert len(found.times) == 7
        width = found.times[1] - found.times[0]
        assert width * 7 == pytest.approx((end or 100) - start, abs=7 * timeline.COARSE * frames.hop)
        for time, a in zip(found.times, (found.readouts["own"].scores or {})["a"], strict=True):
            inside = np.abs(frames.times - time) < width / 2
            if np.isnan(numbers[inside, 0]).all():
                assert a is None
            else:  # a span is 600 frames, give or take the sixteen at its ends
                assert a == pytest.approx(np.nanmean(numbers[inside, 0]), abs=0.05)
    whole = timelines.read(directory, start=0, end=None, points=1).curve
    assert whole is not None
    assert (whole.readouts["own"].scores or {})["b"] == [pytest.approx(np.nanmean(numbers[:, 1]), abs=1e-3)]
    assert whole.times == [pytest.approx(frames.times.mean(), abs=1e-3)]


def test_segments_are_those_that_are_stored_now(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path, segments=[results.segment(0.5, 1.0)])
    timelines = Timelines(tmp_path / "kept")
    assert len(timelines.read(directory, start=0, end=None, points=10).segments or []) == 1
    assert timelines.read(directory, start=0, end=None, points=10, segments=False).segments is None
    other, _ = publish(tmp_path, segments=[])
    (other / "result.json").replace(directory / "result.json")
    os.utime(directory / "result.json", ns=(1, 1))
    assert timelines.read(directory, start=0, end=None, points=10).segments == []


def test_caches_of_earlier_versions_are_made_anew(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path, granularity="frame", frames=results.frames(155))
    timelines = Timelines(tmp_path / "kept")
    curve = timelines.read(directory, start=0, end=None, points=10).curve
    [cache] = (tmp_path / "kept").iterdir()
    (cache / "curves.npy").rename(cache / "scores.npy")
    (cache / "frames.json").write_text('{"hop": 0.02, "first_centre": 0.0125}')
    assert timelines.read(directory, start=0, end=None, points=10).curve == curve


@pytest.mark.parametrize("broken", ["sound", "frames"])
def test_damaged_outputs(tmp_path: Path, broken: str) -> None:
    directory, _ = publish(tmp_path, granularity="frame", frames=results.frames(155))
    if broken == "sound":
        (directory / "processed_audio.wav").write_bytes(b"RIFF")
    else:
        text = (directory / "result.json").read_text()
        (directory / "result.json").write_text(text[: len(text) * 3 // 4])
    with pytest.raises(Problem, match="can't be read"):
        Timelines(tmp_path / "kept").read(directory, start=0, end=None, points=10)
    assert not list((tmp_path / "kept").glob("*"))


def test_frames_whose_file_is_gone(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path, granularity="frame", frames=results.frames(155), segments=[])
    timelines, content = Timelines(tmp_path / "kept"), (directory / "frames.npz").read_bytes()
    whole = timelines.read(directory, start=0, end=None, points=10)
    for damage in (content[:-500], None):
        (directory / "frames.npz").unlink()
        if damage is not None:
            (directory / "frames.npz").write_bytes(damage)
        timelines.forget(directory.name)
        without = timelines.read(directory, start=0, end=None, points=10)
        assert (without.curve, without.low, without.segments) == (None, whole.low, [])
        (directory / "frames.npz").write_bytes(content)
        assert timelines.read(directory, start=0, end=None, points=10) == whole


def test_over_http(shared: Client, examples: list[Path]) -> None:
    here = shared.post_file(examples[0], granularity="frame", segments="true").headers["location"]
    found = shared.get(f"{here}/timeline", params={"points": 50}).json()
    assert len(found["low"]) == 50
    assert found["segments"][0]["emotion"] in NAMES
    assert shared.get(here).json()["recognition"]["recording"]["name"] == examples[0].name
    assert shared.get(f"{here}/timeline", params={"start": 1000}).status_code == 422
    assert shared.get("/v1/outputs/outputs_20000101_000000/timeline").status_code == 404
    kept = shared.outputs / ".emovox" / "timelines"
    id_ = here.rpartition("/")[2]
    assert list(kept.glob(f"{id_}.*"))
    assert shared.delete(here).status_code == 204
    assert not list(kept.glob(f"{id_}.*"))


def test_many_at_once_and_the_first_time(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path, granularity="frame", frames=results.frames(155))
    for _ in range(10):
        timelines, seen = Timelines(tmp_path / "kept"), list[Timeline]()
        threads = [
            threading.Thread(target=lambda: seen.append(timelines.read(directory, start=0, end=None, points=10)))  # noqa: B023
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 8
        assert all(item == seen[0] for item in seen)
        assert [path.name.partition(".")[0] for path in (tmp_path / "kept").iterdir()] == [directory.name]
        timelines.forget(directory.name)


def test_where_nothing_can_be_kept(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path)
    (tmp_path / "kept").write_text("a file")
    assert Timelines(tmp_path / "kept").read(directory, start=0, end=None, points=10).duration == 3.125


def test_what_was_kept_badly_is_measured_again(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path)
    timelines = Timelines(tmp_path / "kept")
    first = timelines.read(directory, start=0, end=None, points=10)
    for file in ("peaks.npy", "frames.json"):
        [path] = (tmp_path / "kept").glob(f"*/{file}")
        path.write_bytes(b"")
        assert timelines.read(directory, start=0, end=None, points=10) == first


def test_one_that_is_gone(tmp_path: Path) -> None:
    directory, _ = publish(tmp_path)
    (directory / "result.json").unlink()
    with pytest.raises(Problem) as caught:
        Timelines(tmp_path / "kept").read(directory, start=0, end=None, points=10)
    assert caught.value.status == 404


@pytest.mark.parametrize("start", [1e300, 1e9])
def test_far_beyond_the_end(tmp_path: Path, start: float) -> None:
    directory, _ = publish(tmp_path)
    with pytest.raises(Problem) as caught:
        Timelines(tmp_path / "kept").read(directory, start=start, end=1e308, points=10)
    assert caught.value.status == 422
