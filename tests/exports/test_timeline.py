import xml.etree.ElementTree as ET
from collections.abc import Callable
from io import BytesIO
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from PIL import Image

from emovox.audio.wav import WavWriter
from emovox.emotions import BY_NAME, EMOTIONS, NAMES
from emovox.exports import fonts, palette, timeline
from emovox.exports.paints import PLAIN
from emovox.inference.frames import Frames
from emovox.inference.recognition import ReadoutResult, Recognition
from support.fonts import CHINESE, make_font, only_matplotlibs_own
from support.results import classes, frames, head, nothing, recognition, recording, segment, values
from support.results import curves as readout_curves

Draw = Callable[..., Figure]


def curve(seconds: float, **levels: float) -> Frames:
    """Frames in which the named emotions stand at these levels all the time."""
    scores = np.full((int(seconds * 50), 9), 0.0, np.float32)
    for name, level in levels.items():
        scores[:, NAMES.index(name)] = level
    return frames(1).model_copy(update={"scores": scores, "logits": scores})


def call(**changes: object) -> Recognition:
    facts = {
        "recording": recording(60, name="call.mp3"),
        "segments": [segment(5, 20, "angry"), segment(20, 20.5, "sad"), segment(40, 60, "neutral")],
        "frames": curve(60, angry=0.6, happy=0.3, unknown=0.049),
    }
    return recognition(emotion="angry", confidence=0.6, **{**facts, **changes})


@pytest.fixture
def draw(tmp_path: Path) -> Draw:
    """Draw with a minute of noise as processed_audio.wav, or without sound."""

    def drawn(result: Recognition, *, language: str = "en", loudness: float | None = 0.5) -> Figure:
        path = tmp_path / "processed_audio.wav"
        if loudness is not None:
            writer = WavWriter(path)
            chance = np.random.default_rng(0)
            for _ in range(60):
                writer.write((loudness * chance.uniform(-1, 1, 16_000)).astype(np.float32))
            writer.close()
        return timeline.draw(result, path, language=language)

    return drawn


@pytest.fixture
def no_chinese(monkeypatch: pytest.MonkeyPatch) -> None:
    only_matplotlibs_own(monkeypatch)


def row(figure: Figure, name: str) -> Axes:
    [axes] = [axes for axes in figure.axes if axes.get_label() == name]
    return axes


def written(axes: Axes | Figure) -> list[str]:
    return [text.get_text() for text in axes.texts]


def curves(figure: Figure) -> dict[str, Line2D]:
    lines = {str(line.get_label()): line for line in row(figure, "curves").get_lines()}
    assert list(lines) == [label for name in NAMES for label in (f"_{name}", name)]
    return {name: lines[name] for name in NAMES}


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()]


def test_three_rows_over_one_time(draw: Draw) -> None:
    figure = draw(call())
    assert [axes.get_label() for axes in figure.axes] == ["waveform", "curves", "segments"]
    assert {axes.get_xlim() for axes in figure.axes} == {(0.0, 60.0)}
    assert len({(axes.get_position().x0, axes.get_position().x1) for axes in figure.axes}) == 1
    figure.draw_without_rendering()
    assert [text.get_text() for text in row(figure, "segments").get_xticklabels()][:3] == ["0:00", "0:05", "0:10"]


def test_the_head_says_what_was_heard_and_where(draw: Draw) -> None:
    result = call(recording=recording(60, name="call.mp3", channel=2))
    figure = draw(result)
    assert result.summary is not None
    facts = "1:00   ·   channel 2   ·   tiny 1"
    assert written(figure) == ["call.mp3", result.summary.headline.en, facts]
    figure = draw(result.model_copy(update={"segments": None}))
    assert written(figure) == ["call.mp3", "●", "angry 60 %", facts]
    assert to_hex(figure.texts[1].get_color()) == BY_NAME["angry"].colour
    figure = draw(result.model_copy(update={"segments": [segment(5, 20, "sad")]}))
    assert written(figure) == ["call.mp3", "●", "sad", facts]  # as its segments say
    assert to_hex(figure.texts[1].get_color()) == BY_NAME["sad"].colour


def test_curves_have_their_colours_and_those_that_rise_a_name(draw: Draw) -> None:
    figure = draw(call(segments=None))
    lines = curves(figure)
    for emotion in EMOTIONS:
        assert to_hex(lines[emotion.name].get_color()) == emotion.colour
    np.testing.assert_allclose(np.asarray(lines["angry"].get_ydata(), float), 0.6, rtol=1e-6)
    assert legend(figure) == ["angry", "happy"]
    dashed = {name for name, line in lines.items() if line.is_dashed()}
    assert dashed == {"neutral", "other", "unknown"}
    assert lines["happy"].get_linewidth() > lines["unknown"].get_linewidth()


def test_silence_is_no_emotion(draw: Draw) -> None:
    figure = draw(call())
    line = curves(figure)["angry"]
    times, heard = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
    spoken = (times >= 5) & (times < 20.5) | (times >= 40)
    assert np.isfinite(heard[spoken]).all()
    assert np.isfinite(heard[~spoken]).sum() == 1  # the line ends where speech does
    tints = {str(tint.get_label()): tint.get_paths() for tint in row(figure, "curves").collections}
    assert len(tints) == 1
    [paths] = tints.values()
    assert [path.get_extents().x0 for path in paths] == pytest.approx([5, 40], abs=0.15)


def test_what_only_the_pauses_have_is_no_curve(draw: Draw) -> None:
    result = call(frames=curve(60, angry=0.6))
    assert result.frames is not None
    assert result.frames.scores is not None
    silent = (result.frames.times < 5) | (result.frames.times >= 20.5) & (result.frames.times < 40)
    result.frames.scores[silent] = np.eye(9, dtype=np.float32)[NAMES.index("unknown")]
    pauses = draw(result)
    assert np.nanmax(np.asarray(curves(pauses)["unknown"].get_ydata(), float)) < 0.5  # a point may be of both
    assert "unknown" not in legend(pauses)


def test_segments_are_blocks_named_where_the_name_fits(draw: Draw) -> None:
    figure = draw(call())
    axes = row(figure, "segments")
    blocks = {str(blocks.get_label()): blocks for blocks in axes.collections}
    for name, start, end in [("angry", 5, 20), ("sad", 20, 20.5), ("neutral", 40, 60)]:
        box = blocks[name].get_paths()[0].get_extents()
        assert (box.x0, box.x1) == pytest.approx((start, end))
        assert to_hex(blocks[name].get_facecolor()[0]) == BY_NAME[name].colour  # type: ignore[arg-type]
    assert written(axes) == ["angry", "75 %", "neutral", "75 %"]
    assert legend(figure) == ["angry", "happy", "neutral", "sad"]
    figure.canvas.draw()
    for text in axes.texts:
        place = text.get_window_extent().transformed(axes.transData.inverted())
        assert any(start < place.x0 < place.x1 < end for start, end in [(5, 20), (40, 60)])
        assert 0 < place.y0 < place.y1 < 1


def test_the_waveform_has_the_colours_of_its_segments(draw: Draw) -> None:
    axes = row(draw(call()), "waveform")
    spans = {str(shape.get_label()): shape for shape in axes.collections}
    assert set(spans) == {"silence", "angry", "sad", "neutral"}
    assert to_hex(spans["angry"].get_facecolor()[0]) == BY_NAME["angry"].colour  # type: ignore[arg-type]
    box = spans["angry"].get_paths()[0].get_extents()
    assert (box.x0, box.x1) == pytest.approx((5, 20), abs=0.1)
    assert box.y1 == pytest.approx(0.5, abs=0.01)
    assert axes.get_ylim()[1] == pytest.approx(0.53, abs=0.01)


def test_quiet_sound_looks_quiet(draw: Draw) -> None:
    assert row(draw(call(), loudness=0), "waveform").get_ylim() == pytest.approx((-0.0106, 0.0106))


def test_only_what_is_there_is_drawn(draw: Draw) -> None:
    full = draw(call())
    silent = draw(call(segments=[], frames=None))
    assert [axes.get_label() for axes in silent.axes] == ["waveform", "segments"]
    assert silent.legends == []
    assert silent.get_figheight() < full.get_figheight()
    assert [axes.get_label() for axes in draw(call(segments=None, frames=curve(0))).axes] == ["waveform", "curves"]


def test_without_the_sound(draw: Draw) -> None:
    assert [axes.get_label() for axes in draw(call(), loudness=None).axes] == ["curves", "segments"]


@pytest.mark.parametrize(
    ("seconds", "step", "duration", "shown"),
    [
        (0, 0.5, 3, "0:00.0"),
        (2.5, 0.5, 3, "0:02.5"),
        (59.96, 0.1, 60, "1:00.0"),
        (75, 5, 100, "1:15"),
        (88.8225, 1, 88.8225, "1:29"),
        (3000, 600, 3599, "50:00"),
        (3000, 600, 3600, "0:50:00"),
        (400_000, 36_000, 400_000, "111:06:40"),
    ],
)
def test_times(seconds: float, step: float, duration: float, shown: str) -> None:
    assert timeline.clock(seconds, step, duration) == shown


@pytest.mark.parametrize("duration", [0.025, 0.4, 3, 59, 60, 601, 3600, 7200, 86_400, 500_000])
def test_ticks_are_few_and_don_t_collide(duration: float) -> None:
    result = call(recording=recording(duration), segments=[segment(0, duration)], frames=None)
    figure = timeline.draw(result, Path("no such file"), language="en")
    figure.canvas.draw()
    labels = [label for label in row(figure, "segments").get_xticklabels() if label.get_text()]
    boxes = [label.get_window_extent() for label in labels]
    assert 1 <= len(boxes) <= 14
    assert all(before.x1 < after.x0 for before, after in pairwise(boxes))


def test_a_long_name_is_shortened_in_its_middle(draw: Draw) -> None:
    figure = draw(call(recording=recording(60, name=f"begin {'long ' * 60} end.wav")))
    name = figure.texts[0]
    assert name.get_text().startswith("begin long")
    assert name.get_text().endswith("end.wav")
    assert "…" in name.get_text()
    figure.canvas.draw()
    assert name.get_window_extent().x1 <= figure.bbox.x1


@pytest.mark.usefixtures("no_chinese")
@pytest.mark.parametrize("kind", ["png", "svg"])
def test_without_a_chinese_font_there_are_no_boxes(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    result = call(recording=recording(60, name="通话 7\n\x01.\u202ewav"))
    with (tmp_path / "x").open("wb") as file:
        timeline.write(result, tmp_path / "none", file, kind=kind, language="zh")  # type: ignore[arg-type]
    figure = timeline.draw(result, tmp_path / "none", language="zh")
    assert caplog.records == []
    assert written(figure)[:2] == ["… 7….…wav", "angry → neutral 0:40"]
    assert legend(figure) == ["angry", "happy", "neutral", "sad"]


@pytest.mark.parametrize("kind", ["png", "svg"])
def test_chinese(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, chinese_font: str) -> None:
    monkeypatch.setattr(fonts, "CHINESE", (chinese_font,))
    result = call(recording=recording(60, name="通话.wav", channel=1))
    with (tmp_path / "x").open("wb") as file:
        timeline.write(result, tmp_path / "none", file, kind=kind, language="zh")  # type: ignore[arg-type]
    figure = timeline.draw(result, tmp_path / "none", language="zh")
    assert written(figure) == ["通话.wav", "愤怒 → 中性 0:40", "1:00   ·   声道 1   ·   tiny 1"]
    assert legend(figure) == ["愤怒", "快乐", "中性", "悲伤"]
    assert written(row(figure, "segments")) == ["愤怒", "75 %", "中性", "75 %"]


@pytest.fixture
def chinese_font(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    path = make_font(tmp_path / "chinese.ttf", "Emovox Test", CHINESE + "通话")
    monkeypatch.setattr(font_manager.fontManager, "ttflist", list(font_manager.fontManager.ttflist))
    font_manager.fontManager.addfont(path)
    return "Emovox Test"


def test_png_has_its_size_and_colours(tmp_path: Path) -> None:
    file = BytesIO()
    timeline.write(call(), tmp_path / "none", file, kind="png", language="en")
    image = Image.open(file)
    assert image.format == "PNG"
    assert image.width == 1920
    colours = {colour for _, colour in image.convert("RGB").getcolors(1 << 20) or []}
    assert {tuple(bytes.fromhex(BY_NAME[name].colour[1:])) for name in ("angry", "happy", "neutral")} <= colours


def test_svg_is_xml_with_text_and_always_the_same(tmp_path: Path) -> None:
    files = [BytesIO(), BytesIO()]
    result = call(recording=recording(60, name="<call> & co $5$.mp3"))
    for file in files:
        timeline.write(result, tmp_path / "none", file, kind="svg", language="en")
    assert files[0].getvalue() == files[1].getvalue()
    texts = {element.text for element in ET.fromstring(files[0].getvalue()).iter() if element.text}  # noqa: S314
    assert {"<call> & co $5$.mp3", "angry → neutral 0:40", "0:30", "happy", "angry"} <= texts


def test_a_users_own_matplotlib_settings_don_t_matter(tmp_path: Path) -> None:
    files = [BytesIO(), BytesIO()]
    timeline.write(call(), tmp_path / "none", files[0], kind="svg", language="en")
    with mpl.rc_context({"font.size": 30, "axes.grid": True, "text.usetex": True, "svg.fonttype": "path"}):
        before = {**mpl.rcParams}
        timeline.write(call(), tmp_path / "none", files[1], kind="svg", language="en")
        assert {**mpl.rcParams} == before
    assert files[0].getvalue() == files[1].getvalue()


@pytest.mark.parametrize("emotion", NAMES)
def test_labels_can_be_read_on_their_colours(emotion: str) -> None:
    result = call(segments=[segment(0, 60, emotion)])
    figure = timeline.draw(result, Path("no such file"), language="en")
    text, _ = row(figure, "segments").texts
    assert palette.contrast(to_hex(text.get_color()), BY_NAME[emotion].colour) > 4


# Models that don't give the nine


def foreign(**readouts: ReadoutResult) -> Recognition:
    """Its frames say the same all the time; somebody speaks from 5 to 20 and from 40 to 60 s."""
    return recognition(
        **nothing(),
        recording=recording(60, name="call.mp3"),
        readouts=readouts,
        segments=[segment(start, end, **nothing(), readouts=readouts) for start, end in ((5, 20), (40, 60))],
        frames=readout_curves(3000, **readouts),
    )


def names(axes: Axes) -> list[str]:
    legend = axes.get_legend()
    return [] if legend is None else [text.get_text() for text in legend.get_texts()]


def test_classes_have_colours_of_their_own(draw: Draw) -> None:
    figure = draw(foreign(moods=classes(rabbia=0.7, angry=0.28, _noia=0.02)), language="zh")
    assert [axes.get_label() for axes in figure.axes] == ["waveform", "readout moods", "segments"]
    axes = row(figure, "readout moods")
    lines = {str(line.get_label()): line for line in axes.get_lines()}
    for index, name in enumerate(["rabbia", "angry", "_noia"]):
        assert to_hex(lines[f"_{name}"].get_color()) == palette.LIGHT[index]
    np.testing.assert_allclose(np.asarray(lines["_rabbia"].get_ydata(), float), 0.7, rtol=1e-6)
    assert written(axes) == ["moods"]
    assert names(axes) == ["rabbia", "angry"]  # as the model spells them; what never rises isn't named
    assert [text.get_text() for text in axes.get_yticklabels()] == ["0 %", "", "50 %", "", "100 %"]
    [blocks] = row(figure, "segments").collections
    assert to_hex(blocks.get_facecolor()[0]) == palette.LIGHT[0]  # type: ignore[arg-type]
    assert written(row(figure, "segments")) == ["rabbia", "70 %"] * 2
    assert written(figure)[:3] == ["call.mp3", "●", "始终 rabbia"]
    assert figure.legends == []
    assert {str(shape.get_label()) for shape in row(figure, "waveform").collections} == {"silence", "rabbia"}


def test_values_have_an_axis_with_their_range(draw: Draw) -> None:
    result = foreign(dimensions=values((-1, 1), arousal=0.62, valence=-0.3))
    figure = draw(result)
    axes = row(figure, "readout dimensions")
    assert written(axes) == ["dimensions (-1…1)"]
    assert names(axes) == ["arousal", "valence"]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["-1", "0", "1"]
    assert axes.get_ylim() == pytest.approx((-1.06, 1.06))
    assert written(row(figure, "segments")) == ["arousal 0.62", "valence -0.30"] * 2
    assert written(figure)[:2] == ["call.mp3", "arousal 0.62 · valence -0.30"]
    every = [*written(figure), *(text for axes in figure.axes for text in written(axes))]
    assert not [text for text in every if "%" in text]


def test_segments_stand_as_bands_behind_the_curve_of_a_value(draw: Draw) -> None:
    result = foreign(dimensions=values((0, 1), arousal=0.5, valence=0.25))
    assert result.frames is not None
    curve = result.frames.readouts["dimensions"]
    rise = np.linspace(0, 1, len(curve.numbers), dtype=np.float32)
    curve = curve.model_copy(update={"values": np.stack([rise, 0 * rise + 0.25], axis=1)})
    frames_ = result.frames.model_copy(update={"readouts": {"dimensions": curve}})
    axes = row(draw(result.model_copy(update={"frames": frames_})), "readout dimensions")
    [first] = (result.segments or [])[:1]
    times = frames_.times
    own = rise[(times >= first.start) & (times < first.end)]
    by_name = {str(item.get_label()): item for item in axes.collections}
    band = by_name["_arousal"].get_paths()[0].get_extents()
    np.testing.assert_allclose([band.x0, band.x1], [first.start, first.end])
    np.testing.assert_allclose([band.y0, band.y1], np.percentile(own, [10, 90]), atol=1e-6)
    levels = [item.get_segments()[0][0][1] for item in axes.collections if hasattr(item, "get_segments")]
    assert levels == [0.5, 0.25]


def test_values_outside_their_range_and_without_one_are_on_the_axis(draw: Draw) -> None:
    figure = draw(foreign(a=values((0, 1), x=-0.25, y=1.5), b=values(None, level=-40), c=values(None, p=1, q=3)))
    assert row(figure, "readout a").get_ylim() == pytest.approx((-0.3025, 1.5525))
    low, high = row(figure, "readout b").get_ylim()
    assert low < -40 < high
    assert written(row(figure, "readout b")) == ["b"]
    assert [text.get_text() for text in row(figure, "readout c").get_yticklabels()] == ["1", "2", "3"]


def test_frames_that_do_not_count_are_gaps(draw: Draw) -> None:
    result = foreign(dimensions=values(arousal=0.5), moods=classes(a=0.5, b=0.5))
    assert result.frames is not None
    for curve in result.frames.readouts.values():
        curve.numbers[500:750] = np.nan
    figure = draw(result)
    for name, label in (("dimensions", "_arousal"), ("moods", "_b")):
        [line] = [line for line in row(figure, f"readout {name}").get_lines() if line.get_label() == label]
        times, numbers = np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)
        assert np.isnan(numbers[(times > 10.2) & (times < 14.8)]).all()
        assert np.isfinite(numbers[(times < 9.8) | (times > 15.2)]).all()
    nothing_counts = foreign(dimensions=values(arousal=np.nan), moods=classes(a=0.5))
    assert nothing_counts.frames is not None
    nothing_counts.frames.readouts["moods"].numbers[:] = np.nan
    assert names(row(draw(nothing_counts), "readout moods")) == []


def test_curves_of_readouts_are_pale_where_nobody_speaks(draw: Draw) -> None:
    lines = row(draw(foreign(dimensions=values(arousal=0.5))), "readout dimensions").get_lines()
    pale, full = lines
    assert (pale.get_alpha() or 1) < 0.3 < (full.get_alpha() or 1)
    times, numbers = np.asarray(full.get_xdata(), float), np.asarray(full.get_ydata(), float)
    assert np.isnan(numbers[(times < 4.9) | (times > 20.2) & (times < 39.9)]).all()
    assert np.isfinite(np.asarray(pale.get_ydata(), float)).all()


def test_a_trained_head_and_values_stand_below_the_nine(draw: Draw) -> None:
    result = call(readouts={"mine": head(promoter=0.9, detractor=0.1), "dimensions": values(arousal=0.5)})
    assert result.frames is not None
    own = readout_curves(3000, **result.readouts).readouts
    figure = draw(result.model_copy(update={"frames": result.frames.model_copy(update={"readouts": own})}))
    assert [axes.get_label() for axes in figure.axes] == [
        "waveform", "curves", "readout mine", "readout dimensions", "segments",
    ]  # fmt: skip
    assert legend(figure) == ["angry", "happy", "neutral", "sad"]
    assert written(row(figure, "segments"))[0] == "angry"


def test_embeddings_alone(draw: Draw) -> None:
    figure = draw(foreign())
    assert [axes.get_label() for axes in figure.axes] == ["waveform", "segments"]
    assert written(row(figure, "segments")) == []
    assert written(figure) == ["call.mp3", "1:00   ·   tiny 1"]


def test_more_classes_than_have_room_are_cut_and_long_values_shortened(draw: Draw) -> None:
    many = {f"a class of some length {number}": 1 / 16 for number in range(16)}
    figure = draw(foreign(many=classes(**many)))
    axes = row(figure, "readout many")
    assert names(axes)[-1] == "…"
    assert names(axes)[:-1] == list(many)[: len(names(axes)) - 1]
    figure.canvas.draw()
    assert axes.get_legend().get_window_extent().x1 <= figure.bbox.x1  # type: ignore[union-attr]
    figure = draw(foreign(many=values(None, **{f"value number {number}": 0.5 for number in range(16)})))
    figure.canvas.draw()
    assert figure.texts[-1].get_window_extent().x1 <= figure.bbox.x1
    assert written(row(figure, "segments")) == []


def test_classes_are_named_above_where_there_are_no_curves(draw: Draw) -> None:
    result = foreign(moods=classes(rabbia=0.7, gioia=0.3)).model_copy(update={"frames": None})
    assert legend(draw(result)) == ["rabbia"]


def test_labels_in_other_scripts_are_drawn_or_left_out(draw: Draw, caplog: pytest.LogCaptureFixture) -> None:
    figure = draw(foreign(m=classes(**{"радость $x$": 0.7, "\x00\u4e00\n": 0.3})))
    figure.canvas.draw()
    assert names(row(figure, "readout m"))[0] == "радость $x$"
    assert caplog.records == []


@pytest.mark.parametrize("index", range(8))
def test_labels_can_be_read_on_a_palettes_colours(index: int) -> None:
    for colour in (palette.colour(index), PLAIN):
        assert palette.contrast(palette.on(colour), colour) > 4
