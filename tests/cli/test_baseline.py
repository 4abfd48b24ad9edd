import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emovox.baselines import baseline as baselines
from emovox.baselines.baseline import Baseline
from emovox.inference.recognition import Recognition
from emovox.models.catalog import resolve
from emovox.models.runtime.engine import read_metadata
from support import tiny
from support.baselines import baseline

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    """A list of embeddings by the bundled model, of two agents."""
    random = np.random.default_rng(0)
    lines = ["path,agent"]
    for number in range(15):
        np.save(tmp_path / f"{number}.npy", random.standard_normal((1, 384)).astype(np.float32))
        lines.append(f"{number}.npy,{'anna' if number % 3 else 'bert'}")
    (tmp_path / "calls.csv").write_text("\n".join(lines))
    return tmp_path / "calls.csv"


def test_from_recordings_to_a_verdict(run: Run, examples: list[Path], tmp_path: Path) -> None:
    code, _, err = run("baseline", "fit", *examples[:3], examples[0], "--name", "line3", "--model", "lite")
    assert code == 0, err
    assert "line3: 3 recordings; saved as" in err
    assert "with 12 recordings or more" in err
    own = Baseline.find("line3")
    assert own.count == 3
    assert all(own.knows(Recognition_sha(path)) for path in examples[:3])

    code, _, err = run("recognize", examples[4], "--model", "lite", "--baseline", "line3", "--expect", "neutral=0.8")
    assert code == 0, err
    assert "relative to line3" in err
    [place] = (tmp_path / "here" / "outputs").glob("outputs_*")
    result = Recognition.from_json((place / "result.json").read_bytes())
    assert result.baseline is not None
    assert (result.baseline.name, result.baseline.checksum) == ("line3", own.checksum)
    assert result.baseline.expectation["neutral"] == pytest.approx(0.8)
    assert result.scores != result.scores_without


def Recognition_sha(path: Path) -> str:
    import hashlib

    return hashlib.sha256(path.read_bytes()).hexdigest()
