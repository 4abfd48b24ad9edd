import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.converted import store
from emovox.models.converted.store import Comparison, StoredModel, Trial
from emovox.models.metadata import Precision
from emovox.models.runtime.engine import Engine, Output
from emovox.models.runtime.session import EngineName, precisions
from emovox.models.wav2vec2.snapshot import SPEECH
from support import snapshots, wav2vec2_snapshots

# Wide enough for blocks of int8; the published sizes are multiples of it.
WIDE = snapshots.tiny({"embed_dim": 256}, {"conv_pos_groups": 4})
WIDE_WAV2VEC2 = {"hidden_size": 256, "intermediate_size": 512, "use_weighted_layer_sum": True}

Open = Callable[[Path], StoredModel]


@pytest.fixture
def open_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))
    return lambda directory: StoredModel(
        directory, name="wide", revision="r1", licence="MIT", corpora=("IEMOCAP",)
    )


@pytest.fixture
def wide(tmp_path: Path) -> Path:
    return snapshots.write(tmp_path / "wide", WIDE)


@pytest.fixture(params=["emotion2vec", "wav2vec2", "wav2vec2, values"])
def of_each_family(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A wide snapshot of each family, and of a head that isn't linear."""
    if request.param == "emotion2vec":
        return snapshots.write(tmp_path / "wide", WIDE)
    config = wav2vec2_snapshots.tiny(WIDE_WAV2VEC2)
    if request.param == "wav2vec2, values":
        changes = WIDE_WAV2VEC2 | wav2vec2_snapshots.REGRESSION
        config = wav2vec2_snapshots.tiny(changes, wav2vec2_snapshots.DIMENSIONS, SPEECH)
    return wav2vec2_snapshots.write(tmp_path / "wide", config)


def logits_of(engine: Engine, output: Output) -> NDArray[np.float32]:
    """Of the one readout that a model has."""
    [readout] = engine.metadata.readouts
    return engine.logits(readout, output)


def test_a_precision_is_converted_once(open_model: Open, wide: Path) -> None:
    said: list[str] = []
    model = open_model(wide)
    paths: dict[Precision, Path] = {
        precision: model.file(precision, notice=said.append) for precision in ("fp32", "bf16", "fp16", "int8")
    }
    assert said == [f"converting wide to {stored} (only once)" for stored in ("fp32", "fp16", "int8")]
    assert paths["bf16"] == paths["fp32"] != paths["int8"]
    before = paths["int8"].stat().st_mtime_ns
    assert open_model(wide).file("int8", notice=said.append).stat().st_mtime_ns == before
    assert len(said) == 3
    facts = Engine(paths["int8"]).metadata
    assert (facts.name, facts.revision, facts.licence, facts.precision) == ("wide", "r1", "MIT", "int8")
    assert facts.source_sha256 == model.checksum
    assert facts.corpora == ("IEMOCAP",)
    sizes = {
        precision: sum(file.stat().st_size for file in path.parent.iterdir()) for precision, path in paths.items()
    }
    assert sizes["int8"] < sizes["fp16"] < 0.65 * sizes["fp32"]


def test_other_weights_config_or_tokens_are_another_conversion(open_model: Open, wide: Path) -> None:
    first = open_model(wide)
    (wide / "tokens.txt").write_text((wide / "tokens.txt").read_text().replace("<unk>", "unuse_0"))
    second = open_model(wide)
    time.sleep(0.01)
    snapshots.write(wide, WIDE, state=snapshots.random_state(WIDE, seed=1))
    third = open_model(wide)
    assert first.checksum == second.checksum != third.checksum
    assert len({first.directory, second.directory, third.directory}) == 3


@pytest.mark.usefixtures("open_model")
def test_what_classes_mean_is_part_of_a_conversion(tmp_path: Path) -> None:
    folder = wav2vec2_snapshots.write(tmp_path / "mine", wav2vec2_snapshots.tiny(labels=wav2vec2_snapshots.SUPERB))
    meanings = wav2vec2_snapshots.MEANINGS

    def directory(labels: dict[str, str]) -> Path:
        return StoredModel(folder, name="mine", revision="r1", licence="MIT", labels=labels).directory

    first = directory(meanings)
    assert directory(dict(reversed(meanings.items()))) == first
    assert directory(meanings | {"hap": "surprised"}) != first
    (folder / "emovox-labels.json").write_text('{"hap": "surprised"}', encoding="utf-8")
    assert directory(meanings) != first


def test_the_checksum_is_not_computed_again(open_model: Open, wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_model(wide)

    def fail(_: object) -> str:
        raise AssertionError("read again")

    monkeypatch.setattr("emovox.models.emotion2vec.snapshot.Snapshot.sha256", fail)
    assert open_model(wide).checksum == first.checksum


def test_a_killed_conversion_leaves_nothing_that_is_used(open_model: Open, wide: Path) -> None:
    model = open_model(wide)
    code = (
        "import os, sys\nfrom pathlib import Path\n"
        "import emovox.models.converted.conversion as convert\n"
        "convert.files.replace_directory = lambda *_: os.kill(os.getpid(), 9)\n"
        "from emovox.models.converted.store import StoredModel\n"
        f"StoredModel(Path({str(wide)!r}), name='wide', revision='r1', licence='MIT').file('fp32')\n"
    )
    assert subprocess.run([sys.executable, "-c", code], env=os.environ.copy(), check=False).returncode == -9
    left = [path.name for path in model.directory.iterdir() if path.name.startswith(".")]
    assert left
    assert not (model.directory / "fp32").exists()
    assert model.file("fp32").exists()
    assert [path.name for path in model.directory.iterdir() if path.name in left] == []


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
def test_every_precision_hears_nearly_what_fp32_hears(
    open_model: Open, of_each_family: Path, speech: NDArray[np.float32], engine: EngineName
) -> None:
    model = open_model(of_each_family)
    clips = [speech, speech[:20_000]]
    comparison = model.compare(clips, engine=engine)
    assert [trial.precision for trial in comparison.trials] == precisions(engine=engine)
    for trial in comparison.trials:
        assert trial.engine == engine
        assert trial.seconds > 0
        assert trial.error < 0.1
    assert comparison.trials[0].error == 0
    assert all(trial.error > 0 for trial in comparison.trials[1:]), "rounding must show, or nothing was rounded"
    assert model.comparison(engine=engine) == comparison
    assert open_model(of_each_family).comparison(engine=engine) == comparison
    other: EngineName = "openvino" if engine == "onnxruntime" else "onnxruntime"
    assert model.comparison(engine=other) is None


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_a_batch_equals_single_windows(
    open_model: Open, of_each_family: Path, speech: NDArray[np.float32], engine: EngineName, precision: Precision
) -> None:
    runner = Engine(open_model(of_each_family).file(precision), precision=precision, engine=engine)
    assert not runner._session.batches, "on a CPU"
    runner._session.batches = precision != "int8"  # as on a GPU; rounded activations are for single windows
    logits, frames = {"fp32": (1e-5, 1e-4), "fp16": (2e-3, 2e-2), "int8": (0, 0)}[precision]
    windows = [speech[:16_000], speech, speech[5_000:9_001]]
    for window, output in zip(windows, runner.run(windows, frames=True), strict=True):
        [alone] = runner.run([window], frames=True)
        np.testing.assert_allclose(logits_of(runner, output), logits_of(runner, alone), atol=logits)
        assert output.frames is not None
        assert alone.frames is not None
        np.testing.assert_allclose(output.frames, alone.frames, atol=frames)


@pytest.mark.parametrize("engine", ["onnxruntime", "openvino"])
@pytest.mark.parametrize(("precision", "logits"), [("bf16", 0.02), ("fp16", 0.002), ("int8", 0.05)])
def test_a_lower_precision_is_near_and_its_frames_explain_the_verdict(
    open_model: Open,
    of_each_family: Path,
    speech: NDArray[np.float32],
    engine: EngineName,
    precision: Precision,
    logits: float,
) -> None:
    if precision not in precisions(engine=engine) and precision != "fp16":  # a CPU computes it, only slowly
        pytest.skip(f"no {precision} here")
    exact_runner = Engine(open_model(of_each_family).file("fp32"), engine=engine)
    exact = logits_of(exact_runner, *exact_runner.run([speech]))
    path = open_model(of_each_family).file(precision)
    runner = Engine(path, precision=precision, engine=engine)
    [output] = runner.run([speech], frame_logits=True, frames=True)
    near = logits_of(runner, output)
    assert np.abs(near - exact).max() < logits
    assert near.tobytes() != exact.tobytes()
    assert output.frames is not None
    for frame_logits in output.frame_logits.values():
        np.testing.assert_allclose(near, frame_logits.mean(axis=0), atol=1e-5)
    np.testing.assert_allclose(output.embedding, output.frames.mean(axis=0), atol=1e-5)


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is in memory")
def test_openvino_holds_no_second_copy_of_the_weights(open_model: Open, wide: Path) -> None:
    path = open_model(wide).file("fp32")
    runner = Engine(path, engine="openvino")

    def resident() -> list[int]:
        """kB of each mapping of the weights that are in memory."""
        spans = Path("/proc/self/smaps").read_text(encoding="utf-8").split("VmFlags")
        return [
            int(re.findall(r"^Rss: +(\d+) kB", span, re.MULTILINE)[0]) for span in spans if f"{path}.data" in span
        ]

    assert resident(), "OpenVINO maps the file"
    assert not any(resident())
    assert runner.run([np.zeros(16_000, np.float32)])
    size = path.with_name(f"{path.name}.data").stat().st_size
    assert sum(resident()) * 1024 < size / 4, "only what is not packed, as norms and biases, is read from the file"


def test_both_engines_agree(open_model: Open, of_each_family: Path, speech: NDArray[np.float32]) -> None:
    path = open_model(of_each_family).file("fp32")
    runners = [Engine(path, engine=engine) for engine in ("onnxruntime", "openvino")]
    one, other = (logits_of(runner, *runner.run([speech])) for runner in runners)
    np.testing.assert_allclose(one, other, atol=1e-4)


def trial(precision: Precision, seconds: float, error: float = 0.0, agreement: float = 1.0) -> Trial:
    return Trial(precision=precision, engine="openvino", seconds=seconds, error=error, agreement=agreement)


def test_auto_takes_the_fastest_that_is_good() -> None:
    slow = trial("fp32", 1)
    for others, best in [
        ([trial("bf16", 0.5, 0.01), trial("int8", 0.2, 0.02)], "int8"),
        ([trial("bf16", 0.5, 0.01), trial("int8", 0.2, 0.021)], "bf16"),
        ([trial("bf16", 0.5, 0.01, 0.9), trial("int8", 0.2, 0.3)], "fp32"),
        ([trial("int8", 1.1)], "fp32"),
    ]:
        assert Comparison(machine="x", trials=(slow, *others)).best == best


def test_a_broken_memory_is_forgotten(open_model: Open, wide: Path) -> None:
    model = open_model(wide)
    model.directory.mkdir(parents=True)
    (model.directory / "comparison.json").write_text("{}")
    assert model.comparison() is None


def test_a_cache_that_cannot_be_written(wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "file"))
    model = StoredModel(wide, name="wide", revision="r1", licence="MIT")
    with pytest.raises(ModelError, match="EMOVOX_CACHE"):
        model.file("fp32")


@pytest.mark.parametrize(("enough", "runs"), [(1e-12, 2), (float("inf"), 4)])
def test_what_takes_long_is_not_repeated(
    open_model: Open, wide: Path, monkeypatch: pytest.MonkeyPatch, enough: float, runs: int
) -> None:
    """A clip is run once for what is compared, and then for its time: once at least."""
    lengths: list[int] = []
    original = Engine.run

    def run(self: Engine, windows: Sequence[NDArray[np.float32]], **options: bool) -> list[Output]:
        lengths.append(len(windows[0]))
        return original(self, windows, **options)

    monkeypatch.setattr(Engine, "run", run)
    monkeypatch.setattr(store, "_ENOUGH", enough)
    comparison = open_model(wide).compare([np.zeros(8_000, np.float32)], engine="onnxruntime")
    assert len(lengths) == runs * len(comparison.trials)
