from pathlib import Path

import pyarrow.parquet as pq
import pytest

from emovox.batch.storage import Place
from emovox.batch.tables import ERRORS, Shards


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
