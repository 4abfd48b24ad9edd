"""Where only scores are kept there is no sound, whichever way it came in, and all else works as far as it can."""

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from websockets.sync.client import connect

from emovox.batch.config import BatchConfig
from emovox.outputs import AUDIO, Outputs
from emovox.saving import Saving
from emovox.server.retention import Retention
from emovox.server.service import Service
from emovox.settings import settings
from support.batches import run as run_batch
from support.results import recognition
from support.service import Client, serving

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def clip(examples: list[Path]) -> Path:
    return next(path for path in examples if "angry" in path.name)


def sounds(root: Path = Path()) -> Iterator[Path]:
    return root.rglob("*.wav")


WAYS: dict[str, tuple[str, ...]] = {
    "recognize": ("recognize", "{}", "--model", "lite", "-q", "--archive", "--export", "png,srt"),
    "listen": ("listen", "{}", "--fast", "--jsonl", "--events", "2", "--model", "lite"),
    "batch": ("batch", "{}", "--out", "outputs", "--model", "lite", "--outputs-dirs", "-q", "--workers", "1"),
}


@pytest.mark.parametrize("way", WAYS)
def test_commands(way: str, run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = [word.format(clip) for word in WAYS[way]]
    code, _, err = run(*words, "--keep", "scores")
    assert code == 0, err
    [result] = Path("outputs").rglob("result.json")
    assert json.loads(result.read_bytes())["emotion"] == "angry"
    assert not list(sounds())


def test_the_setting_is_the_default(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_KEEP", "scores")
    settings.cache_clear()
    assert run("recognize", clip, "--model", "lite", "-q")[0] == 0
    assert not list(sounds())
    assert run("recognize", clip, "--model", "lite", "-q", "--keep", "all")[0] == 0
    assert len(list(sounds())) == 1


def test_batches(clip: Path, tmp_path: Path) -> None:
    wish = BatchConfig(str(clip), str(tmp_path / "out"), model="lite", outputs_dirs=True, sound=False)
    run_batch(wish)
    assert len(list((tmp_path / "out").rglob("result.json"))) == 1
    assert not list(sounds(tmp_path / "out"))


def test_what_fails_keeps_no_sound_either(tmp_path: Path) -> None:
    with Saving(Outputs(tmp_path), sound=False).begin() as save:
        assert save.sink is None
        assert save.live_sink is not None
        save.live_sink(np.zeros(1000, np.float32))
        assert save.rescue() is None
    assert not list(sounds(tmp_path))


def test_the_service(clip: Path, tmp_path: Path, speech: NDArray[np.float32]) -> None:
    with serving(tmp_path / "outputs", keep="scores") as client:
        answer = client.post_file(clip, segments="true", granularity="frame")
        id_ = answer.headers["location"].rpartition("/")[2]
        files = [file["name"] for file in client.get(f"/v1/outputs/{id_}").json()["files"]]
        assert "result.json" in files
        assert AUDIO not in files
        assert client.get(f"/v1/outputs/{id_}/files/{AUDIO}").status_code == 404
        timeline = client.get(f"/v1/outputs/{id_}/timeline").json()
        assert (timeline["low"], timeline["high"]) == ([], [])
        assert timeline["duration"] == pytest.approx(answer.json()["recording"]["duration"], abs=0.001)
        assert timeline["curve"]["times"]
        assert timeline["segments"]
        assert client.get(f"/v1/outputs/{id_}/similar").json() == {"similar": []}
        assert client.post(f"/v1/outputs/{id_}/exports?export=png,srt").status_code == 200
        assert last(client, speech)["output"]
        assert not list(sounds(tmp_path / "outputs"))


def last(client: Client, speech: NDArray[np.float32]) -> dict[str, Any]:
    with connect(str(client.base_url).replace("http", "ws") + "/v1/live") as socket:
        socket.send(json.dumps({"sample_rate": 16_000, "format": "f32", "store": True}))
        socket.send(speech.astype("<f4").tobytes())
        socket.send('{"type": "end"}')
        end: dict[str, Any] = [json.loads(message) for message in socket][-1]
        return end


@pytest.mark.parametrize(("days", "left"), [("0", 0), ("3", 3)])
def test_sound_goes_when_it_is_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: str, left: int) -> None:
    for name, value in (("OUTPUTS", str(tmp_path)), ("KEEP", "scores"), ("KEEP_SOUND_DAYS", days)):
        monkeypatch.setenv(f"EMOVOX_{name}", value)
    settings.cache_clear()
    published = []
    for age in range(6):
        moment = datetime.now(timezone.utc) - timedelta(days=age, minutes=5)
        stamp = moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        with Outputs(tmp_path).draft() as draft:
            draft.write(np.zeros(20_000, np.float32))
            published.append(draft.publish(recognition(created_at=moment, timestamp=stamp)))
    (tmp_path / f"{published[-1].name.replace('outputs', 'recording')}.wav").touch()
    service = Service()
    assert service.stored_outputs.timeline(published[-1].name, start=0, end=None, points=10, segments=False).low
    Retention(service).sweep()
    assert [place for place in published if (place / AUDIO).exists()] == published[:left]
    assert not list(tmp_path.glob("recording_*"))
    assert all((place / "result.json").exists() for place in published)
    assert not list((tmp_path / ".emovox" / "timelines").glob(f"{published[-1].name}*"))
    after = service.stored_outputs.timeline(published[-1].name, start=0, end=None, points=10, segments=False)
    assert after.low == []
    service.close()


def test_a_kill_before_the_sound_is_gone_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("EMOVOX_KEEP", "scores")
    settings.cache_clear()
    moment = datetime.now(timezone.utc) - timedelta(days=1)
    with Outputs(tmp_path).draft() as draft:
        draft.write(np.zeros(20_000, np.float32))
        place = draft.publish(recognition(created_at=moment))
    service = Service()

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(type(service.stored_outputs), "_unlink", staticmethod(die))
        with pytest.raises(KeyboardInterrupt):
            Retention(service).sweep()
    assert (place / AUDIO).exists()
    Retention(service).sweep()
    assert not (place / AUDIO).exists()
    service.close()
