from pathlib import Path

import pytest
from matplotlib import font_manager

from emovox.exports import fonts
from support.fonts import CHINESE, make_font, only_matplotlibs_own


@pytest.fixture
def no_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    only_matplotlibs_own(monkeypatch)


def test_latin_needs_no_other_font(no_chinese: None) -> None:
    assert fonts.families("Fröhlich, 5 % … ●") == [fonts.LATIN]
    assert fonts.missing("Fröhlich ● 快乐", [fonts.LATIN]) == "快乐"


def test_without_a_font_that_has_them(no_chinese: None, caplog: pytest.LogCaptureFixture) -> None:
    assert fonts.families(CHINESE) == [fonts.LATIN]
    assert caplog.records == []


@pytest.mark.usefixtures("no_chinese")
def test_a_font_installed_since_matplotlib_looked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    half = make_font(tmp_path / "half.ttf", "SimHei", CHINESE[:4])
    whole = make_font(tmp_path / "whole.ttf", "WenQuanYi Zen Hei", CHINESE)
    broken = tmp_path / "broken.ttf"
    broken.write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(broken), str(half), str(whole)])
    assert fonts.families(CHINESE) == [fonts.LATIN, "WenQuanYi Zen Hei"]
    assert fonts.missing(CHINESE, [fonts.LATIN, "WenQuanYi Zen Hei"]) == ""


def test_what_can_t_be_drawn_is_an_ellipsis() -> None:
    assert fonts.drawable("call 投诉\n1.mp3", [fonts.LATIN]) == "call …1.mp3"
