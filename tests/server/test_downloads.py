"""What stored outputs are called where people keep them."""

from pathlib import Path

import pytest

from emovox.server.downloads import disposition, download_name, zip_name
from support.service import serving

ID = "outputs_20240104_223000"


@pytest.mark.parametrize(
    ("recording", "channel", "file", "name"),
    [
        ("call.wav", None, "report.html", "call_report.html"),
        ("call.wav", 1, "report_channel1.html", "call_channel1_report.html"),
        ("call.wav", 12, "segments_channel12.csv", "call_channel12_segments.csv"),
        ("call.wav", 2, "processed_audio.wav", "call_channel2_processed_audio.wav"),
        ("call_channel1.wav", None, "report.html", "call_channel1_report.html"),
        ("C:\\calls\\May 3.mp3", None, "result.json", "May 3_result.json"),
        ("../../etc/passwd", None, "result.json", "passwd_result.json"),
        ("v1.2024", None, "result.json", "v1.2024_result.json"),
        ("客服录音.m4a", None, "report.html", "客服录音_report.html"),
        ("👩‍💻🎤.ogg", None, "report.html", "👩‍💻🎤_report.html"),
        ("at 12:30:15", None, "result.json", "at 12 30 15_result.json"),
        ('a"b\r\nSet-Cookie: x\x00.wav', None, "result.json", "a b Set-Cookie x_result.json"),
        ("exe\u202egnp.wav", None, "result.json", "exe gnp_result.json"),
        ("half \ud83d.wav", None, "result.json", "half_result.json"),
        ("-rf ~.wav", None, "result.json", "rf ~_result.json"),
        (None, None, "result.json", f"{ID}_result.json"),
        (" .. ", 1, "report_channel1.html", f"{ID}_report_channel1.html"),
        (".wav", None, "result.json", f"{ID}_result.json"),
    ],
)
def test_they_are_called_after_their_recording(
    recording: str | None, channel: int | None, file: str, name: str
) -> None:
    assert download_name(recording, channel, ID, file) == name


@pytest.mark.parametrize("name", ["a" * 4000, "录" * 4000, "👩‍💻" * 1000])
def test_no_name_is_too_long(name: str) -> None:
    called = download_name(name, 64, ID, f"{'x' * 64}.parquet")
    assert len(called.encode()) < 240
    assert called.startswith(name[:30])
    assert "\u200d_" not in called


def test_a_zip_is_called_likewise() -> None:
    assert zip_name("call.wav", None, ID) == "call.zip"
    assert zip_name("call.wav", 2, ID) == "call_channel2.zip"
    assert zip_name(None, 2, ID) == f"{ID}.zip"


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("my call.zip", 'attachment; filename="my call.zip"'),
        ("录.zip", "attachment; filename=\"plain.zip\"; filename*=UTF-8''%E5%BD%95.zip"),
        ("5%41.zip", "attachment; filename=\"plain.zip\"; filename*=UTF-8''5%2541.zip"),
    ],
)
def test_headers_have_any_name(name: str, header: str) -> None:
    assert disposition("attachment", name, "plain.zip") == header


def test_the_service_says_so(tmp_path: Path, examples: list[Path]) -> None:
    with serving(tmp_path / "outputs") as client:
        location = client.post_file(examples[0], name="录音 1.wav", export="html").headers["location"]
        files = {file["name"]: file for file in client.get(location).json()["files"]}
        assert files["report.html"]["download_name"] == "录音 1_report.html"
        id_ = location.rpartition("/")[2]
        header = client.get(files["report.html"]["url"]).headers["content-disposition"]
        assert header == (
            f"inline; filename=\"{id_}_report.html\"; filename*=UTF-8''%E5%BD%95%E9%9F%B3%201_report.html"
        )
        header = client.get(f"{location}/zip").headers["content-disposition"]
        assert header == f"attachment; filename=\"{id_}.zip\"; filename*=UTF-8''%E5%BD%95%E9%9F%B3%201.zip"
        [written] = client.post(f"{location}/exports?export=srt").json()["files"]
        assert written["download_name"] == "录音 1_segments.srt"
