from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emovox import files
from emovox.archive import Archive
from emovox.baselines.baseline import Baseline
from emovox.heads import embedding_cache
from emovox.settings import settings

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def fitted(run: Run, examples: list[Path]) -> list[str]:
    """Three recordings in the archive, with two baselines of them: by their sound, and by the archive."""
    assert run("recognize", *examples[:3], "--archive", "--quiet", "--model", "lite")[0] == 0
    assert run("baseline", "fit", *examples[:3], "--name", "sound", "--model", "lite", "--quiet")[0] == 0
    code, _, err = run("baseline", "fit", "--archive", "--name", "kept", "--model", "lite", "--yes")
    assert code == 0, err
    assert "kept: 3 recordings; saved as" in err
    return [files.digest(path) for path in examples[:3]]


def test_recordings_leave_the_baselines_that_were_made_of_them(
    run: Run, fitted: list[str], examples: list[Path]
) -> None:
    assert "the archive's embeddings, pauses too" in Baseline.find("kept").source
    code, _, err = run("archive", "delete", fitted[0], "--yes")
    assert code == 0, err
    assert "baselines that were made of them: kept, sound\n" in err
    assert "kept: without them, of 2 recordings" in err
    after = {name: Baseline.find(name) for name in ("sound", "kept")}
    run("baseline", "fit", *examples[1:3], "--name", "sound", "--model", "lite", "--quiet", "--yes")
    run("baseline", "fit", "--archive", "--name", "kept", "--model", "lite", "--quiet", "--yes")
    for name, item in after.items():
        again = Baseline.find(name)
        assert (item.count, item.recordings, item.summands) == (2, again.recordings, again.summands)
        np.testing.assert_allclose(item.sum, again.sum, rtol=1e-9)
    code, _, err = run("archive", "delete", *fitted[1:], "--yes")
    assert "kept: deleted, as it was of nothing else" in err
    assert Baseline.names() == []


def test_a_baseline_that_still_has_it_is_an_error(
    run: Run, fitted: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (settings().cache / embedding_cache.FILE).unlink()
    questions: list[str] = []

    def confirm(text: str, **_: object) -> bool:
        questions.append(text)
        return True

    monkeypatch.setattr("click.confirm", confirm)
    code, _, err = run("archive", "delete", fitted[0])
    assert questions == ["Delete 1 recording and the outputs of 1?", "Take them out of these baselines?"]
    assert code == 1
    assert "Error: the baseline sound: the embeddings that were summed aren't stored any more: fit it again" in err
    assert Baseline.find("sound").knows(fitted[0])
    assert not Baseline.find("kept").knows(fitted[0])
    with Archive() as archive:
        assert archive.lookup(fitted[0]) == []


def test_they_can_be_left_in(run: Run, fitted: list[str]) -> None:
    code, _, err = run("archive", "delete", fitted[0], "--yes", "--baselines", "keep")
    assert (code, "Warning: they stay in these baselines" in err) == (0, True)
    assert Baseline.find("kept").knows(fitted[0])


def test_of_what_a_baseline_can_be_made(run: Run) -> None:
    for arguments in (
        (),
        ("x.wav", "--archive"),
        ("x.wav", "--filter", "tag=x"),
        ("--archive", "--path-column", "x"),
    ):
        assert run("baseline", "fit", *arguments, "--name", "x")[0] == 2, arguments
