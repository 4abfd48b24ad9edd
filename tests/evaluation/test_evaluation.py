import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from pathlib import Path

import numpy as np
import pytest
from conftest import Encode

from emovox.audio.wav import WavWriter
from emovox.errors import HeadError, LabelsError, OptionsError
from emovox.evaluation.doubts import doubts
from emovox.evaluation.evaluation import evaluate, readout_to_evaluate
from emovox.evaluation.report import evaluation_report
from emovox.inference.recognizer import Recognizer
from emovox.labels.label_list import Labelled
from support import tiny
from support.heads import head


def rows(paths: list[Path], **more: str) -> list[Labelled]:
    """The examples, whose names end in what they are."""
    return [
        Labelled(path, path.stem.rsplit("_", 1)[1], path.name, {"speaker": "AB"[path.stem[6] == "1"], **more})
        for path in paths
    ]


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    writer = WavWriter(tmp_path / "silent.wav")
    writer.write(np.zeros(16_000, np.float32))
    writer.close()
    return tmp_path / "silent.wav"


def test_what_is_recognised_is_counted(recognizer: Recognizer, examples: list[Path]) -> None:
    begun: list[str] = []
    found = evaluate(rows(examples), recognizer, source=Path("x.csv"), begin=begun.append)
    assert begun == [path.name for path in examples]
    alone = [recognizer.recognize(path, emotions=found.classes) for path in examples]
    assert [row.label for row in found.rows] == [path.stem.rsplit("_", 1)[1] for path in examples]
    right = [result.emotion == row.label for result, row in zip(alone, found.rows, strict=True)]
    assert found.measures.weighted == np.mean(right)
    assert found.scores[:, [7, 8]].max() == 0  # surprised and unknown occur nowhere and don't compete
    assert found.drawn_by == "speaker"
    assert found.groups["speaker"]["A"].weighted == np.mean(right[:2])
    facts = json.loads(json.dumps(found.to_dict()))
    assert (facts["clips"], facts["failed"], facts["left_out"]) == (7, [], {})
    assert facts["groups"]["speaker"]["A"]["clips"] == 2
    low, high = facts["intervals"]["unweighted"]
    assert 0 <= low <= facts["unweighted"] <= high <= 1


def test_all_classes_may_compete(recognizer: Recognizer, examples: list[Path]) -> None:
    found = evaluate(rows(examples), recognizer, source=Path("x.csv"), competing="all")
    assert found.classes == recognizer.metadata.classes
    assert (found.scores > 0).all()


def test_bad_files_stay_in_every_denominator(
    recognizer: Recognizer, examples: list[Path], silent: Path, tmp_path: Path
) -> None:
    bad = [
        Labelled(tmp_path / "none.wav", "sad", "none.wav", {"speaker": "99"}),
        Labelled(silent, "happy", "silent.wav"),
    ]
    found = evaluate([*rows(examples), *bad], recognizer, source=Path("x.csv"))
    assert [name for name, _ in found.failures] == ["none.wav", "silent.wav"]
    assert found.failures[1][1] == "silence"
    whole = evaluate(rows(examples), recognizer, source=Path("x.csv"))
    assert found.measures.weighted == pytest.approx(whole.measures.weighted * 7 / 9)
    assert found.measures.recalls["sad"] == whole.measures.recalls["sad"] / 2
    assert found.groups["speaker"]["99"].weighted == 0
    assert "Not recognised" in evaluation_report(found, "x").html()


def test_where_nobody_speaks_nothing_is_recognised(
    recognizer: Recognizer, examples: list[Path], encode: Encode
) -> None:
    noise = (0.05 * np.random.default_rng(0).standard_normal(3 * 16_000)).astype(np.float32)
    hiss = Labelled(encode(noise, "hiss.wav", "pcm_s16le", sample_format="s16"), "sad", "hiss")
    given = [*rows(examples), hiss]
    whole = evaluate(given, recognizer, source=Path("x.csv"))
    speech = evaluate(given, recognizer, source=Path("x.csv"), speech_only=True)
    assert (whole.failures, speech.failures) == ([], [("hiss", "no speech")])


def test_labels_of_others(recognizer: Recognizer, examples: list[Path]) -> None:
    words = {"angry": "Wut", "sad": "难过", "neutral": "calm", "happy": "laughter", "fearful": "?"}
    given = [Labelled(row.path, words[row.label], row.name) for row in rows(examples) if row.label in words]
    with pytest.raises(LabelsError, match=r"no class for the labels .* Map it with --labels-map"):
        evaluate(given, recognizer, source=Path("x.csv"))
    strange = [Labelled(examples[0], "very glad", "a")]
    with pytest.raises(LabelsError, match=r"--labels-map 'very glad=CLASS', .* with 'very glad='"):
        evaluate(strange, recognizer, source=Path("x.csv"))
    found = evaluate(given, recognizer, source=Path("x.csv"), labels_map={"laughter": "happy", "?": ""})
    assert found.classes == ("angry", "happy", "neutral", "sad")
    assert found.left_out == {"?": 1}
    assert found.drawn_by is None
    assert found.groups == {}


def test_a_head_is_evaluated_in_its_own_classes(recognizer: Recognizer, examples: list[Path]) -> None:
    own = head(recognizer.metadata, ("calm", "loud", "third"))
    given = [
        Labelled(path, "calm" if "neutral" in path.name or "sad" in path.name else "LOUD", path.name)
        for path in examples
    ]
    found = evaluate(given, recognizer, source=Path("x.csv"), head=own)
    assert (found.names, found.classes) == (("calm", "loud", "third"), ("calm", "loud"))
    np.testing.assert_allclose(found.scores.sum(axis=1), 1)
    assert found.scores[:, 2].max() == 0
    embedding = recognizer.recognize(examples[0], embedding=True).embedding
    assert embedding is not None
    logits = own.logits(embedding[0])[:2]
    assert found.scores[0, 0] == pytest.approx(1 / (1 + np.exp(logits[1] - logits[0])), rel=1e-4)
    other = head(recognizer.metadata.model_copy(update={"name": "large"}))
    with pytest.raises(HeadError, match="trained on the model large"):
        evaluate(given, recognizer, source=Path("x.csv"), head=other)


def test_a_head_is_flattered_by_what_trained_it(recognizer: Recognizer, examples: list[Path]) -> None:
    given = rows(examples)
    own = head(recognizer.metadata, ("angry", "sad", "neutral"))
    meanings = {row.label: "" for row in given if row.label not in own.classes}

    def doubt(recordings: frozenset[str] | None) -> tuple[int | None, list[str]]:
        training = own.training.model_copy(update={"recordings": recordings})
        asked = own.model_copy(update={"training": training})
        found = evaluate(given, recognizer, source=Path("x.csv"), head=asked, labels_map=meanings)
        assert found.to_dict()["trained_on"] == found.trained_on
        html = evaluation_report(found, "x").html()
        assert all(escape(said) in html for said in doubts(found))
        return found.trained_on, doubts(found)

    sha256s = [hashlib.sha256(row.path.read_bytes()).hexdigest() for row in given if row.label in own.classes]
    known = frozenset(sha256[:16] for sha256 in sha256s)
    count = len(sha256s)
    assert doubt(known) == (
        count,
        [
            f"The head calls was trained on {count} of these {count} recordings, so the figures flatter it. "
            "Evaluate it on others."
        ],
    )
    assert doubt(frozenset({"0" * 16})) == (0, [])
    assert doubt(None) == (
        None,
        [
            "The head calls doesn't say which recordings it was trained on: if some of these are among them, the "
            "figures flatter it."
        ],
    )


def test_folds_and_groups_are_said(recognizer: Recognizer, examples: list[Path]) -> None:
    given = [
        replace(row, groups={"session": row.groups["speaker"], "speaker": "anna", "fold": "12"[number % 2]})
        for number, row in enumerate(rows(examples))
    ]
    found = evaluate(given, recognizer, source=Path("x.csv"))
    assert found.drawn_by == "session"  # there is only one speaker
    assert found.drawn == "2000 bootstrap draws of whole groups, by session (2)"
    assert found.to_dict()["folds"] == [{"corpus": None, "column": "fold", "count": 2, "shared": 2}]
    assert doubts(found)[0].startswith("2 of 2 folds (column fold) share speakers with others")
    assert set(found.to_dict()["intervals"]["f1s"]) == set(found.measures.classes)


def test_what_can_t_be_compared(recognizer: Recognizer, examples: list[Path]) -> None:
    with pytest.raises(LabelsError, match=r"only one class competes \(sad\) and is always right"):
        evaluate([Labelled(examples[0], "sad", "x")], recognizer, source=Path("x.csv"))
    with pytest.raises(LabelsError, match="every recording is left out, with the labels sad"):
        evaluate([Labelled(examples[0], "sad", "x")], recognizer, source=Path("x.csv"), labels_map={"sad": ""})
    with pytest.raises(LabelsError, match="no column 'room' with two or more values; there are speaker"):
        evaluate(rows(examples), recognizer, source=Path("x.csv"), group="room")


def test_the_report_has_figures_and_pictures(recognizer: Recognizer, examples: list[Path]) -> None:
    found = evaluate(rows(examples, language="de"), recognizer, source=Path("x.csv"), labels_map={"other": ""})
    page = evaluation_report(found, "seven <clips>").html()
    assert page.count("data:image/png;base64,") == 3
    assert "seven &lt;clips&gt;" in page
    assert "By speaker" in page
    assert "By language" not in page  # there is only one
    assert "Left out" in page


def tones(folder: Path, labels: Sequence[str]) -> list[Labelled]:
    """Recordings of their own loudness, which is all that a tiny model knows."""
    given = []
    for number, label in enumerate(labels):
        writer = WavWriter(folder / f"{number}.wav")
        writer.write((0.1 + 0.1 * np.random.default_rng(number).standard_normal(16_000)).astype(np.float32))
        writer.close()
        given.append(Labelled(folder / f"{number}.wav", label, f"{number}.wav"))
    return given


def test_foreign_classes_are_evaluated_as_the_model_spells_them(tmp_path: Path) -> None:
    foreign = Recognizer(tiny.write(tmp_path / "foreign.onnx", readouts=(tiny.FOREIGN,)))
    given = tones(tmp_path, ["Noia", "rabbia", "noia", "calma"])
    found = evaluate(given, foreign, source=Path("x.csv"))
    assert (found.readout, found.names) == ("emotion", tiny.FOREIGN.labels)
    assert found.classes == ("rabbia", "calma", "noia")
    scores = [foreign.recognize(row.path).readouts["emotion"].scores or {} for row in found.rows]
    shared = np.array([[one[name] for name in found.classes] for one in scores])
    columns = [found.names.index(name) for name in found.classes]
    np.testing.assert_allclose(found.scores[:, columns], shared / shared.sum(axis=1, keepdims=True))
    assert found.measures.recalls == {"rabbia": 0, "calma": 0, "noia": 1}  # the last column has the highest logit
    whole = evaluate(given, foreign, source=Path("x.csv"), competing="all")
    np.testing.assert_allclose(whole.scores, [list(one.values()) for one in scores])
    assert found.to_dict()["readout"] == "emotion"
    assert "readout emotion" in evaluation_report(found, "x").html()
    with pytest.raises(LabelsError, match="no class for the label 'anger'; the classes are rabbia"):
        evaluate(tones(tmp_path, ["anger"]), foreign, source=Path("x.csv"))


def test_the_nine_or_the_models_own_classes(tmp_path: Path) -> None:
    calls = Recognizer(tiny.write(tmp_path / "calls.onnx", readouts=(tiny.CALLS, tiny.DIMENSIONS)))
    nine = evaluate(tones(tmp_path, ["neutral", "happy", "Wut"]), calls, source=Path("x.csv"))
    assert (nine.readout, nine.classes) == (None, ("angry", "happy", "neutral"))
    own = evaluate(tones(tmp_path, ["neutral", "furious", "joy"]), calls, source=Path("x.csv"), readout=tiny.CALLS)
    assert (own.readout, own.classes) == ("emotion", ("calm", "furious", "happy"))
    with pytest.raises(LabelsError, match="no class for the label 'Wut'"):  # two of its classes are anger
        evaluate(tones(tmp_path, ["Wut"]), calls, source=Path("x.csv"), readout=tiny.CALLS)
    with pytest.raises(OptionsError, match="dimensions gives values"):
        evaluate(tones(tmp_path, ["Wut"]), calls, source=Path("x.csv"), readout=tiny.DIMENSIONS)


def test_which_readout_is_evaluated() -> None:
    both = tiny.metadata(readouts=(tiny.CALLS, tiny.DIMENSIONS))
    assert readout_to_evaluate(both) is None  # the nine
    assert readout_to_evaluate(both, "emotion") == tiny.CALLS
    assert readout_to_evaluate(both, "dimensions") == tiny.DIMENSIONS
    assert readout_to_evaluate(tiny.metadata(), "emotion") is None  # these are the nine
    assert readout_to_evaluate(tiny.metadata(readouts=(tiny.PEAK,))) == tiny.PEAK
    for readouts, name, said in (
        ((tiny.FOREIGN, tiny.DIMENSIONS), None, "has the readouts emotion, dimensions: choose one with --readout"),
        ((tiny.PEAK,), "mood", "has the readouts peak and no 'mood'"),
        ((tiny.MOODS,), None, r"mood: several of its classes \(tired, bored, angry\) can be true at once"),
    ):
        with pytest.raises(OptionsError, match=said):
            readout_to_evaluate(tiny.metadata(readouts=readouts), name)
    with pytest.raises(LabelsError, match="gives only embeddings: evaluate a head on it"):
        readout_to_evaluate(tiny.metadata(readouts=()))
