"""What many tests use: real speech, files of every format made from it, and the bundled model."""

from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, cast

import av
import numpy as np
import pytest
from av.audio.stream import AudioStream
from hypothesis import settings as hypothesis_settings
from numpy.typing import NDArray

from emovox.cli import main
from emovox.inference.recognizer import Recognizer
from emovox.settings import settings
from support.hub import Hub, serving
from support.pulls import FILES, NOT_NEEDED

if TYPE_CHECKING:
    from support.service import Client

EXAMPLES = Path(__file__).parents[1] / "examples"

hypothesis_settings.register_profile("emovox", deadline=None)  # timing is for benchmarks: machines are noisy
hypothesis_settings.load_profile("emovox")

Encode = Callable[..., Path]


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees the developer's own settings, proxies or model hubs, and each reads them anew."""
    monkeypatch.setenv("EMOVOX_CONFIG", str(tmp_path / "no-such-config.toml"))
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("EMOVOX_HEADS", str(tmp_path / "heads"))
    monkeypatch.setenv("EMOVOX_BASELINES", str(tmp_path / "baselines"))
    monkeypatch.setenv("EMOVOX_ADDED_MODELS", str(tmp_path / "models"))
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "EMOVOX_OFFLINE", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "huggingface"))
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "modelscope"))
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub that is both, with the files of a snapshot and others."""
    with serving(Hub({**FILES, **NOT_NEEDED})) as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", hub.url)
        yield hub


@pytest.fixture(scope="session")
def examples() -> list[Path]:
    return sorted(EXAMPLES.glob("*.flac"))


@pytest.fixture(scope="session")
def recognizer() -> Recognizer:
    return Recognizer("lite")


@pytest.fixture(scope="session")
def speech(examples: list[Path]) -> NDArray[np.float32]:
    """Real speech, float32 (n,), 16 kHz: one of the examples, decoded by FFmpeg without our own code."""
    with av.open(str(examples[0])) as container:
        pieces = [frame.to_ndarray()[0] for frame in container.decode(audio=0)]
    return (np.concatenate(pieces) / 32768).astype(np.float32)


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory) -> "Iterator[Client]":
    """One service for the tests that get along with each other's recordings."""
    from support.service import serving  # noqa: PLC0415  most tests need no service

    with serving(tmp_path_factory.mktemp("service") / "outputs", upload_stall=1, decode_stall=2) as client:
        yield client


@pytest.fixture
def encode(tmp_path: Path) -> Encode:
    """Write a waveform (channels, n) as a file of any format PyAV can write."""

    def write(
        waveform: NDArray[np.float32],
        name: str,
        codec: str,
        *,
        rate: int = 16_000,
        sample_format: str = "fltp",
        options: dict[str, str] | None = None,
        video: bool = False,
    ) -> Path:
        planes = np.atleast_2d(waveform)
        path = tmp_path / name
        layout = {1: "mono", 2: "stereo", 6: "5.1"}[len(planes)]
        resampler = av.AudioResampler(format=sample_format, layout=layout, rate=rate)
        with av.open(str(path), "w", options=options or {}) as container:
            picture = container.add_stream("mpeg4", rate=25) if video else None
            stream = cast("AudioStream", container.add_stream(codec, rate=rate, layout=layout))
            if picture is not None:
                picture.width, picture.height, picture.pix_fmt = 64, 48, "yuv420p"
                for number in range(25):
                    image = av.VideoFrame.from_ndarray(np.full((48, 64, 3), number, np.uint8), format="rgb24")
                    container.mux(picture.encode(image))
                container.mux(picture.encode(None))
            for start in range(0, planes.shape[1], 1024):
                piece = np.ascontiguousarray(planes[:, start : start + 1024], dtype=np.float32)
                frame = av.AudioFrame.from_ndarray(piece, format="fltp", layout=layout)
                frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
                for part in resampler.resample(frame):
                    container.mux(stream.encode(part))
            for part in resampler.resample(None):
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))
        return path

    return write


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    """Run the command line in an empty directory: (exit code, standard output, standard error)."""
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "cache"))

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as caught:
            main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert isinstance(caught.value.code, int)
        return caught.value.code, out, err

    return call


@pytest.fixture(scope="session")
def postgres() -> Iterator[Callable[[str], str]]:
    """A real PostgreSQL with pgvector: makes an empty database of a name, and gives its URL."""
    from support import postgres as servers  # noqa: PLC0415  most tests need none

    with servers.running() as server:
        yield server.make


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The settings name an empty database of either kind; its URL, "" for the SQLite files beside the outputs."""
    monkeypatch.setenv("EMOVOX_OUTPUTS", str(tmp_path / "outputs"))
    url = ""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres")("test")
        monkeypatch.setenv("EMOVOX_DATABASE", url)
    settings.cache_clear()
    return url
