import os
import subprocess
import sys
from pathlib import Path

import pytest

from emovox import exports
from emovox.errors import ExportError, OutputsError
from emovox.inference.recognition import Recognition
from support.results import frames, recognition, recording, segment

SEGMENTS = ["segments.srt", "segments.vtt", "segments.TextGrid", "segments.txt"]


def call(channel: int | None = None) -> Recognition:
    return recognition(
        recording=recording(10, channel=channel),
        segments=[segment(1, 2, "angry", channel=channel)],
        frames=frames(500),
    )


def test_every_file_has_its_name(tmp_path: Path) -> None:
    paths = exports.write(call(), tmp_path, exports.suitable(call(), exports.FORMATS))
    assert [path.name for path in paths] == [
        *SEGMENTS, "emotions.emotionml.xml", "segments.csv", "frames.csv", "segments.parquet", "frames.parquet",
        "timeline.png", "timeline.svg", "report.html",
    ]  # fmt: skip
    assert sorted(paths) == sorted(tmp_path.iterdir())
    assert all(path.stat().st_size for path in paths)


def test_channels_have_files_of_their_own(tmp_path: Path) -> None:
    paths = [path for channel in (1, 2) for path in exports.write(call(channel), tmp_path, ["csv", "png"])]
    assert [path.name for path in paths] == [
        "segments_channel1.csv", "frames_channel1.csv", "timeline_channel1.png",
        "segments_channel2.csv", "frames_channel2.csv", "timeline_channel2.png",
    ]  # fmt: skip
    assert sorted(paths) == sorted(tmp_path.iterdir())


def test_the_language_is_for_people(tmp_path: Path) -> None:
    exports.write(call(), tmp_path, ["srt", "vtt", "textgrid", "audacity", "csv"], language="zh")
    for name in SEGMENTS:
        text = (tmp_path / name).read_text(encoding="utf-8")
        assert "愤怒" in text
        assert "angry" not in text
    assert "angry" in (tmp_path / "segments.csv").read_text(encoding="utf-8")


def test_what_is_there_is_written(tmp_path: Path) -> None:
    some = call().model_copy(update={"frames": None})
    assert [path.name for path in exports.write(some, tmp_path, ["csv", "parquet", "svg"])] == [
        "segments.csv", "segments.parquet", "timeline.svg",
    ]  # fmt: skip
    some = call().model_copy(update={"segments": None})
    assert [path.name for path in exports.write(some, tmp_path, ["csv", "parquet", "svg"])] == [
        "frames.csv", "frames.parquet", "timeline.svg",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "needed"),
    [
        *(
            (name, f"needs {' or '.join(exports.parts(name))}, .* with --segments( or --words)?$")
            for name in exports.FORMATS[:4]
        ),
        *(
            (
                name,
                "needs segments( or lines)? or frames, .* with --segments( or --words)? or --granularity frame$",
            )
            for name in exports.FORMATS[4:]
        ),
    ],
)
def test_what_is_missing_is_said_and_nothing_written(tmp_path: Path, name: str, needed: str) -> None:
    with pytest.raises(ExportError, match=f"{name} {needed}"):
        exports.write(recognition(), tmp_path, [name])
    if name in exports.FORMATS[:4]:
        with pytest.raises(ExportError, match=f"{name} {needed}"):
            exports.write(call().model_copy(update={"segments": None}), tmp_path, ["csv", name])
    assert list(tmp_path.iterdir()) == []


def test_needs() -> None:
    assert exports.needs(["srt", "csv", "parquet"]) == {"segments"}
    assert (
        exports.needs(["srt", "png"])
        == exports.needs(["svg"])
        == exports.needs(["html"])
        == {"segments", "frames"}
    )


def test_names() -> None:
    assert exports.FORMATS == (
        "srt", "vtt", "textgrid", "audacity", "emotionml", "csv", "parquet", "png", "svg", "plane", "plane_svg",
        "html",
    )  # fmt: skip
    assert exports.check_formats(["svg", "srt", "svg"]) == ("srt", "svg")
    with pytest.raises(ExportError, match="no format 'SRT', 'xls': choose srt, vtt, "):
        exports.check_formats(["xls", "srt", "SRT"])
    with pytest.raises(ExportError, match="name at least one format"):
        exports.check_formats([])


@pytest.mark.parametrize(
    ("name", "package"), [("parquet", "pyarrow"), ("png", "matplotlib"), ("svg", "matplotlib")]
)
def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, package: str) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    for run in (
        lambda: exports.check_formats([name]),
        lambda: exports.needs([name]),
        lambda: exports.write(call(), tmp_path, ["srt", name]),
    ):
        with pytest.raises(ExportError, match=f"{name} needs {package}.*: .* -m pip install {package}"):
            run()
    assert list(tmp_path.iterdir()) == []
    assert len(exports.write(call(), tmp_path, ["srt", "csv"])) == 3


def test_the_extras_are_loaded_only_when_used() -> None:
    code = (
        "import sys; import emovox.cli, emovox.exports; "
        "assert not {'pyarrow', 'matplotlib', 'pandas', 'PIL'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_no_global_state_of_matplotlib() -> None:
    code = (
        "import io, sys; from pathlib import Path; from emovox.exports import timeline; "
        f"sys.path[:0] = [{str(Path(__file__).parents[1])!r}]; from support.results import recognition; "
        "timeline.write(recognition(segments=[]), Path('none'), io.BytesIO(), kind='png', language='en'); "
        "assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, env=os.environ)


def test_a_damaged_sound_leaves_the_old_picture(tmp_path: Path) -> None:
    exports.write(call(), tmp_path, ["png"])
    before = (tmp_path / "timeline.png").read_bytes()
    (tmp_path / "processed_audio.wav").write_bytes(b"RIFF")
    with pytest.raises(OutputsError, match="processed_audio"):
        exports.write(call(), tmp_path, ["png"])
    assert (tmp_path / "timeline.png").read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 2
