import re
from pathlib import Path

import numpy as np
import pytest

from emovox.audio.wav import WavWriter
from emovox.errors import HeadError, LabelsError
from emovox.evaluation.value_evaluation import evaluate_values
from emovox.evaluation.value_metrics import measure_values
from emovox.heads.linear import ridge
from emovox.heads.value_fitting import PENALTIES
from emovox.heads.value_report import value_report
from emovox.heads.value_training import train_values
from emovox.inference.recognizer import Recognizer
from emovox.labels.value_list import read_values
from emovox.models.head import Head
from support import tiny
from support.heads import head as made_up

SCALE = (1.0, 7.0)


@pytest.fixture
def rated(tmp_path: Path) -> Path:
    """A list of made-up embeddings of six speakers: arousal is in them, valence isn't; one rating is wrong."""
    random = np.random.default_rng(1)
    direction = random.standard_normal(384)
    lines = ["path;act;valence;speaker"]
    for number in range(90):
        arousal = 2 + 4 * random.random()
        frames = arousal * direction + 2 * random.standard_normal((3, 384))
        np.save(tmp_path / f"{number}.npy", frames.astype(np.float32))
        told = 1 if number == 7 else arousal
        valence = "" if number % 3 else f"{1 + 6 * random.random():.2f}".replace(".", ",")
        lines.append(f"{number}.npy;{told:.3f};{valence};{'abcdef'[number // 15]}")
    (tmp_path / "broken.npy").write_bytes(b"x")
    (tmp_path / "list.csv").write_text("\n".join([*lines, "broken.npy;3;3;a"]), encoding="utf-8")
    return tmp_path / "list.csv"


def test_ridge_solves_its_equations_with_few_and_with_many_examples() -> None:
    random = np.random.default_rng(0)
    for count, width in ((30, 8), (8, 30)):
        embeddings, ratings = random.standard_normal((count, width)), random.standard_normal(count)
        weak, strong, strongest = ridge(embeddings, ratings, (1e-9, 0.1, 1e9))
        # At the minimum the slope is zero: what is left over has no part in the direction of the embeddings.
        rest = ratings - strong.logits(embeddings)[:, 0]
        centred = embeddings - embeddings.mean(axis=0)
        deviation = embeddings.std(axis=0)
        floor = 0.3 * np.sqrt((deviation**2).mean())
        scale = np.sqrt(deviation**2 + floor**2) * np.sqrt(width)
        slope = -(centred / scale).T @ rest / count + 0.1 * strong.weights[0] * scale
        np.testing.assert_allclose(slope, 0, atol=1e-9)
        np.testing.assert_allclose(strongest.logits(embeddings)[:, 0], ratings.mean(), atol=1e-6)
        errors = [np.mean((each.logits(embeddings)[:, 0] - ratings) ** 2) for each in (weak, strong, strongest)]
        assert errors == sorted(errors)


def test_values_from_stored_embeddings(recognizer: Recognizer, rated: Path, tmp_path: Path) -> None:
    fits: list[tuple[int, int]] = []
    trained = train_values(
        rated,
        "mood",
        recognizer,
        values=("arousal", "valence"),
        scale=SCALE,
        columns={"arousal": "act"},
        progress=lambda done, total: fits.append((done, total)),
    )
    head, facts = trained.head, trained.head.training
    assert (head.values, head.classes, head.range) == (("arousal", "valence"), (), SCALE)
    assert (facts.clips, facts.group, facts.groups, facts.folds) == (
        {"arousal": 90, "valence": 30},
        "speaker",
        6,
        5,
    )
    assert facts.penalty in PENALTIES
    figures = facts.figures
    assert (figures["arousal"]["ccc"] or 0) > 0.9
    assert (figures["valence"]["ccc"] or 0) < 0.5
    assert (figures["arousal"]["rmse"] or 9) < 0.7
    low, high = facts.figure_intervals["arousal"]["ccc"]
    assert low is not None
    assert high is not None
    assert low < (figures["arousal"]["ccc"] or 0) < high
    assert trained.failures[0][0] == "broken.npy"
    assert (trained.doubts[0].name, trained.doubts[0].value, trained.doubts[0].rating) == ("7.npy", "arousal", 1)
    assert fits[-1][0] == fits[-1][1]

    head.write(tmp_path / "mood.json")
    again = Head.read(tmp_path / "mood.json")
    assert again.readout.range == SCALE
    assert again.training == facts
    embedding = np.load(tmp_path / "5.npy").mean(axis=0)
    expected = trained.fit.linear.logits(embedding[np.newaxis])[0]
    np.testing.assert_allclose(again.logits(embedding), expected, rtol=1e-4, atol=1e-4)
    with pytest.raises(HeadError, match="gives values"):
        again.scores(embedding)

    page = value_report(trained).html()
    assert "held out in 5 parts, by speaker (6 of them)" in page
    assert "7.npy" in page
    assert "broken.npy" in page
    assert len(re.findall(r'src="data:image/png;base64,', page)) == 1


def test_what_is_held_out_was_not_fitted_to(recognizer: Recognizer, tmp_path: Path) -> None:
    """Each speaker has a voice and a level of their own: within speakers nothing can be learnt."""
    random = np.random.default_rng(2)
    lines = ["path,arousal,speaker"]
    for speaker in range(8):
        voice, level = 9 * random.standard_normal(384), random.random()
        for number in range(6):
            np.save(tmp_path / f"{speaker}{number}.npy", (voice + random.standard_normal((1, 384))).astype("f4"))
            lines.append(f"{speaker}{number}.npy,{level},{'abcdefgh'[speaker]}")
    (tmp_path / "list.csv").write_text("\n".join(lines))
    by_voice = train_values(tmp_path / "list.csv", "x", recognizer, values=["arousal"], scale=(0, 1)).fit
    assert by_voice.measures["arousal"].ccc < 0.6
    plain = [line.rsplit(",", 1)[0] for line in lines]
    (tmp_path / "list.csv").write_text("\n".join(plain))
    alone = train_values(tmp_path / "list.csv", "x", recognizer, values=["arousal"], scale=(0, 1))
    assert alone.fit.measures["arousal"].ccc > 0.95
    assert "The speakers are not known" in value_report(alone).html()


def test_lists_that_can_t_be_learnt_from(recognizer: Recognizer, rated: Path, tmp_path: Path) -> None:
    begun: list[str] = []

    def refused(cells: list[str], **options: object) -> str:
        rows = [f"{number}.npy,{cell}" for number, cell in enumerate(cells)]
        (tmp_path / "bad.csv").write_text("\n".join(["path,arousal", *rows]))
        facts = {"values": ["arousal"], "scale": SCALE, "begin": begun.append, **options}
        with pytest.raises(LabelsError) as caught:
            train_values(tmp_path / "bad.csv", "x", recognizer, **facts)  # type: ignore[arg-type]
        return str(caught.value)

    assert "go from 1 to 9, which is outside the range 1 to 7" in refused(["1", "9", "2", "3", "4"])
    assert "all 5 ratings of arousal are 4: from one number nothing" in refused(["4"] * 5)
    assert "5 ratings or more, better fifty: arousal has 4" in refused(["1", "2", "3", "4"])
    assert "row 2, arousal: 'loud' is not a number" in refused(["1", "loud", "3", "4", "5"])
    assert "no column valence" in refused(["1", "2", "3", "4", "5"], values=["arousal", "valence"])
    assert "no column joy" in refused(["1", "2", "3", "4", "5"], values=["joy"])
    assert "the lowest and the highest" in refused(["1", "2", "3", "4", "5"], scale=(7, 1))
    assert begun == []
    with pytest.raises(HeadError, match="the name of a head"):
        train_values(rated, "../x", recognizer, values=["arousal"], scale=SCALE)


def test_values_are_given_and_evaluated_like_a_models_own(tmp_path: Path) -> None:
    recognizer = Recognizer(tiny.write(tmp_path / "model.onnx", readouts=(tiny.DIMENSIONS, tiny.CALLS)))
    lines = ["path,level,speaker"]
    for number in range(12):
        writer = WavWriter(tmp_path / f"{number}.wav")
        level = 0.05 + 0.02 * number
        writer.write((level + 0.05 * np.random.default_rng(number).standard_normal(8000)).astype(np.float32))
        writer.close()
        lines.append(f"{number}.wav,{20 * level:.3f},{'abc'[number % 3]}")
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines))
    head = train_values(path, "mine", recognizer, values=["level"], scale=(0, 10)).head
    given = [
        recognizer.recognize(tmp_path / f"{number}.wav", head=head, segments=True, granularity="frame")
        for number in (2, 9)
    ]
    for number, result in zip((2, 9), given, strict=True):
        own = result.readouts["mine"]
        assert own.range == (0, 10)
        assert own.values is not None
        assert abs(own.values["level"] - 20 * (0.05 + 0.02 * number)) < 0.2
        assert own.created_at == head.training.created_at
        assert result.frames is not None
        np.testing.assert_allclose(result.frames.readouts["mine"].numbers.mean(), own.values["level"], atol=0.05)
        assert result.to_dict()["readouts"]["mine"]["values"] == own.values
    rows = read_values(path, ["level"])
    found = evaluate_values(rows, recognizer, head.readout, source=path, head=head)
    assert (found.name, found.trained_on, found.readout.range) == ("mine", 12, (0, 10))
    assert found.measures["level"].ccc > 0.95
    assert found.measures["level"] == measure_values(found.values[:, 0], found.labels[:, 0])
    assert found.to_dict()["readout"] == "mine"


def test_a_file_of_values_is_checked(recognizer: Recognizer) -> None:
    facts = made_up(recognizer.metadata).model_dump()
    del facts["weights"], facts["bias"]
    width = recognizer.metadata.embedding_size
    arrays = {"weights": np.zeros((1, width), np.float32), "bias": np.zeros(1, np.float32)}
    facts |= {"classes": (), "values": ("arousal",), "range": (0, 1), **arrays}
    assert Head(**facts).readout.gives_values
    for wrong, said in (
        ({"range": None}, "values have a range"),
        ({"range": (1, 0)}, "from low to high"),
        ({"classes": ("a", "b")}, "no classes beside them"),
        ({"values": ("a", "a")}, "a value is named twice"),
        ({"values": ("a", "b")}, "shape of 2 values"),
        ({"values": ()}, "neither two classes nor a value"),
    ):
        with pytest.raises(ValueError, match=said):
            Head(**{**facts, **wrong})
