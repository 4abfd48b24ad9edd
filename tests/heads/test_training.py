import base64
import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from emovox.audio.wav import WavWriter
from emovox.errors import HeadError, LabelsError
from emovox.heads.report import head_report
from emovox.heads.training import own_head_for, train
from emovox.inference.recognizer import Recognizer
from emovox.models.head import Head
from emovox.models.own_head import OwnHead
from emovox.models.readout import Readout
from support import tiny

SPEECH = Path(__file__).parents[2] / "examples"


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """A list of made-up embeddings: two moods of six speakers, one label wrong, and a file that is no array."""
    random = np.random.default_rng(0)
    centres, lines = 2 * random.standard_normal((2, 384)), ["path,label,speaker"]
    for number in range(36):
        mood = number % 2
        values = centres[mood] + 3 * random.standard_normal((4, 384))
        np.save(tmp_path / f"{number}.npy", values.astype(np.float32))
        label = ("Lob & Dank", "<投诉>")[1 - mood if number == 7 else mood]
        lines.append(f"{number}.npy,{label},{'abcdef'[number // 6]}")
    (tmp_path / "broken.npy").write_bytes(b"x")
    (tmp_path / "list.csv").write_text("\n".join([*lines, "broken.npy,<投诉>,a"]), encoding="utf-8")
    return tmp_path / "list.csv"


def test_a_head_from_stored_embeddings(recognizer: Recognizer, stored: Path) -> None:
    fits: list[tuple[int, int]] = []
    found = train(stored, "calls", recognizer, progress=lambda done, total: fits.append((done, total)))
    head = found.head
    assert head.classes == ("<投诉>", "Lob & Dank")
    assert (head.training.clips, head.training.group, head.training.groups) == (
        {"<投诉>": 17, "Lob & Dank": 19},
        "speaker",
        6,
    )
    assert not head.training.own_head
    assert head.training.unweighted is not None
    assert head.training.unweighted > 0.9
    assert found.failures[0][0] == "broken.npy"
    assert found.doubts[0].name == "7.npy"
    assert (found.doubts[0].label, found.doubts[0].prediction) == ("Lob & Dank", "<投诉>")
    embedding = np.load(stored.parent / "5.npy").mean(axis=0)
    assert head.scores(embedding)[0] > 0.8
    head.check(recognizer.metadata)
    assert fits[-1][0] == fits[-1][1]


def test_the_report_shows_all_of_it(recognizer: Recognizer, stored: Path, tmp_path: Path) -> None:
    page = head_report(train(stored, "calls", recognizer)).html()
    for said in (
        "&lt;投诉&gt;",
        "Lob &amp; Dank",
        "7.npy",
        "broken.npy",
        "held out in 5 parts, by speaker (6 of them)",
    ):
        assert said in page
    assert "<投诉>" not in page
    assert "http" not in page  # nothing is fetched
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    assert len(pictures) == 3
    for number, picture in enumerate(pictures):
        (tmp_path / f"{number}.png").write_bytes(base64.b64decode(picture))
        with Image.open(tmp_path / f"{number}.png") as image:
            assert image.width > 300
            assert len(image.convert("RGB").getcolors(2**24) or []) > 50  # something is drawn


def test_a_head_from_speech_starts_from_the_models_own(
    recognizer: Recognizer, examples: list[Path], tmp_path: Path
) -> None:
    lines = ["path,label"]
    for path in examples:
        label = "Wut" if "angry" in path.name else "Trauer" if "sad" in path.name else None
        if label is None:
            continue
        for number in range(2):
            copy = tmp_path / f"{number}{path.name}"
            copy.write_bytes(path.read_bytes())
            lines.append(f"{copy.name},{label}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    found = train(tmp_path / "list.csv", "two", recognizer)
    assert found.head.training.own_head
    found.head.write(tmp_path / "two.json")
    again = Head.read(tmp_path / "two.json").training
    for path in examples:
        trained = "angry" in path.name or "sad" in path.name
        assert again.knows(hashlib.sha256(path.read_bytes()).hexdigest()) == trained
    assert found.head.classes == ("Trauer", "Wut")
    for path in examples:
        result = recognizer.recognize(path, head=found.head).readouts["two"]
        if "angry" in path.name or "sad" in path.name:
            assert result.label == ("Wut" if "angry" in path.name else "Trauer")
    assert "The speakers are not known" in head_report(found).html()


def test_lists_that_can_t_be_learnt_from(recognizer: Recognizer, stored: Path, tmp_path: Path) -> None:
    begun: list[str] = []

    def refused(text: str, **options: str) -> str:
        (tmp_path / "bad.csv").write_text(text)
        with pytest.raises(LabelsError) as caught:
            train(tmp_path / "bad.csv", "x", recognizer, begin=begun.append, **options)  # type: ignore[arg-type]
        return str(caught.value)

    assert "b has one; the list has a (2), b (1)" in refused("path,label\n0.npy,a\n1.npy,a\n2.npy,b\n")
    assert "not found: nowhere.npy" in refused("path,label\nnowhere.npy,a\n1.npy,a\n2.npy,b\n3.npy,b\n")
    assert "have the speaker 'anna'" in refused(
        "path,label,speaker\n0.npy,a,anna\n1.npy,a,anna\n2.npy,b,anna\n3.npy,b,anna\n", group="speaker"
    )
    assert "no column 'mood'; it has path, label" in refused("path,label\n0.npy,a\n", labels="mood")
    assert begun == []
    with pytest.raises(HeadError, match="the name of a head"):
        train(stored, "../x", recognizer)


def test_the_own_head_is_started_from_where_every_class_is_an_emotion_of_its_own() -> None:
    own = OwnHead(("angry", "happy", "sad"), np.eye(3, 4, dtype=np.float32), np.arange(3, dtype=np.float32))
    found = own_head_for(["Trauer", "joy"], own)
    assert found is not None
    np.testing.assert_array_equal(found.weights, own.weights[[2, 1]])
    np.testing.assert_array_equal(found.bias, [2, 1])
    assert own_head_for(["joy", "happiness"], own) is None
    assert own_head_for(["joy", "fear"], own) is None
    assert own_head_for(["joy", "complaint"], own) is None
    assert own_head_for(["joy", "sad"], None) is None


def test_a_models_own_classes_are_started_from_by_their_names_and_emotions() -> None:
    own = OwnHead(
        ("irritated", "livid", "gioia", "noia"),
        np.eye(4, 5, dtype=np.float32),
        np.arange(4, dtype=np.float32),
        {"irritated": "angry", "livid": "angry", "gioia": "happy"},
    )
    found = own_head_for(["Noia", "livid", "Freude"], own)
    assert found is not None
    np.testing.assert_array_equal(found.weights, own.weights[[3, 1, 2]])
    assert own_head_for(["Wut", "Freude"], own) is None  # two of the model's classes are anger
    assert own_head_for(["gioia", "joy"], own) is None  # one and the same


@pytest.mark.parametrize(
    ("readouts", "from_own"),
    [((), False), ((tiny.DIMENSIONS,), False), ((tiny.FOREIGN,), True), ((tiny.PEAK,), False)],
)
def test_heads_on_models_without_the_nine(tmp_path: Path, readouts: tuple[Readout, ...], from_own: bool) -> None:
    recognizer = Recognizer(tiny.write(tmp_path / "model.onnx", readouts=readouts))
    lines = ["path,label,speaker"]
    for number in range(12):
        writer = WavWriter(tmp_path / f"{number}.wav")
        level = 0.05 + 0.2 * (number % 2)
        writer.write((level + 0.05 * np.random.default_rng(number).standard_normal(8000)).astype(np.float32))
        writer.close()
        lines.append(f"{number}.wav,{('calma', 'rabbia')[number % 2]},{'abc'[number // 4]}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    own = train(tmp_path / "list.csv", "mine", recognizer).head
    assert own.training.own_head == from_own
    for number in range(2):
        readouts_given = recognizer.recognize(tmp_path / f"{number}.wav", head=own).readouts
        assert list(readouts_given) == [*(readout.name for readout in readouts), "mine"]
        assert readouts_given["mine"].label == ("calma", "rabbia")[number]
    for readout in readouts:
        with pytest.raises(HeadError, match=f"itself has a readout {readout.name}"):
            train(tmp_path / "list.csv", readout.name, recognizer)


def test_a_head_is_small_and_plain_text(recognizer: Recognizer, stored: Path, tmp_path: Path) -> None:
    train(stored, "calls", recognizer, method="prototypes").head.write(tmp_path / "calls.json")
    assert (tmp_path / "calls.json").stat().st_size < 8000
    assert Head.read(tmp_path / "calls.json").training.method == "prototypes"
