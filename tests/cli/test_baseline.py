import csv
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from emovox import files
from emovox.baselines import baseline as baselines
from emovox.baselines.baseline import Baseline
from emovox.inference.recognition import Recognition
from emovox.models.catalog import resolve
from emovox.models.runtime.engine import read_metadata
from support import calls, tiny
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
    assert "12 recordings would give nearly all" in err
    own = Baseline.find("line3")
    assert own.count == 3
    assert all(own.knows(files.digest(path)) for path in examples[:3])

    arguments = ("--model", "lite", "--baseline", "line3", "--expect", "neutral=0.8")
    code, _, err = run("recognize", examples[4], *arguments)
    assert code == 0, err
    assert "relative to line3" in err
    [place] = (tmp_path / "here" / "outputs").glob("outputs_*")
    result = Recognition.from_json((place / "result.json").read_bytes())
    assert result.baseline is not None
    assert (result.baseline.name, result.baseline.checksum) == ("line3", own.checksum)
    assert result.baseline.expectation["neutral"] == pytest.approx(0.8)
    assert result.scores != result.scores_without

    _, out, err = run("recognize", examples[4], "--segments", *arguments, "--format", "csv", "--no-save")
    assert err.endswith("relative to line3 (neutral=0.8)\n")
    _, whole, _ = run("recognize", examples[4], *arguments, "--format", "csv", "--no-save")
    for table in (out, whole):
        [row] = csv.DictReader(io.StringIO(table))
        assert (row["baseline"], row["angry_without"] != row["angry"]) == ("line3", True)
    assert float(row["angry_without"]) == pytest.approx((result.scores_without or {})["angry"], abs=1e-6)
    _, out, _ = run("recognize", examples[4], "--model", "lite", "--format", "csv", "--no-save")
    assert "baseline" not in out
    assert "_without" not in out


def test_of_outputs_and_of_a_folder(run: Run, examples: list[Path], tmp_path: Path) -> None:
    run("recognize", *examples[:2], "--model", "lite", "--embedding", "--speech-only")
    run("recognize", examples[2], "--model", "lite")  # without an embedding
    code, _, err = run("baseline", "fit", tmp_path / "here" / "outputs", "--name", "x", "--model", "lite")
    assert code == 0, err
    kept = Baseline.find("x")
    code, _, err = run("baseline", "fit", *examples[:3], "--name", "y", "--model", "lite")
    assert kept.count == 3
    np.testing.assert_allclose(kept.mean, Baseline.find("y").mean, atol=0.02)  # one from 16-bit sound


def test_each_agent_has_one(run: Run, listed: Path) -> None:
    code, _, err = run("baseline", "fit", listed, "--name", "calls", "--group", "agent", "--model", "lite")
    assert code == 0, err
    assert "calls: 15 recordings, and 2 groups of them" in err
    assert baselines.names() == ["calls", "calls.anna", "calls.bert"]
    assert [item.count for item in map(Baseline.find, baselines.names())] == [15, 10, 5]
    assert "agent bert, of 15 recordings in calls" in run("baseline", "show", "calls.bert")[1]
    assert [line.split()[:2] for line in run("baseline", "list")[1].splitlines()[1:]] == [
        ["calls", "15"],
        ["calls.anna", "10"],
        ["calls.bert", "5"],
    ]
    facts = json.loads(run("baseline", "list", "--format", "json")[1])
    assert [item["name"] for item in facts] == baselines.names()
    assert not {"sum", "squares", "recordings", "summands"} & facts[0].keys()
    assert "sum" not in facts[1]["group"]


def test_by_folder_and_by_channel(
    run: Run, speech: np.ndarray, encode: Callable[..., Path], examples: list[Path], tmp_path: Path
) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x.flac").write_bytes(examples[name == "b"].read_bytes())
    arguments = ("--name", "calls", "--model", "lite", "--yes")
    assert run("baseline", "fit", tmp_path, *arguments, "--group", "folder")[0] == 0
    assert [item.count for item in map(Baseline.find, ["calls", "calls.a", "calls.b"])] == [2, 1, 1]
    two = encode(np.stack([speech, 0.5 * speech]), "two.mp3", "libmp3lame")
    code, _, err = run("baseline", "fit", two, *arguments, "--group", "channel")
    assert code == 0, err
    assert [item.count for item in map(Baseline.find, ["calls", "calls.1", "calls.2"])] == [2, 1, 1]


def test_each_channel_is_a_recording_of_its_own_wherever_it_comes_from(
    run: Run, speech: np.ndarray, encode: Callable[..., Path], examples: list[Path]
) -> None:
    call = encode(np.stack([speech, 0.5 * speech[::-1]]), "call.wav", "pcm_f32le", sample_format="flt")
    arguments = ("--channels", "split", "--speech-only", "--model", "lite", "--archive", "--quiet")
    assert run("recognize", call, *arguments, "--embedding")[0] == 0
    assert run("recognize", examples[0], *arguments[2:], "--embedding")[0] == 0
    sources = {"group": (call, examples[0]), "stored": ("outputs",), "archive": ("--archive",)}
    for name, source in sources.items():
        options = ("--group", "channel") if name == "group" else ()
        code, _, err = run("baseline", "fit", *source, *options, "--name", name, "--model", "lite")
        assert code == 0, err
    made = [Baseline.find(name) for name in sources]
    assert [item.count for item in made] == [3, 3, 3]
    for item in made[1:]:
        np.testing.assert_allclose(item.mean, made[0].mean, atol=2e-3)
    for path in Path("outputs").glob("*/embedding.npy"):
        path.unlink()  # then it is heard again, and still known as what it is of
    assert run("baseline", "fit", "outputs", "--name", "heard", "--model", "lite")[0] == 0
    assert (Baseline.find("heard").count, Baseline.find("heard").recordings) == (3, made[0].recordings)
    code, _, err = run("archive", "delete", "--filter", "name=call", "--yes")
    assert code == 0, err
    for name in (*sources, "heard"):
        assert f"{name}: without them, of 1 recording" in err
    [first] = {tuple(Baseline.find(name).recordings or ()) for name in sources}
    assert len(first) == 1


def test_show_remove_and_export(run: Run, tmp_path: Path) -> None:
    own = baseline(read_metadata(resolve("lite")))
    own.write(baselines.baseline_path("line3"))
    shown = run("baseline", "show", "line3")[1]
    assert own.checksum in shown
    assert "20 recordings: a test" in shown
    given = tmp_path / "given.json"
    given.write_text("something else")
    code, _, err = run("baseline", "export", "line3", given)
    assert (code, "is there already: --overwrite replaces it" in err, given.read_text()) == (
        2,
        True,
        "something else",
    )
    assert run("baseline", "export", "line3", given, "--overwrite")[0] == 0
    assert run("baseline", "remove", "line3", "line4", "--yes")[:2] == (
        0,
        "no baseline line4: nothing to remove\n",
    )
    assert baselines.names() == []
    assert "no baselines yet" in run("baseline", "list")[1]
    shown = run("baseline", "show", given)[1]
    assert own.checksum in shown
    assert "of        20 recordings\n" in shown  # and not of what: that may be paths and names
    assert "a test" not in given.read_text()


def test_replacing_is_asked_for(run: Run, listed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("baseline", "fit", listed, "--name", "calls", "--model", "lite")[0] == 0
    monkeypatch.setattr("sys.stdin", io.StringIO("n\n"))
    code, _, err = run("baseline", "fit", listed, "--name", "calls", "--model", "lite")
    assert code == 130
    assert "Replace the baseline calls?" in err
    monkeypatch.setattr("sys.stdin", io.StringIO())
    code, _, err = run("baseline", "fit", listed, "--name", "calls", "--model", "lite")
    assert code == 2
    assert "nobody is there to answer: give --yes" in err
    assert run("baseline", "fit", listed, "--name", "calls", "--model", "lite", "--yes")[0] == 0


def test_what_cant_be_used_doesnt_stop_the_others(run: Run, examples: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"no sound")
    code, _, err = run("baseline", "fit", examples[0], bad, "--name", "x", "--model", "lite")
    assert code == 1
    assert "Error: " in err
    assert Baseline.find("x").count == 1
    assert "x: 1 recording; saved as" in err
    assert "1 recording: " in run("baseline", "show", "x")[1]
    code, _, err = run("baseline", "fit", bad, "--name", "y", "--model", "lite")
    assert code == 1
    assert "of 1 recording none can be used" in err


@pytest.mark.parametrize(
    ("arguments", "code", "reason"),
    [
        (["fit", "none.wav", "--name", "self"], 1, "can't be called 'self'"),
        (["fit", "nothing/*.wav", "--name", "x"], 2, "nothing matches this pattern"),
        (["show", "none"], 1, "no baseline 'none': fit it with"),
    ],
)
def test_what_is_refused(run: Run, arguments: list[str], code: int, reason: str) -> None:
    got, _, err = run("baseline", *arguments)
    assert got == code
    assert reason in err


def test_a_column_that_no_list_has(run: Run, listed: Path) -> None:
    code, _, err = run("baseline", "fit", listed, "--name", "x", "--group", "speaker")
    assert code == 2
    assert "no list has a column 'speaker': there are agent" in err


def test_what_recognize_refuses(run: Run, examples: list[Path], tmp_path: Path) -> None:
    own = baseline(read_metadata(resolve("lite")))
    own.write(baselines.baseline_path("line3"))
    common = ("recognize", examples[0], "--model", "lite", "--no-save")
    assert "choose a baseline, too" in run(*common, "--expect", "neutral=0.8")[2]
    code, _, err = run(*common, "--baseline", "line3", "--expect", "calm=0.8")
    assert (code, "expect 'calm': choose among" in err) == (2, True)
    model = tiny.write(tmp_path / "tiny.onnx")
    code, _, err = run(*common[:2], "--model", model, "--no-save", "--baseline", "line3")
    assert (code, "was made with the model lite" in err) == (1, True)


@pytest.mark.parametrize(("name", "content"), [("call.txt", "0\t1\tangry\n"), ("call.TextGrid", None)])
def test_annotations_are_refused(run: Run, tmp_path: Path, name: str, content: str | None) -> None:
    path = tmp_path / name
    if content is None:
        calls.write_textgrid(path, [calls.Mark(0, 1, "angry")])
    else:
        path.write_text(content)
    code, _, err = run("baseline", "fit", path, "--name", "line3")
    assert code == 2
    assert "it is about stretches of recordings, and a baseline is made of all speech in each" in " ".join(
        err.split()
    )
