import logging
import re
import shutil
import subprocess
import sys
import textwrap
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.audio.structure.frames import are_frames
from emovox.errors import (
    LabelsError,
    ModelError,
    NoAudioError,
    NotInstalledError,
    OptionsError,
    OutputsError,
    PolicyError,
    RecordingNotFoundError,
    UnknownModelError,
    UnreadableAudioError,
)
from emovox.funasr import AutoModel, _places
from emovox.settings import settings
from support import snapshots, tiny
from support.funasr_calls import (
    QUIET,
    RANDOM_KEY,
    TOKENIZER,
    Inputs,
    Samples,
    every_input,
    keys,
    same_results,
    write_snapshot,
)
from support.funasr_model import parity

LARGE = "emotion2vec_plus_large"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for the module: a snapshot is converted once."""
    return tmp_path_factory.mktemp("funasr")


@pytest.fixture
def load(home: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., AutoModel]:
    monkeypatch.setenv("EMOVOX_CACHE", str(home / "cache"))
    settings.cache_clear()
    return lambda name="tiny", **options: AutoModel(model=str(home / name), **options)


@pytest.fixture
def model(home: Path, load: Callable[..., AutoModel]) -> AutoModel:
    if not (home / "tiny").exists():
        snapshots.write(home / "tiny", **TOKENIZER)
    return load()


@pytest.fixture(scope="module")
def inputs(home: Path, examples: list[Path], speech: Samples) -> Inputs:
    return every_input(home, examples, speech)


@parity
class TestParity:
    """FunASR's own AutoModel and ours, on one snapshot with random weights."""

    @pytest.fixture(scope="class", params=["nine tokens", "one unused, one of its own", "embeddings only"])
    def original(self, request: pytest.FixtureRequest, home: Path) -> Iterator[tuple[str, Any]]:
        from funasr import AutoModel as Original  # noqa: PLC0415

        tokens = {
            "nine tokens": snapshots.TOKENS,
            "one unused, one of its own": ("生气/angry", "unuse_0", "冷静/calm", "<unk>"),
            "embeddings only": (),
        }[request.param]
        folder = write_snapshot(home / request.param, tokens)
        level = logging.getLogger().level
        yield request.param, Original(model=str(folder), device="cpu", ncpu=2, log_level="ERROR", **QUIET)
        logging.getLogger().setLevel(level)

    @pytest.mark.filterwarnings("ignore:FunASR's option")
    @pytest.mark.parametrize(
        ("granularity", "extract"), [("utterance", True), ("utterance", False), ("frame", True)]
    )
    def test_the_same_results_and_files(
        self,
        original: tuple[str, Any],
        load: Callable[..., AutoModel],
        inputs: Inputs,
        tmp_path: Path,
        granularity: str,
        extract: bool,
    ) -> None:
        name, theirs = original
        ours = load(name, device="cpu", **QUIET)
        same_results(
            theirs.generate,
            ours.generate,
            inputs,
            tmp_path,
            {"granularity": granularity, "extract_embedding": extract},
            feats=extract or name == "embeddings only",
        )

    @pytest.mark.slow  # FunASR's resampling compiles itself first
    @pytest.mark.filterwarnings("ignore:FunASR's option")
    def test_other_rates(self, original: tuple[str, Any], load: Callable[..., AutoModel], speech: Samples) -> None:
        """Each resamples in its own way, so that the numbers are near."""
        name, theirs = original
        wanted = theirs.generate(speech, fs=8000)
        given = load(name, **QUIET).generate(speech, fs=8000)
        np.testing.assert_allclose(given[0]["scores"], wanted[0]["scores"], atol=0.05)
        assert given[0]["feats"].shape == wanted[0]["feats"].shape

    @pytest.mark.filterwarnings("ignore:FunASR's option")
    def test_keys(self, original: tuple[str, Any], load: Callable[..., AutoModel], inputs: Inputs) -> None:
        name, theirs = original
        ours = load(name, **QUIET)
        for kind in ("path", "array", "bytes of a file", "list of arrays", "list of paths", "wav.scp"):
            wanted, given = (model.generate(inputs[kind](), key="mine") for model in (theirs, ours))
            assert [item["key"] for item in given] == [item["key"] for item in wanted], kind


class TestModels:
    @pytest.mark.parametrize("name", [LARGE, f"iic/{LARGE}", f"emotion2vec/{LARGE}", f"damo/{LARGE}"])
    @pytest.mark.parametrize("hub", ["ms", "modelscope", "hf", "huggingface"])
    def test_funasr_s_names_and_cache(self, tmp_path: Path, name: str, hub: str) -> None:
        place = snapshots.write(tmp_path / "modelscope" / "models" / "iic" / LARGE)
        model = AutoModel(model=name, hub=hub)
        assert model.model_path == str(place)
        assert model.recognizer.model.precision == "fp32"
        assert model.generate(np.ones(8000, np.float32))[0]["labels"] == list(snapshots.TOKENS)

    def test_repositories_of_either_hub(self, tmp_path: Path) -> None:
        place = snapshots.write(tmp_path / "modelscope" / "models" / "some" / "model")
        assert AutoModel(model="some/model").model_path == str(place)
        with pytest.raises(NotInstalledError, match="emovox models pull hf:some/model"):
            AutoModel(model="some/model", hub="hf")
        with pytest.raises(OptionsError, match="hub 'openai': choose ms or hf"):
            AutoModel(model="some/model", hub="openai")

    def test_the_owner_s_former_name(self, tmp_path: Path) -> None:
        with pytest.raises(NotInstalledError, match=f"run `emovox models pull {LARGE}`"):
            AutoModel(model=f"damo/{LARGE}")
        place = snapshots.write(tmp_path / "modelscope" / "models" / "damo" / LARGE)
        assert AutoModel(model=f"damo/{LARGE}").model_path == str(place)

    def test_what_is_on_disk_goes_before_names(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        snapshots.write(tmp_path / LARGE)
        assert AutoModel(model=LARGE).model_path == LARGE
        assert AutoModel(model=Path(LARGE)).model_path == LARGE

    def test_what_is_not_there_must_be_pulled(self) -> None:
        with pytest.raises(NotInstalledError, match=f"run `emovox models pull {LARGE}`"):
            AutoModel(model=f"iic/{LARGE}")

    def test_converted_and_gone(self, tmp_path: Path) -> None:
        place = snapshots.write(tmp_path / "modelscope" / "models" / "iic" / LARGE)
        wanted = AutoModel(model=LARGE).generate(np.ones(8000, np.float32))
        shutil.rmtree(place)
        model = AutoModel(model=LARGE)
        assert model.model_path == ""
        assert model.generate(np.ones(8000, np.float32))[0]["scores"] == wanted[0]["scores"]

    @pytest.mark.parametrize("name", ["paraformer-zh", "fsmn-vad", "damo/a/b", "nowhere/at/all"])
    def test_other_models_stay_with_funasr(self, name: str) -> None:
        with pytest.raises(
            UnknownModelError, match=rf"no model of emotion is called '{name}'.*keep its AutoModel"
        ):
            AutoModel(model=name)

    def test_sensevoice_has_no_transcript(self, tmp_path: Path) -> None:
        folder = tmp_path / "local"
        folder.mkdir()
        (folder / "config.yaml").write_text("model: SenseVoiceSmall\n", encoding="utf-8")
        for name in ("iic/SenseVoiceSmall", "FunAudioLLM/SenseVoiceSmall", "SenseVoiceSmall", str(folder)):
            with pytest.raises(ModelError, match=r'use emovox\.Recognizer\("SenseVoiceSmall"\)'):
                AutoModel(model=name)

    def test_another_model_s_folder(self, tmp_path: Path) -> None:
        folder = snapshots.write(tmp_path / "other")
        (folder / "config.yaml").write_text("model: Paraformer\n", encoding="utf-8")
        with pytest.raises(ModelError, match="is of a model 'Paraformer'"):
            AutoModel(model=str(folder))

    def test_values_have_no_place(self, tmp_path: Path) -> None:
        path = tiny.write(tmp_path / "values.onnx", readouts=(tiny.DIMENSIONS,))
        with pytest.raises(ModelError, match="gives values, such as arousal"):
            AutoModel(model=str(path))

    def test_classes_beside_values(self, tmp_path: Path) -> None:
        path = tiny.write(tmp_path / "both.onnx", readouts=(tiny.DIMENSIONS, tiny.CALLS))
        [result] = AutoModel(model=path).generate(np.ones(8000, np.float32))
        assert result["labels"] == list(tiny.CALLS.labels)

    def test_the_bundled_model(self, examples: list[Path]) -> None:
        [result] = AutoModel(model="lite").generate(str(examples[0]))
        assert result["labels"][int(np.argmax(result["scores"]))] == "angry"
        assert sum(result["scores"]) == pytest.approx(1)


class TestOptions:
    @pytest.mark.usefixtures("model")
    def test_those_without_a_meaning_warn_once(self, load: Callable[..., AutoModel]) -> None:
        sound = np.ones(8000, np.float32)
        options = {"disable_update": True, "ncpu": 4, "vad_model": "x", "made_up": 1, "punc_model": None}
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model = load(**options, model_revision="v2.0.4")
            model.generate(sound, batch_size_s=300, ncpu=2)
            model.generate(sound, batch_size_s=300, input_len=[1])
        words = [str(warning.message) for warning in caught]
        assert sorted(text.split()[2] for text in words) == [
            "batch_size_s", "disable_update", "input_len", "made_up", "model_revision", "ncpu", "vad_model",
        ]  # fmt: skip
        assert "FunASR's option ncpu has no effect here: EMOVOX_THREADS says how many threads compute" in words
        assert {Path(warning.filename).name for warning in caught} == {"test_funasr.py"}

    @pytest.mark.usefixtures("model")
    @pytest.mark.parametrize(
        ("device", "words"),
        [
            ("cuda", "device 'cuda': the CPU is used, as by FunASR"),
            ("cuda:1", "device 'cuda:1': the first GPU is used: choose by CUDA_VISIBLE_DEVICES"),
            ("gpu", "device 'gpu': the CPU is used, as by FunASR"),
            ("mps", "device 'mps' has no effect here: cpu and cuda are known"),
        ],
    )
    def test_devices(self, load: Callable[..., AutoModel], device: str, words: str) -> None:
        with pytest.warns(UserWarning, match=re.escape(words)):
            model = load(device=device)
        assert model.recognizer._engine.device == "cpu"

    @pytest.mark.usefixtures("model")
    def test_the_cpu(self, load: Callable[..., AutoModel]) -> None:
        for options in ({"device": "cpu"}, {"device": "cuda", "ngpu": 0}, {}):
            assert load(**options).recognizer._engine.device == "cpu"

    def test_they_hold_for_all_calls(
        self, model: AutoModel, load: Callable[..., AutoModel], tmp_path: Path
    ) -> None:
        sound = np.ones(8000, np.float32)
        other = load(output_dir=tmp_path / "out", granularity="frame")
        [result] = other.generate(sound, key="x")
        assert result["feats"].shape == (24, 32)
        assert other.generate(sound, key="y", granularity="utterance")[0]["feats"].shape == (32,)
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["x.npy", "y.npy"]
        assert "feats" in model.generate(sound)[0]

    def test_wrong_values(self, model: AutoModel) -> None:
        with pytest.raises(OptionsError, match="granularity 'word'"):
            model.generate(np.ones(8000, np.float32), granularity="word")
        with pytest.raises(OptionsError, match="data_type 'fbank': only sound is recognised"):
            model.generate(np.ones(8000, np.float32), data_type="fbank")

    def test_called_as_in_the_first_examples(self, model: AutoModel, examples: list[Path]) -> None:
        [given], [wanted] = model(input=str(examples[0]), key="a"), model.generate(str(examples[0]), key="a")
        assert {**given, "feats": None} == {**wanted, "feats": None}

    def test_those_of_calls_in_the_wild(self, model: AutoModel, examples: list[Path]) -> None:
        options: dict[str, Any] = {
            "ban_emo_unk": True,
            "vad_kwargs": {"max_single_segment_time": 2000},
            "language": "auto",
        }
        with pytest.warns(UserWarning, match="has no effect here") as caught:
            model.generate(str(examples[0]), batch_size_s=300, disable_pbar=True, **options)
        assert {str(warning.message).split()[2] for warning in caught} == {
            *options,
            "batch_size_s",
            "disable_pbar",
        }
        assert {Path(warning.filename).name for warning in caught} == {Path(__file__).name}

    def test_progress(self, model: AutoModel) -> None:
        steps: list[tuple[int, int]] = []
        model.generate([np.ones(8000, np.float32)] * 3, progress_callback=lambda *step: steps.append(step))
        assert steps == [(1, 3), (2, 3), (3, 3)]


class TestInputs:
    def test_nothing_is_fetched(self, model: AutoModel, tmp_path: Path) -> None:
        address = "https://example.org/a.wav"
        (tmp_path / "wav.scp").write_text(f"a {address}\n", encoding="utf-8")
        for value in (address, [address], str(tmp_path / "wav.scp"), "file:///etc/hostname"):
            with pytest.raises(UnreadableAudioError, match=r"nothing is fetched: download it, and give its path"):
                model.generate(value)

    def test_missing_files_are_named_before_anything_runs(
        self, model: AutoModel, examples: list[Path], tmp_path: Path
    ) -> None:
        scp = tmp_path / "wav.scp"
        scp.write_text(f"a {examples[0]}\nb /no/such/file.wav\n", encoding="utf-8")
        for value in ([str(examples[0]), "/no/such/file.wav"], str(scp), "/no/such/file.wav"):
            with pytest.raises(RecordingNotFoundError, match=r"^/no/such/file\.wav: no such file$"):
                model.generate(value, output_dir=tmp_path / "out")
        assert not (tmp_path / "out").exists()

    def test_a_broken_one_is_named_and_those_before_it_are_saved(
        self, model: AutoModel, examples: list[Path], tmp_path: Path
    ) -> None:
        broken = tmp_path / "broken.wav"
        broken.write_bytes(b"no sound at all")
        with pytest.raises(UnreadableAudioError, match=f"^{broken}: "):
            model.generate([str(examples[0]), str(broken), str(examples[1])], output_dir=tmp_path / "out")
        assert [path.stem for path in (tmp_path / "out").iterdir()] == [examples[0].stem]
        with pytest.raises(NoAudioError, match=f"^{RANDOM_KEY}: "):
            model.generate([np.ones(8000, np.float32), np.ones(0, np.float32)])
        with pytest.raises(UnreadableAudioError, match=r"^x: neither a sound file nor samples of 16 bits"):
            model.generate(b"odd", key="x")

    def test_what_is_no_recording(self, model: AutoModel) -> None:
        for value in (7, None, [0.5, 0.5], (np.ones(8000, np.float32), 16_000)):
            with pytest.raises(UnreadableAudioError, match="give a path, an array, bytes, a binary file object"):
                model.generate(value)

    def test_nothing(self, model: AutoModel, tmp_path: Path) -> None:
        (tmp_path / "empty.scp").write_text("\n \n", encoding="utf-8")
        assert model.generate([]) == model.generate(str(tmp_path / "empty.scp")) == []

    def test_lists_with_blanks(self, model: AutoModel, examples: list[Path], tmp_path: Path) -> None:
        spaced = tmp_path / "a b" / "c  d.flac"
        spaced.parent.mkdir()
        shutil.copy(examples[0], spaced)
        scp = tmp_path / "wav.SCP"
        scp.write_text(f"\ufeffone {spaced}\n\n{spaced}\n  two\t {spaced}  \n", encoding="utf-8")
        assert keys(model.generate(scp)) == ["one", "random", "two"]

    def test_lists_that_cannot_be_read(self, model: AutoModel, tmp_path: Path) -> None:
        path = tmp_path / "rows.jsonl"
        for text, words in (
            ("{", "line 2 is not valid JSON"),
            ('{"key": "a"}', 'line 2 must have the path as "source"'),
        ):
            path.write_text(f"\n{text}\n", encoding="utf-8")
            with pytest.raises(LabelsError, match=words):
                model.generate(str(path))
        path.write_bytes(b"\xff\xfe")
        with pytest.raises(LabelsError, match="not UTF-8 text"):
            model.generate(str(path))

    def test_arrays_of_any_kind(self, model: AutoModel, speech: Samples) -> None:
        [wanted] = model.generate(speech[:16_000])
        integers = (speech[:16_000] * 32768).astype(np.int16)

        class Tensor:
            def __array__(self, dtype: Any = None, copy: bool | None = None) -> Samples:
                return speech[:16_000]

        for value in (integers, speech[:16_000].astype(np.float64), np.stack([speech[:16_000]] * 2), Tensor()):
            [given] = model.generate(value)
            np.testing.assert_allclose(given["feats"], wanted["feats"], atol=1e-4)

    def test_keys_of_their_own(self, model: AutoModel, tmp_path: Path) -> None:
        results = model.generate([np.ones(8000, np.float32), np.ones(9000, np.float32)], output_dir=tmp_path)
        assert keys(results) == ["random", "random"]
        assert {path.stem for path in tmp_path.iterdir()} >= {result["key"] for result in results}
        assert len({result["key"] for result in results}) == 2

    def test_a_key_that_comes_again_overwrites_nothing(
        self, model: AutoModel, examples: list[Path], tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        for name in "abc":
            (tmp_path / name).mkdir()
            shutil.copy(examples["abc".index(name)], tmp_path / name / "x.flac")
        results = model.generate([tmp_path / name / "x.flac" for name in "abc"], output_dir=tmp_path / "out")
        assert [result["key"] for result in results] == ["x"] * 3
        for number, result in enumerate(results, 1):
            file = tmp_path / "out" / ("x.npy" if number == 1 else f"x_{number}.npy")
            assert np.array_equal(np.load(file), result["feats"])
        assert "the key x comes again: its feats are in" in caplog.text

    def test_keys_stay_in_the_directory(self, model: AutoModel, examples: list[Path], tmp_path: Path) -> None:
        scp = tmp_path / "wav.scp"
        scp.write_text(f"speaker/one {examples[0]}\n", encoding="utf-8")
        model.generate(str(scp), output_dir=tmp_path / "out")
        assert (tmp_path / "out" / "speaker" / "one.npy").is_file()
        for key in ("../one", "/tmp/one", "one\0"):  # noqa: S108
            with pytest.raises(OptionsError, match="leads out of"):
                model.generate(np.ones(8000, np.float32), key=key, output_dir=tmp_path / "out" / "in")

    def test_a_directory_that_cannot_be_written(self, model: AutoModel, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(OutputsError, match="can't be made"):
            model.generate(np.ones(8000, np.float32), output_dir=tmp_path / "file" / "out")

    def test_samples_that_look_like_a_file(self, model: AutoModel, speech: Samples, encode: Any) -> None:
        """Samples of −1 and 16 are the head of a frame of MPEG; and MP3 files need no tag."""
        samples = np.concatenate([np.array([-1, 16], "<i2"), (speech[:16_000] * 32768).astype("<i2")])
        assert not are_frames(samples.tobytes())
        [given] = model.generate(samples.tobytes())
        [wanted] = model.generate(samples)
        assert np.array_equal(given["feats"], wanted["feats"])
        path = encode(speech[:16_000], "bare.mp3", "mp3", options={"write_xing": "0", "id3v2_version": "0"})
        assert path.read_bytes()[:1] == b"\xff"
        assert np.array_equal(model.generate(path.read_bytes())[0]["feats"], model.generate(str(path))[0]["feats"])

    @pytest.mark.parametrize(
        ("name", "codec", "sample_format"),
        [
            ("a.au", "pcm_s16be", "s16"),
            ("a.caf", "pcm_s16le", "s16"),
            ("a.w64", "pcm_s16le", "s16"),
            ("a.voc", "pcm_u8", "u8"),
            ("a.asf", "pcm_s16le", "s16"),
            ("a.wv", "wavpack", "s16p"),
            ("a.tta", "tta", "s16"),
            ("a.flv", "aac", "fltp"),
            ("a.ts", "aac", "fltp"),
            ("a.m2ts", "aac", "fltp"),
            ("a.vob", "mp2", "s16"),
            ("a.mov", "aac", "fltp"),
            ("a.aiff", "pcm_s16be", "s16"),
        ],
    )
    def test_the_bytes_of_a_file_are_no_samples(
        self, model: AutoModel, speech: Samples, encode: Any, name: str, codec: str, sample_format: str
    ) -> None:
        path = encode(speech[:16_000], name, codec, rate=44_100, sample_format=sample_format)
        [given], [wanted] = model.generate(path.read_bytes()), model.generate(str(path))
        assert np.array_equal(given["feats"], wanted["feats"])

    def test_the_bytes_of_a_phone_s_recording(self, model: AutoModel) -> None:
        path = Path(__file__).parent / "data" / "speech.amr"
        [given], [wanted] = model.generate(path.read_bytes()), model.generate(str(path))
        assert np.array_equal(given["feats"], wanted["feats"])

    def test_a_pipe(self, model: AutoModel, examples: list[Path]) -> None:
        code = f"import sys; sys.stdout.buffer.write(open({str(examples[0])!r}, 'rb').read())"
        with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as writer:
            [given] = model.generate(writer.stdout)
        [wanted] = model.generate(str(examples[0]))
        assert np.array_equal(given["feats"], wanted["feats"])

    def test_many_keys_take_no_longer_each(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        compared = 0
        equal = Path.__eq__

        def counting(own: Path, other: object) -> bool:
            nonlocal compared
            compared += 1
            return equal(own, other)

        monkeypatch.setattr(Path, "__eq__", counting)
        _places(tmp_path, [*map(str, range(500)), *["again"] * 500])
        assert compared < 5000


class TestResults:
    def test_silence_is_unknown(self, model: AutoModel, caplog: pytest.LogCaptureFixture) -> None:
        [result] = model.generate(np.zeros(16_000, np.float32))
        assert dict(zip(result["labels"], result["scores"], strict=True))["<unk>"] == 1
        assert sum(result["scores"]) == 1
        assert "silence" in caplog.text

    def test_silence_where_nothing_is_unknown(self, home: Path, load: Callable[..., AutoModel]) -> None:
        snapshots.write(home / "two", tokens=("生气/angry", "难过/sad"), **TOKENIZER)
        [result] = load("two").generate(np.zeros(16_000, np.float32))
        assert (result["labels"], result["scores"]) == ([], [])

    def test_long_recordings(self, model: AutoModel, speech: Samples) -> None:
        """They are cut where speech pauses, and their frames are as many as of the whole."""
        long = np.tile(speech, 1 + 40 * 16_000 // len(speech))[: 40 * 16_000]
        [result] = model.generate(long, granularity="frame")
        assert result["feats"].shape == ((len(long) - 400) // 320 + 1, 32)

    def test_the_policy_holds(
        self, model: AutoModel, monkeypatch: pytest.MonkeyPatch, load: Callable[..., AutoModel], tmp_path: Path
    ) -> None:
        monkeypatch.setenv("EMOVOX_POLICY", "eu")
        settings.cache_clear()
        strict = load(side="worker", output_dir=tmp_path / "out")
        [result] = strict.generate(np.ones(16_000, np.float32), key="x")
        assert result == {"key": "x", "labels": [], "scores": []}
        assert list((tmp_path / "out").iterdir()) == []
        (tmp_path / "policy.toml").write_text('profile = "open"\nrequire = ["purpose"]\n', encoding="utf-8")
        monkeypatch.setenv("EMOVOX_POLICY", str(tmp_path / "policy.toml"))
        settings.cache_clear()
        demanding = load()
        with pytest.raises(PolicyError, match="purpose"):
            demanding.generate(np.ones(16_000, np.float32))
        assert demanding.generate(np.ones(16_000, np.float32), purpose="quality")[0]["labels"]

    def test_the_library_s_own_numbers(self, model: AutoModel, examples: list[Path]) -> None:
        [result] = model.generate(str(examples[0]), granularity="frame")
        recognition = model.recognizer.recognize(examples[0], granularity="frame", embedding=True)
        assert recognition.scores is not None
        by_label = dict(zip(result["labels"], result["scores"], strict=True))
        names = {"happy": "开心/happy", "neutral": "中立/neutral", "sad": "难过/sad", "unknown": "<unk>"}
        assert {name: by_label[label] for name, label in names.items()} == {
            name: recognition.scores[name] for name in names
        }
        assert np.array_equal(result["feats"], recognition.embedding)  # type: ignore[arg-type]


def test_importing_loads_no_torch_and_no_model() -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['funasr'] = None\n"
        "import emovox.funasr, emovox.modelscope\n"
        "print(*sorted(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"onnxruntime", "openvino", "transformers"} & set(done.stdout.split())


@pytest.mark.parametrize("page", ["funasr.md", "funasr.zh-CN.md"])
def test_the_page_s_examples_run(
    page: str,
    examples: list[Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    snapshots.write(tmp_path / "modelscope" / "models" / "iic" / LARGE, tokens=snapshots.TOKENS)
    monkeypatch.chdir(tmp_path)
    for name in ("call.wav", "other.mp3"):
        shutil.copy(examples[0], name)
    text = (Path(__file__).parents[1] / "docs" / page).read_text(encoding="utf-8")
    found = re.findall(r"(?:^    .*\n|^\n(?=    ))+", text, re.MULTILINE)
    blocks = [block for block in found if "benchmarks" not in block]
    assert len(blocks) == 3
    exec(textwrap.dedent("".join(blocks)), {})  # noqa: S102
    lines = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"call \S+/\w+ 0\.\d+ \(32,\)", lines[0])
    assert lines[2].startswith("[{'key': 'call', 'labels': ['生气/angry', ")
    assert len(lines) == 4
    assert (tmp_path / "outputs" / "call.npy").is_file()
