from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.figure import Figure

from emovox.evaluation import plots as pictures
from emovox.evaluation.metrics import measure
from emovox.exports.fonts import LATIN
from support.fonts import CHINESE, make_font, only_matplotlibs_own


def test_a_dollar_begins_no_formula() -> None:
    names = ("$\\no formula$", "b", "1 $")
    table = measure(np.eye(3), names, names=names).to_dict()
    memory = BytesIO()
    pictures.draw_confusions(memory, {"$\\loud$": table}, names=names)
    pictures.draw_reliability(memory, {"$\\loud$": table})
    pictures.draw_coverage(memory, {"$\\loud$": table, "without": table})
    assert memory.getvalue().startswith(b"\x89PNG")


def test_what_was_not_recognised_counts_in_the_confusions_too() -> None:
    names = ("a", "b")
    table = measure(np.eye(2), names, names=names, failed=["b"]).to_dict()
    axes = Figure().subplots()
    pictures._confusion(axes, np.array(table["confusion"]), table, names, [LATIN], names)
    assert [text.get_text() for text in axes.texts] == ["100", "50"]


def test_names_that_no_font_has_are_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    only_matplotlibs_own(monkeypatch)
    names = ("Lob", "投诉")
    table = measure(np.eye(2), names, names=names).to_dict()
    axes = Figure().subplots()
    pictures._confusion(axes, np.array(table["confusion"]), table, names, [LATIN], names)
    assert [text.get_text() for text in axes.get_yticklabels()] == ["Lob", "2 …"]
    pictures.draw_confusions(BytesIO(), {"客户": table}, names=names)  # a missing character would be a warning


def test_emotions_are_named_in_chinese_where_a_font_has_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    drawn: list[tuple[str, str, str]] = []

    def save(figure: Figure, _: object) -> None:
        (axes,) = figure.axes
        drawn.append((axes.get_xlabel(), axes.get_title(), axes.get_yticklabels()[1].get_text()))

    monkeypatch.setattr(pictures, "_save", save)
    only_matplotlibs_own(monkeypatch)
    names = ("Lob", "sad")
    table = measure(np.eye(2), names, names=names).to_dict()
    pictures.draw_confusions(BytesIO(), {"x": table}, names=names, language="zh")
    assert drawn.pop() == ("predicted (% of the true class)", "x: 100.0 % unweighted recall", "sad")
    characters = "".join([CHINESE, *pictures._WORDS["zh"].values()])
    font_manager.fontManager.addfont(make_font(tmp_path / "font.ttf", "SimHei", characters))
    pictures.draw_confusions(BytesIO(), {"x": table}, names=names, language="zh")
    assert drawn.pop() == ("识别为（占该类录音的百分比）", "x: 100.0 % 未加权召回率", "悲伤")


def test_a_title_has_its_font(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    only_matplotlibs_own(monkeypatch)
    font_manager.fontManager.addfont(make_font(tmp_path / "font.ttf", "SimHei", "客户"))
    with pictures._style(["客户"]) as fonts:
        assert fonts == [LATIN, "SimHei"]


def test_a_dot_for_each_rating_within_the_range(monkeypatch: pytest.MonkeyPatch) -> None:
    figures: list[Figure] = []
    monkeypatch.setattr(pictures, "_save", lambda figure, _: figures.append(figure))
    values = np.array([[0.2, 0.9], [0.4, 1.1], [0.6, 0.5]])
    labels = np.array([[0.1, 0.8], [np.nan, 0.9], [0.7, 0.5]])
    pictures.draw_values(BytesIO(), values, labels, ["arousal", "$valence"], limits=(0, 1))
    left, right = figures[0].axes
    np.testing.assert_allclose(np.asarray(left.collections[0].get_offsets()), [[0.1, 0.2], [0.7, 0.6]])
    assert left.get_xlim() == left.get_ylim() == pytest.approx((-0.02, 1.02))
    assert right.get_ylim()[1] > 1.1  # what lies outside the range is seen
    assert (left.get_xlabel(), left.get_ylabel(), right.get_title()) == ("rated", "predicted", "$valence")
    pictures.draw_values(BytesIO(), values[:0, :1], labels[:0, :1], ["arousal"])  # nothing was recognised
    assert len(figures[1].axes) == 1
