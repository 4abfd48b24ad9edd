import shutil
from collections.abc import Sequence
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from emovox.outputs import Outputs
from emovox.server.jobs.jobs import NewJob
from emovox.server.retention import Retention
from emovox.server.service import Service
from emovox.settings import settings
from support.results import recognition


def publish(root: Path) -> list[Path]:
    """Ten outputs directories, of today and the days before."""
    published = []
    for days in range(10):
        moment = datetime.now(timezone.utc) - timedelta(days=days, minutes=5)
        stamp = moment.astimezone().strftime("%Y-%m-%d %H:%M:%S")
        with Outputs(root).draft() as draft:
            published.append(draft.publish(recognition(created_at=moment, timestamp=stamp)))
    return published


@pytest.mark.parametrize(
    ("variable", "value", "left"),
    [("RETENTION_DAYS", "3", 3), ("MAX_OUTPUTS_SIZE", "3000", 3), ("RETENTION_DAYS", "0", 10)],
)
def test_what_is_old_or_too_much_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, left: int
) -> None:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path))
    monkeypatch.setenv(f"EMOVOX_{variable}", value)
    settings.cache_clear()
    published = publish(tmp_path)
    sizes = [sum(file.stat().st_size for file in place.iterdir()) for place in published]
    assert 3 * max(sizes) < 3000 < 4 * min(sizes)
    (tmp_path / "mine.txt").write_text("not ours")
    service = Service()
    (job,) = service.jobs.add([NewJob("x", {}, "a", None)])
    service.jobs.cancel(job.id)
    Retention(service).sweep()
    assert [place for place in published if place.exists()] == published[:left]
    assert (tmp_path / "mine.txt").exists()
    assert service.jobs.get(job.id) is not None  # finished just now
    service.close()


@pytest.mark.parametrize(
    ("variable", "value", "left"), [("RETENTION_DAYS", "3", 3), ("MAX_OUTPUTS_SIZE", "6000", 2)]
)
def test_sound_that_was_kept_alone_goes_as_outputs_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, left: int
) -> None:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path))
    monkeypatch.setenv(f"EMOVOX_{variable}", value)
    settings.cache_clear()
    published = publish(tmp_path)
    rescued = [place.with_name(f"{place.name.replace('outputs', 'recording')}.wav") for place in published]
    for path in rescued:
        path.write_bytes(bytes(2000))
    mine = tmp_path / "recording_of_mine.wav"
    mine.touch()
    service = Service()
    Retention(service).sweep()
    service.close()
    assert [path for path in rescued if path.exists()] == rescued[:left]
    assert [place for place in published if place.exists()] == published[:left]
    assert mine.exists()


def test_damaged_ones_go_by_their_name_and_some_go_by_themselves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path))
    monkeypatch.setenv("EMOVOX_RETENTION_DAYS", "3")
    settings.cache_clear()
    published = publish(tmp_path)
    for place in (published[1], published[5]):
        (place / "result.json").write_text("{")
    service = Service()
    forget = service.stored_outputs._forget

    def while_somebody_deletes(places: Sequence[Path]) -> None:
        forget(places)
        shutil.rmtree(published[7])

    monkeypatch.setattr(service.stored_outputs, "_forget", while_somebody_deletes)
    Retention(service).sweep()
    assert [place for place in published if place.exists()] == published[:3]
    service.close()
