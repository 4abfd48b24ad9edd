import errno
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import wave
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from emovox.emotions import NAMES
from emovox.errors import OutputsError
from emovox.inference.recognition import Segment, json_schema
from emovox.outputs import Outputs, read_result
from support.results import frames, random_curves, recognition

NAME = re.compile(r"outputs_\d{8}_\d{6}(_\d+)?")


def publish(outputs: Outputs, **changes: object) -> Path:
    with outputs.draft() as draft:
        draft.write(np.linspace(-0.5, 0.5, 16_000, dtype=np.float32))
        return draft.publish(recognition(**changes))


def scan(root: Path) -> list[dict[str, object]]:
    """What people's own scripts do: list, take outputs_*, read result.json, load the embedding."""
    found = []
    for name in sorted(os.listdir(root)):  # noqa: PTH208  as they do it
        if not name.startswith("outputs_"):
            continue
        place = root / name
        assert NAME.fullmatch(name)
        result = json.loads((place / "result.json").read_text(encoding="utf-8"))
        jsonschema.validate(result, json_schema())
        with wave.open(str(place / "processed_audio.wav")) as file:
            assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (16_000, 1, 2)
            assert file.getnframes() == len(file.readframes(file.getnframes())) // 2 > 0
        if (place / "embedding.npy").exists():
            assert np.load(place / "embedding.npy").dtype == np.float32
        if "frames" in result:
            with np.load(place / result["frames"]["file"]) as file:
                assert len(file["centres"]) == len(file["scores"]) == result["frames"]["count"]
        found.append(result)
    return found


def left_behind(root: Path) -> list[str]:
    if not (root / ".emovox").exists():
        return []
    return sorted(path.name for path in (root / ".emovox").iterdir() if path.name != "gate")


def test_the_layout(tmp_path: Path) -> None:
    embedding = np.ones((1, 4), np.float32)
    place = publish(Outputs(tmp_path / "deep" / "outputs"), embedding=embedding)
    assert place == tmp_path / "deep" / "outputs" / "outputs_20240104_223000"
    assert sorted(path.name for path in place.iterdir()) == ["embedding.npy", "processed_audio.wav", "result.json"]
    np.testing.assert_array_equal(np.load(place / "embedding.npy"), embedding)
    [result] = scan(place.parent)
    assert list(result)[:5] == ["emotion", "confidence", "scores", "granularity", "timestamp"]
    assert result["timestamp"] == "2024-01-04 22:30:00"
    assert left_behind(place.parent) == []


def test_no_embedding_unless_asked_for(tmp_path: Path) -> None:
    assert not (publish(Outputs(tmp_path)) / "embedding.npy").exists()


def test_the_same_second_gives_new_names_and_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "outputs_20240104_223000_2").mkdir()  # another program is just about to fill it
    (tmp_path / "outputs_20240104_223000_3").write_text("a file")
    outputs = Outputs(tmp_path)
    assert [publish(outputs).name for _ in range(3)] == [
        "outputs_20240104_223000",
        "outputs_20240104_223000_4",
        "outputs_20240104_223000_5",
    ]
    assert list((tmp_path / "outputs_20240104_223000_2").iterdir()) == []
    assert (tmp_path / "outputs_20240104_223000_3").read_text() == "a file"


def _publish_many(root: Path, count: int) -> None:
    for number in range(count):
        publish(Outputs(root), confidence=number / count)  # each start sweeps what it takes for left behind


def test_several_processes_and_threads_at_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers: list[object] = [context.Process(target=_publish_many, args=(tmp_path, 15)) for _ in range(3)]
    workers += [threading.Thread(target=_publish_many, args=(tmp_path, 15)) for _ in range(3)]
    for worker in workers:
        worker.start()  # type: ignore[attr-defined]
    for worker in workers:
        worker.join()  # type: ignore[attr-defined]
    assert len(scan(tmp_path)) == 6 * 15
    assert left_behind(tmp_path) == []


def test_a_failed_draft_leaves_nothing(tmp_path: Path) -> None:
    def interrupted() -> None:
        with Outputs(tmp_path).draft() as draft:
            draft.write(np.zeros(100, np.float32))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert scan(tmp_path) == []
    assert left_behind(tmp_path) == []


def test_a_living_draft_is_not_swept(tmp_path: Path) -> None:
    with Outputs(tmp_path).draft() as draft:
        draft.write(np.zeros(16_000, np.float32))
        subprocess.run(
            [sys.executable, "-c", f"from emovox.outputs import Outputs; Outputs({str(tmp_path)!r})"], check=True
        )
        draft.publish(recognition())
    assert len(scan(tmp_path)) == 1


WRITER = textwrap.dedent("""
    import sys
    sys.path[:0] = {path!r}
    import numpy as np
    from support.results import frames, recognition
    from emovox.outputs import Outputs
    outputs, curve = Outputs({root!r}), frames(20_000)
    print("ready", flush=True)
    while True:
        with outputs.draft() as draft:
            for _ in range(10):
                draft.write(np.zeros(16_000, np.float32))
            draft.publish(recognition(embedding=np.zeros((1000, 64), np.float32), frames=curve))
""")


@pytest.mark.parametrize("kills", [3, pytest.param(12, marks=pytest.mark.slow)])
def test_killed_at_random_while_a_watcher_reads(tmp_path: Path, kills: int) -> None:
    stop = threading.Event()
    seen: list[int] = []
    wrong: list[BaseException] = []

    def watch() -> None:
        try:
            while not stop.is_set():
                seen.append(len(scan(tmp_path)))
        except BaseException as error:
            wrong.append(error)

    watcher = threading.Thread(target=watch)
    watcher.start()
    chance = random.Random(2024)
    code = WRITER.format(path=[str(Path(__file__).parent)], root=str(tmp_path))
    interrupted = 0
    for _ in range(kills):
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(chance.uniform(0, 0.1))
            process.send_signal(signal.SIGKILL)
        interrupted += bool(left_behind(tmp_path))
    stop.set()
    watcher.join()
    assert wrong == []
    assert interrupted or kills < 12, "some kill must have hit a draft, or this test shows nothing"
    assert len(scan(tmp_path)) >= max(seen)
    Outputs(tmp_path)
    assert left_behind(tmp_path) == []


def test_a_full_disk(tmp_path: Path) -> None:
    code = textwrap.dedent(f"""
        import resource, sys
        sys.path[:0] = [{str(Path(__file__).parent)!r}]
        import numpy as np
        from support.results import frames, recognition
        from emovox.errors import OutputsError
        from emovox.outputs import Outputs
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        outputs = Outputs({str(tmp_path)!r})
        for samples, width, count in [(16_000, 1, 1), (100, 100_000, 1), (100, 1, 1000)]:
            try:
                with outputs.draft() as draft:
                    draft.write(np.zeros(samples, np.float32))
                    draft.publish(recognition(embedding=np.zeros((1, width), np.float32), frames=frames(count)))
            except OutputsError as error:
                assert "disk is full" in str(error), error
            else:
                raise SystemExit("nothing was raised")
    """)
    subprocess.run([sys.executable, "-c", code], check=True)
    assert scan(tmp_path) == []
    assert left_behind(tmp_path) == []


def test_a_place_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "deeper"):
        with pytest.raises(OutputsError, match=r"can't be written: .*choose another directory"):
            Outputs(path)
    outputs = Outputs(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "mkdir", refuse)  # root may write everywhere
        with pytest.raises(OutputsError, match="Permission denied"):
            publish(outputs)
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(OutputsError, match="no permission"):
        Outputs(tmp_path / "new" / "place")


def test_nothing_is_made_before_there_is_something_to_write(tmp_path: Path) -> None:
    outputs = Outputs(tmp_path / "outputs")
    with outputs.draft():
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_is_published_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    real = os.fsync

    def watch(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve().name)
        real(handle)

    monkeypatch.setattr(os, "fsync", watch)
    place = publish(Outputs(tmp_path), embedding=np.ones((1, 4), np.float32), frames=frames(3))
    assert (place / "frames.npz").exists()
    assert sorted(synced) == sorted(path.name for path in place.iterdir())


def test_embeddings_of_frames_are_written_as_they_come(tmp_path: Path) -> None:
    rows = np.random.default_rng(0).standard_normal((1000, 7)).astype(np.float32)
    with Outputs(tmp_path).draft() as draft:
        draft.write(np.zeros(16_000, np.float32))
        for piece in np.split(rows, [1, 300, 301]):
            draft.write_embedding(piece)
        place = draft.publish(recognition(granularity="frame"))
    np.testing.assert_array_equal(np.load(place / "embedding.npy"), rows)
    assert not np.load(place / "embedding.npy", mmap_mode="r").flags.f_contiguous


def test_a_channel_is_in_the_name_and_segments_have_their_embeddings(tmp_path: Path) -> None:
    facts = recognition().recording.model_copy(update={"channel": 2, "channels": 2})
    scores = dict.fromkeys(NAMES, 0.0) | {"sad": 1.0}
    segments = [
        Segment(start=at, end=at + 1, emotion="sad", confidence=1, scores=scores, embedding=np.full(3, at, "f4"))
        for at in (0.0, 2.0)
    ]
    place = publish(Outputs(tmp_path), recording=facts, segments=segments)
    assert place.name == "outputs_20240104_223000_channel2"
    assert publish(Outputs(tmp_path), recording=facts).name == "outputs_20240104_223000_channel2_2"
    np.testing.assert_array_equal(np.load(place / "segment_embeddings.npy"), [[0, 0, 0], [2, 2, 2]])


def test_frames_are_in_a_file_of_their_own(tmp_path: Path) -> None:
    curve = frames(300, readouts=random_curves(300))
    place = publish(Outputs(tmp_path), granularity="frame", frames=curve)
    assert sorted(path.name for path in place.iterdir()) == ["frames.npz", "processed_audio.wav", "result.json"]
    [result] = scan(tmp_path)
    assert "scores" not in result["frames"]  # type: ignore[operator]
    back = read_result(str(place))
    assert back == recognition(granularity="frame", frames=curve)
    assert publish(Outputs(tmp_path), frames=back.frames) != place  # what was read can be written
    np.testing.assert_array_equal(np.load(place / "frames.npz")["scores"], curve.scores)


LONG = textwrap.dedent("""
    import resource, sys
    from pathlib import Path
    import numpy as np
    sys.path[:0] = {path!r}
    from support.results import frames, recognition
    from emovox.outputs import Outputs, read_result

    def confine(megabytes):
        # So much more than it has. Pages of mapped files are the system's, which takes them back as it likes.
        [line] = [line for line in open("/proc/self/status") if line.startswith("VmData")]
        limit = 1024 * int(line.split()[1]) + megabytes * 2**20
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    root, count = Path({root!r}), {count}
    if {step!r} == "write":
        rows = np.full((count, 9), 1 / 9, np.float32)  # as a recognition has them
        curve = frames(count, logits=rows, scores=rows.copy())
        confine(40)
        with Outputs(root).draft() as draft:
            draft.write(np.zeros(16_000, np.float32))
            draft.publish(recognition(granularity="frame", frames=curve))
    else:
        confine(20)
        [place] = root.glob("outputs_*")
        result = read_result(place)
        for first in range(0, count, 2**14):
            assert abs(result.frames.scores[first : first + 2**14].sum(axis=1) - 1).max() < 1e-6
        assert len(result.frames.logits[-50:].copy()) == 50
        assert sum(map(len, result.json_pieces())) > 100 * count
""")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's own memory")
def test_six_hours_of_frames_take_little_memory(tmp_path: Path) -> None:
    """Of what a series takes, 39 MB, there is no copy when it is written and none when it is read."""
    for step in ("write", "read"):
        code = LONG.format(path=[str(Path(__file__).parent)], root=str(tmp_path), count=6 * 3600 * 50, step=step)
        subprocess.run([sys.executable, "-c", code], check=True)
    [place] = tmp_path.glob("outputs_*")
    assert (place / "result.json").stat().st_size < 10_000
    assert (place / "frames.npz").stat().st_size < 90 * 2**20
