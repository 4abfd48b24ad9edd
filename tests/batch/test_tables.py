from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emovox.batch.schema import ERRORS
from emovox.batch.storage import Place
from emovox.batch.tables import Shards


def test_a_flush_that_is_interrupted_and_made_good_leaves_one_shard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shards = Shards(Place.of(str(tmp_path)), ERRORS, lambda rows, name: None)
    shards.add([{"path": "a", "reason": "b"}])
    write = Place.write

    def interrupted(place: Place, data: object) -> None:
        write(place, data)
        raise KeyboardInterrupt

    monkeypatch.setattr(Place, "write", interrupted)
    with pytest.raises(KeyboardInterrupt):
        shards.flush()
    monkeypatch.undo()
    shards.flush()
    assert pq.read_table(tmp_path / ERRORS).to_pylist() == [{"path": "a", "reason": "b"}]
    assert shards.written == 1


def test_what_a_killed_run_left_half_written_goes(tmp_path: Path) -> None:
    shards = Shards(Place.of(str(tmp_path)), ERRORS, lambda rows, name: None)
    shards.sweep()  # nothing is there yet
    shards.add([{"path": "a", "reason": "b"}])
    shards.flush()
    (name,) = shards.names()
    (tmp_path / ERRORS / ".20240104-223000-0123.parquet.part").write_bytes(b"half")
    (tmp_path / ERRORS / ".hidden").touch()
    shards.sweep()
    assert sorted(path.name for path in (tmp_path / ERRORS).iterdir()) == [".hidden", name]
