import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from emovox.cli import main
from emovox.cli.models import amount
from emovox.models.catalog import disk_size, snapshot_path
from emovox.models.named import CATALOG
from emovox.settings import settings
from support import tiny, wav2vec2_snapshots
from support.hub import Fault, Hub, serving
from support.pulls import FILES, contents

NAME = "emotion2vec_plus_base"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Run `emovox models …`: (exit code, standard output, standard error)."""

    def call(*arguments: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main(["models", *arguments])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


def test_the_list_as_a_table(run: Run) -> None:
    code, out, _ = run("list")
    head, *lines = out.splitlines()
    assert code == 0
    assert head.split() == ["name", "on", "disk", "size", "licence", "who", "may", "use", "it", "what", "it", "is"]
    assert [line.split()[0] for line in lines] == [entry.name for entry in CATALOG]
    assert lines[0].split()[1] == "yes"
    assert lines[1].split()[1:4] == ["no", "1.95", "GB"]
    assert lines[3].split()[1:3] == ["no", "?"]
    assert len({line.index("FunASR model licence") for line in lines[1:4]} | {head.index("licence")}) == 1


def test_the_list_as_json(run: Run, served: Hub) -> None:
    run("pull", NAME)
    rows = {row["name"]: row for row in json.loads(run("list", "--format", "json")[1])}
    assert rows["lite"]["path"].endswith("lite.onnx")
    assert rows["emotion2vec_plus_seed"]["size"] is None
    assert rows["emotion2vec_plus_seed"]["path"] is None
    base = rows[NAME]
    assert base["installed"] is True
    assert base["path"] == str(snapshot_path(NAME))
    assert base["size"] > 600_000
    assert base["modelscope"] == f"iic/{NAME}"
    assert set(base["licence"]) == {"name", "address", "chinese", "terms"}


def test_pull_names_the_licence_before_anything(run: Run, served: Hub) -> None:
    served.always["listing"] = Fault(status=404)
    code, out, err = run("pull", NAME, "--hub", "huggingface")
    assert (code, out) == (1, "")
    first, terms, second = err.splitlines()
    assert terms.startswith("who may use it: anyone who names source, authors and model; ")
    assert first == (
        f"{NAME}, about 1.12 GB, licence: FunASR model licence "
        "(https://github.com/modelscope/FunASR/blob/main/MODEL_LICENSE)"
    )
    assert second.startswith(
        "Error: Hugging Face doesn't provide emotion2vec/emotion2vec_plus_base, revision main"
    )


def test_pull(run: Run, served: Hub) -> None:
    code, out, err = run("pull", NAME, "--revision", "v2")
    assert code == 0
    assert out == f"{NAME} is in {snapshot_path(NAME)}, {amount(disk_size(NAME))}\n"
    assert len(err.splitlines()) == 2, "no bar where nobody looks"
    assert "/revision/v2?" in served.requests[0].path
    assert (snapshot_path(NAME) / "model.pt").read_bytes() == FILES["model.pt"]


def test_pull_says_when_it_takes_another_hub(run: Run, served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(Hub({})) as empty:
        monkeypatch.setenv("HF_ENDPOINT", empty.url)
        code, _, err = run("pull", NAME)
    assert code == 0
    assert "is not a snapshot" in err
    assert err.rstrip().endswith("Trying the next hub")


@pytest.mark.parametrize("names", [("huge",), ("../lite",)])
def test_unknown_names_are_usage_errors(run: Run, names: tuple[str, ...]) -> None:
    for command in ("pull", "remove"):
        code, _, err = run(command, *names)
        assert code == 2
        assert "choose lite, emotion2vec_plus_large" in err


def test_the_bundled_model(run: Run) -> None:
    assert run("pull", "lite")[:2] == (0, "lite is part of Emovox: nothing to download\n")
    code, _, err = run("remove", "lite", "--yes")
    assert code == 1
    assert "can't be removed" in err


def test_a_file_is_added_listed_shown_verified_and_removed(run: Run, tmp_path: Path) -> None:
    file = tiny.write(tmp_path / "free.onnx", name="lite-free", revision="1", licence="CC BY 4.0", source="a gift")
    code, out, err = run("add", str(file))
    assert code == 0
    assert out.rstrip().endswith("use it with --model lite-free")
    assert err == "lite-free 1, licence: CC BY 4.0: anyone, for anything, with credit\n"
    row = json.loads(run("list", "--format", "json")[1])[-1]
    assert (row["name"], row["installed"]) == ("lite-free", True)
    assert row["title"].startswith("a gift; revision 1, ")
    assert re.search(r"^who may use it\s+anyone, for anything, with credit$", run("show", "lite-free")[1], re.M)
    assert run("verify", "lite-free")[0] == 0
    with Path(row["path"]).open("r+b") as copy:
        copy.write(b"x")
    code, _, err = run("verify", "lite-free")
    assert code == 1
    assert "has changed since it was added" in err
    assert run("remove", "lite-free", "--yes")[1].endswith("freed\n")
    assert run("show", "lite-free")[0] == 2


def test_remove(run: Run, served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("remove", NAME) == (0, f"{NAME} is not on disk: nothing to remove\n", "")
    run("pull", NAME)
    monkeypatch.setattr("click.termui.visible_prompt_func", lambda *_: "n")
    assert run("remove", NAME)[0] == 0
    assert snapshot_path(NAME).is_dir()
    code, out, _ = run("remove", NAME, "--yes")
    assert code == 0
    assert out.endswith("kB freed\n")
    assert not snapshot_path(NAME).exists()


def test_recognising_with_it_gives_the_command(capsys: pytest.CaptureFixture[str], examples: list[Path]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["recognize", str(examples[0]), "--no-save", "--model", NAME])
    assert caught.value.code == 1
    assert f"run `emovox models pull {NAME}`" in capsys.readouterr().err


def test_a_bar_on_a_terminal(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(cut=100_000)]
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    with subprocess.Popen(
        [sys.executable, "-m", "emovox", "models", "pull", NAME],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env=environment,
    ) as process:
        os.close(theirs)
        shown = b""
        while True:
            try:
                piece = os.read(ours, 4096)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            shown += piece
        assert process.stdout is not None
        assert NAME.encode() in process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    for part in (NAME, "━", "kB"):
        assert part in shown.decode()


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1500, "1.5 kB"), (12_700_000, "12.7 MB"), (1_950_000_000, "1.95 GB")],
)
def test_amounts(size: int, text: str) -> None:
    assert amount(size) == text


@pytest.fixture
def published(served: Hub, tmp_path: Path) -> Hub:
    """A hub with a snapshot of transformers whose labels are not all among the nine."""
    config = wav2vec2_snapshots.tiny(labels=("neutral", "calm", "hap"))
    files = contents(wav2vec2_snapshots.write(tmp_path / "published", config))
    served.files = {**files, "README.md": b"---\nlicense: mit\n---\n", "modeling.py": b"import os"}
    served.published = dict(served.files)
    return served


REPOSITORY = "hf:some/model"


def test_a_model_of_anybody_s(run: Run, published: Hub, examples: list[Path], tmp_path: Path) -> None:
    code, _, err = run("show", REPOSITORY)
    assert code == 1
    assert f"run `emovox models pull {REPOSITORY}`" in err
    code, out, err = run("pull", REPOSITORY)
    assert (code, published.asked("modeling.py")) == (0, [])
    assert out == f"{REPOSITORY} is in {snapshot_path(REPOSITORY)}, {amount(disk_size(REPOSITORY))}\n"
    assert err == (
        "licence: mit, as its model card says; its terms are yours to read: https://huggingface.co/some/model\n"
    )
    last = run("list")[1].splitlines()[-1]
    size = amount(disk_size(REPOSITORY))
    assert (
        " ".join(last.split())
        == f"{REPOSITORY} yes {size} mit anyone, for anything, with credit some/model, from huggingface.co"
    )
    row = json.loads(run("list", "--format", "json")[1])[-1]
    assert (row["name"], row["licence"]["name"], row["huggingface"]) == (REPOSITORY, "mit", "some/model")
    code, out, _ = run("verify", REPOSITORY)
    assert (code, "all 4 have the checksums that" in out) == (0, True)
    assert run("convert", REPOSITORY, "--precision", "fp32")[0] == 0
    assert run("remove", REPOSITORY, "--yes")[0] == 0
    assert disk_size(REPOSITORY) == 0


def test_what_labels_map_to_is_shown(run: Run, published: Hub) -> None:
    run("pull", REPOSITORY)
    code, out, _ = run("show", REPOSITORY)
    assert code == 0
    assert "readout emotion: linear, classes of which one holds (softmax)" in out
    assert re.search(r"^  neutral +neutral$", out, re.MULTILINE)
    assert re.search(r"^  calm +-$", out, re.MULTILINE)
    assert "none of the nine: calm, hap." in out
    assert '--map FILE and in it {"calm": "...", "hap": "..."}' in out


def test_readouts_of_a_file_are_shown(run: Run, tmp_path: Path) -> None:
    path = tiny.write(tmp_path / "tiny.onnx", readouts=(tiny.EMOTIONS, tiny.MOODS, tiny.DIMENSIONS))
    code, out, _ = run("show", str(path))
    assert code == 0
    assert "readout emotion: linear, classes of which one holds (softmax)\n  angry  angry\n" in out
    assert "readout mood: linear, classes of which several may hold (sigmoid)\n  tired  -\n" in out
    assert out.endswith("readout dimensions: pooled, values, from 0 to 1\n  arousal\n  dominance\n  valence\n")
    assert "--map" not in out
    bare = tiny.write(tmp_path / "bare.onnx", readouts=())
    assert run("show", str(bare))[1].endswith("readouts: none, it gives embeddings only\n")


def test_a_map_gives_a_model_emotions(
    capsys: pytest.CaptureFixture[str], examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny.write(tmp_path / "foreign.onnx", readouts=(tiny.FOREIGN,))
    path = tmp_path / "map.json"

    def emotion(*options: str) -> tuple[int, str | None, str]:
        with pytest.raises(SystemExit) as caught:
            main(["recognize", str(examples[0]), "--no-save", "-q", "--format", "json", *options])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, json.loads(out)[0].get("emotion") if out else None, err

    given = ("--model", str(model))
    assert emotion(*given)[:2] == (0, None)
    path.write_text('{"rabbia": "sad", "gioia": "悲伤", "paura": "sad", "calma": "sad", "noia": "sad"}', "utf-8")
    assert emotion(*given, "--map", str(path))[:2] == (0, "sad")
    monkeypatch.setenv("EMOVOX_MAP", str(path))
    monkeypatch.setenv("EMOVOX_MODEL", str(model))
    settings.cache_clear()
    assert emotion()[:2] == (0, "sad")
    path.write_text('{"ira": "angry"}', "utf-8")
    code, _, err = emotion(*given, "--map", str(path))
    assert (code, "tiny has no label 'ira': its labels are rabbia, gioia" in err) == (2, True)
    path.write_text('{"rabbia": "rage"}', "utf-8")
    code, _, err = emotion(*given, "--map", str(path))
    assert (code, "unknown emotion 'rage'" in err) == (2, True)
