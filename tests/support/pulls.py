"""What the tests of pulls share: a snapshot's files, and a pull that has little patience."""

import random
from pathlib import Path
from typing import Any

import pytest

from emovox.models.catalog import find, partial_path, snapshot_path
from emovox.models.hub import pull as hub
from emovox.models.hub.transfer import Patience

NAME = "emotion2vec_plus_large"
MODEL = find(NAME)
WEIGHTS = random.Random(7).randbytes(600_000)
FILES = {
    "config.yaml": b"model: Emotion2vec\n",
    "configuration.json": b"{}",
    "tokens.txt": "生气/angry\n".encode(),
    "README.md": b"---\nlicense: other\n---\n",
    "example/test.wav": random.Random(8).randbytes(20_000),
    "model.pt": WEIGHTS,
}
NOT_NEEDED = {".gitattributes": b"*.pt filter=lfs", "logo.png": b"png" * 5000, "onnx/model.pt": b"other"}
HASTY = Patience(attempts=3, backoff=0.01, longest_wait=0.3, connect=2, stall=0.3)
HUBS = pytest.mark.parametrize("which", ["huggingface", "modelscope"])


def pull(**options: Any) -> Path:
    return hub.pull(MODEL, **{"hub": "huggingface", "patience": HASTY, **options})


def contents(place: Path) -> dict[str, bytes]:
    files = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()}


def assert_complete() -> None:
    found = contents(snapshot_path(NAME))
    assert found.pop("source.json")
    assert found == FILES
    assert not partial_path(NAME).exists()


def assert_absent() -> None:
    assert not snapshot_path(NAME).exists()


PULL = """
from emovox.models.hub import pull as hub
from emovox.models.catalog import find
hub.pull(find({name!r}), hub="huggingface")
"""
