import sqlite3
from contextlib import closing

import numpy as np
import pytest

from emovox.heads.embedding_cache import FILE, EmbeddingCache, forget
from emovox.settings import settings


@pytest.mark.parametrize("trouble", ["garbage", "directory", "other table"])
def test_a_broken_cache_only_costs_time(trouble: str) -> None:
    file = settings().cache / FILE
    file.parent.mkdir(parents=True)
    if trouble == "garbage":
        file.write_bytes(b"no database" * 1000)
    elif trouble == "directory":
        file.mkdir()
    else:
        with closing(sqlite3.connect(file)) as database:
            database.execute("CREATE TABLE embedding (something TEXT)")
    with closing(EmbeddingCache("lite")) as cache:
        cache.put("a", np.ones(3, np.float32))
        assert cache.get("a") is None
    forget(["a"])


def test_models_are_not_mixed() -> None:
    with closing(EmbeddingCache("lite")) as cache, closing(EmbeddingCache("large")) as other:
        cache.put("a", np.ones(3, np.float32))
        np.testing.assert_array_equal(cache.get("a"), np.ones(3))
        assert other.get("a") is None


def test_what_is_forgotten_is_in_no_file() -> None:
    with closing(EmbeddingCache("lite")) as cache:
        for name in "ab":
            cache.put(name, np.full(64, ord(name), np.float32))
        forget(["a"])
        assert (cache.get("a") is None, cache.get("b") is None) == (True, False)
    content = b"".join(path.read_bytes() for path in settings().cache.glob("embeddings*"))
    assert np.full(64, ord("b"), "<f4").tobytes() in content
    assert np.full(64, ord("a"), "<f4").tobytes() not in content
