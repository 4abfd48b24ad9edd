from pathlib import Path

import pytest

from emovox.server.database import open_database, owner, state_directory
from emovox.server.jobs.jobs import Jobs
from emovox.settings import settings
from support.service import serving
from support.waiting import until


def test_a_stop_puts_back_the_jobs_that_run(
    tmp_path: Path, examples: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tmp_path / "outputs") as client:
        client.service.decoders._free.get_nowait()  # so that the job goes on running
        job = client.post(
            "/v1/recognitions", content=examples[0].read_bytes(), headers={"Prefer": "respond-async"}
        ).json()
        until(lambda: client.get(f"/v1/jobs/{job['id']}").json()["state"] == "running")
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    settings.cache_clear()
    database = open_database()
    stored = Jobs(database, owner(state_directory())).get(job["id"])
    database.dispose()
    assert stored is not None
    assert stored.state == "queued"
