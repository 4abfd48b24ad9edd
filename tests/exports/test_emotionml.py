import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote
from xml.etree import ElementTree

import numpy as np
import pytest

from emovox import exports
from emovox.exports import emotionml
from emovox.exports.emotionml import BIG6, NAMESPACE, PAD
from emovox.inference.frames import FrameReadout, Frames
from emovox.inference.recognition import ReadoutResult, Recognition
from support.results import recognition, segment

E = f"{{{NAMESPACE}}}"
# What the W3C's Vocabularies for EmotionML have of these.
VOCABULARIES = {
    BIG6: {"anger", "disgust", "fear", "happiness", "sadness", "surprise"},
    PAD: {"pleasure", "arousal", "dominance"},
}
DIMENSIONS = {
    "dimensions": ReadoutResult(
        kind="pooled", values={"arousal": 0.61, "valence": 1.2, "dominance": -3.0}, range=(-1, 1)
    )
}


def document(result: Recognition, sound: str = "processed_audio.wav") -> ElementTree.Element:
    """The document, once it keeps what the Recommendation asks of it."""
    root = ElementTree.fromstring("".join(emotionml.pieces(result, sound)))  # noqa: S314  we wrote it
    check(root)
    return root


def check(root: ElementTree.Element) -> None:
    """The rules of EmotionML 1.0, by its sections."""
    assert root.tag == f"{E}emotionml"  # 2.1.1
    assert root.get("version") == "1.0"
    order = [child.tag.removeprefix(E) for child in root]
    assert order.count("info") <= 1
    assert "info" not in order[1:]
    assert set(order) <= {"info", "vocabulary", "emotion"}
    ids = [item.get("id") for item in root.iter() if item.get("id") is not None]
    assert len(ids) == len(set(ids))
    assert all(re.fullmatch(r"[^\W\d][\w.-]*", str(id_)) for id_ in ids)
    own: dict[str, tuple[str, set[str]]] = {}
    for vocabulary in root.iter(f"{E}vocabulary"):  # 3.1
        names = [str(item.get("name")) for item in vocabulary.iter(f"{E}item")]
        assert names
        assert len(names) == len(set(names))
        assert all(re.fullmatch(r"[\w.:-]+", name) for name in names)
        own[f"#{vocabulary.get('id')}"] = (str(vocabulary.get("type")), set(names))
    for emotion in root.iter(f"{E}emotion"):  # 2.1.2
        parts = [child.tag.removeprefix(E) for child in emotion]
        assert {"category", "dimension"} & set(parts)
        assert parts == sorted(parts, key=["info", "category", "dimension", "reference"].index)
        for kind in ("category", "dimension"):  # 2.2.1, 2.2.2
            items = emotion.findall(f"{E}{kind}")
            assert len({item.get("name") for item in items}) == len(items)
            uri = emotion.get(f"{kind}-set")
            assert (uri is not None) == bool(items)
            if uri is not None:
                names_there = own[uri][1] if uri in own else VOCABULARIES[uri]
                assert uri not in own or own[uri][0] == kind
                assert {item.get("name") for item in items} <= names_there
            for item in items:
                trace = item.findall(f"{E}trace")
                assert kind != "dimension" or (item.get("value") is None) != (not trace)
                for each in trace:  # 2.4.2
                    assert re.fullmatch(r"\d+(\.\d*)?\s*Hz", str(each.get("freq")))
                    assert all(0 <= float(sample) <= 1 for sample in str(each.get("samples")).split())
                for name in ("value", "confidence"):
                    assert item.get(name) is None or 0 <= float(str(item.get(name))) <= 1
        assert str(emotion.get("offset-to-start")).isdigit()  # 2.4.1
        assert str(emotion.get("duration")).isdigit()
        assert emotion.get("time-ref-anchor-point") == "start"
        assert emotion.get("expressed-through") == "voice"  # 2.3.1
        [reference] = emotion.findall(f"{E}reference")
        assert re.search(r"#t=[\d.]+,[\d.]+$", str(reference.get("uri")))


def parts(root: ElementTree.Element, id_: str) -> list[tuple[str | None, ...]]:
    [emotion] = [item for item in root.iter(f"{E}emotion") if item.get("id") == id_]
    return [
        (item.get("name"), item.get("confidence") or item.get("value"))
        for item in emotion
        if item.tag != f"{E}reference"
    ]


def curve(count: int, **changes: Any) -> Frames:
    rows = np.linspace(-1, 1, count, dtype=np.float32)[:, np.newaxis] * np.ones(3, np.float32)
    facts = {"kind": "pooled", "labels": ["arousal", "valence", "dominance"], "range": (-1, 1), "values": rows}
    own = FrameReadout(**{**facts, **changes})
    return Frames(hop=0.02, first_centre=0.0125, smoothing=1.0, readouts={"dimensions": own})


def test_six_emotions_have_the_w3cs_words_and_three_our_own() -> None:
    segments = [segment(0, 1.5, "angry"), segment(1.5, 2, "neutral"), segment(2.25, 3.0625, "surprised")]
    root = document(recognition(segments=segments))
    assert parts(root, "segment1")[0][0] == "anger"
    assert parts(root, "segment2")[0][0] == "neutral"
    assert parts(root, "segment3")[0][0] == "surprise"
    third = next(item for item in root.iter(f"{E}emotion") if item.get("id") == "segment3")
    assert (third.get("category-set"), third.get("offset-to-start"), third.get("duration")) == (
        BIG6,
        "2250",
        "812",
    )
    assert third.find(f"{E}reference").get("uri") == "processed_audio.wav#t=2.25,3.062"  # type: ignore[union-attr]
    [vocabulary] = root.iter(f"{E}vocabulary")
    assert [item.get("name") for item in vocabulary.iter(f"{E}item")] == ["neutral", "other", "unknown"]


def test_values_are_dimensions_between_0_and_1_by_their_names() -> None:
    root = document(recognition(readouts=DIMENSIONS, frames=curve(102)))
    assert parts(root, "recording")[1:] == [("arousal", "0.805"), ("pleasure", "1"), ("dominance", "0")]
    trace = next(item for item in root.iter(f"{E}emotion") if item.get("id") == "trace.dimensions.1")
    assert trace.get("dimension-set") == PAD
    assert [item.get("name") for item in trace.iter(f"{E}dimension")] == ["arousal", "pleasure", "dominance"]
    each = next(trace.iter(f"{E}trace"))
    samples = [float(sample) for sample in str(each.get("samples")).split()]
    assert each.get("freq") == "10Hz"
    assert len(samples) == 21  # of five frames each, the last one of two
    assert samples == sorted(samples)
    assert samples[0] == pytest.approx(np.linspace(0, 1, 102)[:5].mean(), abs=1e-4)
    assert samples[-1] == pytest.approx(np.linspace(0, 1, 102)[100:].mean(), abs=1e-4)
    assert int(str(trace.get("offset-to-start"))) + int(str(trace.get("duration"))) == 2102


def test_a_gap_in_the_curve_ends_a_trace() -> None:
    values = np.full((100, 3), 0.5, np.float32)
    values[20:60] = np.nan
    root = document(recognition(readouts=DIMENSIONS, frames=curve(100, values=values)))
    traces = [item for item in root.iter(f"{E}emotion") if str(item.get("id")).startswith("trace")]
    assert [item.get("offset-to-start") for item in traces] == ["3", "1203"]
    assert [len(str(next(item.iter(f"{E}trace")).get("samples")).split()) for item in traces] == [4, 8]


def test_classes_and_values_of_other_names_get_vocabularies_of_their_own() -> None:
    readouts = {
        "mood": ReadoutResult(
            kind="linear",
            label="生气/angry",
            confidence=0.75,
            scores={"生气/angry": 0.75, "生气_angry": 0.2, "a b": 0.05},
        ),
        "Kraft": ReadoutResult(kind="linear", values={"tired & slow": 3.0}, range=(1, 5)),
        "free": ReadoutResult(kind="linear", values={"x": 3.0}),
    }
    facts = recognition(readouts=readouts)
    root = document(facts)
    sets = {
        str(item.get("id")): [each.get("name") for each in item.iter(f"{E}item")]
        for item in root.iter(f"{E}vocabulary")
    }
    assert sets["categories.mood"] == ["生气_angry", "生气_angry_", "a_b"]
    assert sets["dimensions.Kraft"] == ["tired___slow"]
    assert "dimensions.free" not in sets  # without a range it can't be put on EmotionML's scale
    assert ("tired___slow", "0.5") in parts(root, "recording")
    assert parts(root, "recording.2") == [("生气_angry", "0.75")]


def test_names_of_files_are_escaped() -> None:
    result = recognition(recording=recognition().recording.model_copy(update={"name": "a<b>&\x01 é.wav"}))
    root = document(result, "a<b>& é.wav")
    assert (root.findtext(f"{E}info") or "").startswith("a<b>& é.wav: recognised by Emovox")
    uri = next(root.iter(f"{E}emotion")).get("time-ref-uri")
    assert unquote(str(uri)) == "a<b>& é.wav"
    assert "<" not in str(uri)


def test_the_file_names_the_sound_beside_it(tmp_path: Path) -> None:
    [path] = exports.write(recognition(segments=[segment(0, 1)]), tmp_path, ["emotionml"])
    assert path.name == "emotions.emotionml.xml"
    assert 'time-ref-uri="processed_audio.wav"' not in path.read_text(encoding="utf-8")
    (tmp_path / "processed_audio.wav").write_bytes(b"")
    exports.write(recognition(segments=[segment(0, 1)]), tmp_path, ["emotionml"])
    assert 'time-ref-uri="processed_audio.wav"' in path.read_text(encoding="utf-8")
