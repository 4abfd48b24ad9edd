"""The example plug-in, installed by pip as anybody would, and used by the command, the library and the service."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

import emovox.plugins
from support import hub
from support.service import ServiceProcess

ROOT = Path(__file__).parents[1]
EXAMPLE = ROOT / "examples" / "plugin"
SCENE = ROOT / "examples" / "scene" / "emodb_08_four_emotions.flac"


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example in it, built and installed."""
    source = tmp_path_factory.mktemp("source") / "plugin"
    shutil.copytree(EXAMPLE, source)
    target = tmp_path_factory.mktemp("site")
    options = ["--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check"]
    command = [sys.executable, "-m", "pip", "install", "--quiet", *options, "--target", str(target), str(source)]
    subprocess.run(command, check=True)
    return target


def python(site: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    paths = [str(site), *(path for path in sys.path if path)]
    result = subprocess.run(
        [sys.executable, *map(str, arguments)],
        check=False,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"},
    )
    assert result.returncode == code, result.stdout + result.stderr
    return result


def run(site: Path, *arguments: object, code: int = 0) -> subprocess.CompletedProcess[str]:
    return python(site, "-m", "emovox", *arguments, code=code)


def wav(path: Path) -> Path:
    with av.open(str(SCENE)) as source, av.open(str(path), "w") as target:
        stream = target.add_stream("pcm_s16le", rate=16_000, layout="mono")
        for frame in source.decode(audio=0):
            target.mux(stream.encode(frame))
        target.mux(stream.encode(None))
    return path


def broken(site: Path, tmp_path: Path) -> Path:
    """The example, and beside it a package that leaves a mark when it is imported, and fails."""
    both = tmp_path / "both"
    shutil.copytree(site, both)
    facts = both / "spoilt-0.1.dist-info"
    facts.mkdir()
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: spoilt\nVersion: 0.1\n")
    (facts / "entry_points.txt").write_text(
        "[emovox.exports]\ncsv = spoilt:X\nspoilt = spoilt:X\n[emovox.labels]\nlbl = spoilt:X\n"
        "[emovox.model_families]\nspoilt = spoilt:X\n"
    )
    (both / "spoilt.py").write_text(f"open({str(tmp_path / 'mark')!r}, 'a').close()\nimport gone_for_good\n")
    return both


def test_the_public_names() -> None:
    assert all(getattr(emovox.plugins, name) is not None for name in emovox.plugins.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        emovox.plugins.Nothing  # noqa: B018


def test_what_was_found(site: Path) -> None:
    lines = run(site, "plugins").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["export", "jsonl", "emovox-example", "1.0.0"],
        ["model", "family", "bands", "emovox-example", "1.0.0"],
        ["label", "files", "lab", "emovox-example", "1.0.0"],
    ]
    [first, *_] = json.loads(run(site, "plugins", "--format", "json").stdout)
    assert first == {
        "group": "emovox.exports", "name": "jsonl", "package": "emovox-example", "version": "1.0.0",
        "problem": "",
    }  # fmt: skip


def test_its_export(site: Path, tmp_path: Path) -> None:
    options = ["--model", "lite", "--outputs", tmp_path / "outputs"]
    run(site, "recognize", SCENE, "--export", "csv,jsonl", *options)
    [directory] = (tmp_path / "outputs").glob("outputs_*")
    lines = [json.loads(line) for line in (directory / "segments.jsonl").read_text("utf-8").splitlines()]
    segments = json.loads((directory / "result.json").read_text("utf-8"))["segments"]
    assert [line["start"] for line in lines] == [segment["start"] for segment in segments]
    assert {line["recording"] for line in lines} == {SCENE.name}
    (directory / "segments.jsonl").unlink()
    run(site, "export", directory, "--format", "jsonl")
    assert (directory / "segments.jsonl").exists()
    assert "jsonl      an object for each segment" in run(site, "export", "--help").stdout
    code = (
        "import sys; from emovox import exports; from emovox.outputs import read_result\n"
        "assert exports.FORMATS[-1] == 'jsonl' and exports.MEDIA_TYPES['jsonl'] == 'application/jsonl'\n"
        "print(exports.write(read_result(sys.argv[1]), sys.argv[2], ['jsonl'])[0].name)"
    )
    assert python(site, "-c", code, directory, tmp_path).stdout == "segments.jsonl\n"


def test_its_export_in_a_batch(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "batch"
    run(site, "batch", SCENE.parent, "--out", out, "--model", "lite", "--outputs-dirs", "--export", "jsonl")
    assert len(list(out.rglob("segments.jsonl"))) == 1


def test_its_labels(site: Path, tmp_path: Path) -> None:
    wav(tmp_path / "scene.wav")
    labels = tmp_path / "scene.lab"
    labels.write_text("460000 23540000 neutral\n54220000 86580000 angry\n")
    report = json.loads(run(site, "evaluate", labels, "--model", "lite", "--format", "json").stdout)
    assert report["weighted"] == 1
    labels.write_text("now then angry\n")
    result = run(site, "evaluate", labels, "--model", "lite", code=1)
    assert "scene.lab: line 1 has no start, end and label" in result.stderr


def test_its_family_of_models(site: Path, examples: list[Path], tmp_path: Path) -> None:
    rows = [f"{path},{path.stem.rpartition('_')[2]}" for path in examples]
    (tmp_path / "labels.csv").write_text("\n".join(["path,label", *rows]))
    python(site, "-m", "emovox_example.fit", tmp_path / "labels.csv", tmp_path / "bands")
    options = ["--model", tmp_path / "bands", "--precision", "fp32", "--format", "jsonl", "--no-save"]
    lines = run(site, "recognize", *examples, *options).stdout.splitlines()
    results = [json.loads(line) for line in lines]
    right = [
        result["emotion"] == path.stem.rpartition("_")[2] for result, path in zip(results, examples, strict=True)
    ]
    assert sum(right) >= 6  # which it was fitted to
    code = """
import sys, numpy as np
from emovox.models.converted.clips import example_clips
from emovox.models.loading import load
engine = load(sys.argv[1], precision="fp32")
readout = engine.metadata.readouts[0]
one, other = example_clips()[:2]
together = engine.run([one, other[:9000], other[:300]])
for output, alone in zip(together, [*engine.run([one]), *engine.run([other[:9000]])]):
    np.testing.assert_allclose(output.embedding, alone.embedding, atol=1e-4)
print(len(readout.labels))
"""
    assert python(site, "-c", code, tmp_path / "bands").stdout == "7\n"


def test_a_model_of_its_family_is_pulled_from_a_hub(
    site: Path, examples: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = "import sys, numpy as np; from pathlib import Path; from emovox_example.fit import write\n"
    code += "write(Path(sys.argv[1]), ['angry', 'sad'], np.ones((2, 8)), np.array([1.0, 0.0]))"
    python(site, "-c", code, tmp_path / "bands")
    files = {path.name: path.read_bytes() for path in (tmp_path / "bands").iterdir()}
    with hub.serving(hub.Hub({**files, "logo.png": b"png"})) as served:
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        run(site, "models", "pull", "hf:some/bands")
    options = ["--model", "hf:some/bands", "--precision", "fp32", "--format", "jsonl", "--no-save"]
    [line] = run(site, "recognize", examples[0], *options).stdout.splitlines()
    assert json.loads(line)["emotion"] == "angry"
    assert "hf:some/bands" in run(site, "models", "list").stdout


def test_the_service_has_its_export(
    site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, examples: list[Path]
) -> None:
    monkeypatch.syspath_prepend(broken(site, tmp_path))
    service = ServiceProcess(tmp_path / "outputs")
    try:
        service.wait_until_ready()
        client = service.client
        listed = {item["name"]: item for item in client.get("/v1/exports").json()}
        assert listed["jsonl"]["title"] == "JSON Lines"
        assert "spoilt" not in listed
        answer = client.post_file(examples[0], export="jsonl", segments="true")
        assert answer.status_code == 200, answer.text
        [output] = client.get("/v1/outputs").json()["outputs"]
        files = client.get(f"/v1/outputs/{output['id']}").json()["files"]
        [file] = [file for file in files if file["name"] == "segments.jsonl"]
        assert file["media_type"] == "application/jsonl"
        assert json.loads(client.get(file["url"]).text.splitlines()[0])["recording"] == examples[0].name
        written = client.post(f"/v1/outputs/{output['id']}/exports", params={"export": "jsonl,srt"})
        assert [item["name"] for item in written.json()["files"]] == ["segments.srt", "segments.jsonl"]
        refused = client.post_file(examples[0], export="spoilt", segments="true")
        assert refused.status_code == 422
        assert "spoilt 0.1, can't be used: ModuleNotFoundError" in refused.text
    finally:
        service.end()
    assert any("spoilt 0.1, can't be used" in line for line in service.log)


def test_one_that_is_broken_stops_nothing_else(site: Path, tmp_path: Path) -> None:
    both = broken(site, tmp_path)
    options = ["--model", "lite", "--outputs", tmp_path / "outputs"]
    result = run(both, "recognize", SCENE, "--export", "csv,jsonl", *options)
    assert "csv is built in, and stays what it is" in result.stderr
    [directory] = (tmp_path / "outputs").glob("outputs_*")
    assert {path.name for path in directory.glob("segments.*")} == {"segments.csv", "segments.jsonl"}
    assert not (tmp_path / "mark").exists()  # nobody asked for it
    result = run(both, "recognize", SCENE, "--export", "spoilt", *options, code=2)
    assert "spoilt, from the package spoilt 0.1, can't be used: ModuleNotFoundError: No module named" in (
        " ".join(result.stderr.split())
    )
    result = run(both, "plugins", code=1)
    assert result.stdout.count("! ModuleNotFoundError: No module named 'gone_for_good'") == 3
    assert "emovox-example 1.0.0\n" in result.stdout
    assert "spoilt  jsonl" not in run(both, "export", "--help").stdout


def test_one_that_fails_at_its_work_costs_its_file_alone(site: Path, tmp_path: Path) -> None:
    both = broken(site, tmp_path)
    (both / "spoilt-0.1.dist-info" / "entry_points.txt").write_text("[emovox.exports]\nhasty = hasty:HASTY\n")
    (both / "hasty.py").write_text(
        "from emovox.plugins import Exporter\n"
        "def write(given, file): file.write(b'half'); open('/no/such/template')\n"
        "HASTY = Exporter('Hasty', 'fails', '.hasty', 'text/plain', {'segments': write})\n"
    )
    options = ["--model", "lite", "--outputs", tmp_path / "outputs"]
    result = run(both, "recognize", SCENE, "--export", "hasty,jsonl", *options, code=1)
    assert result.stderr.endswith(
        "recognised, but not exported as hasty: writing segments.hasty failed in the package spoilt 0.1: "
        "FileNotFoundError: No such file or directory: template (hasty.py, line 2). Tell its authors\n"
    )
    [directory] = (tmp_path / "outputs").glob("outputs_*")
    files = {path.name for path in directory.iterdir()}
    assert files == {"processed_audio.wav", "result.json", "segments.jsonl"}


def test_importing_and_help_look_for_nothing_and_decoding_loads_none(site: Path, tmp_path: Path) -> None:
    both = broken(site, tmp_path)
    code = "import sys, emovox; assert not {'importlib.metadata', 'emovox.registry'} & set(sys.modules)"
    python(both, "-c", code)
    code = (
        "import sys; from emovox.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "assert not {'emovox.registry', 'emovox_example', 'spoilt'} & set(sys.modules)"
    )
    python(both, "-c", code)
    code = "import sys, emovox.audio.isolation.worker; assert 'emovox.registry' not in sys.modules"
    python(both, "-c", code)
    assert not (tmp_path / "mark").exists()
