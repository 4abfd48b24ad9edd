import json
from pathlib import Path
from typing import Any

from emovox.inference.recognizer import Recognizer
from emovox.models import sheet as sheets
from emovox.models.sheet import sheet
from support import tiny

CARD = Path(sheets.__file__).parent / "bundled" / "lite.md"
EVALUATION: dict[str, Any] = {
    "model": {"name": "lite", "revision": "5.3"},
    "clips": 40,
    "unweighted": 0.625,
    "calibration_error": 0.081,
    "recalls": {"angry": 0.5, "sad": 0.75},
    "trained_corpora": ["emodb"],
    "groups": {"speaker": {"anna": {"clips": 20, "unweighted": 0.7}, "bert": {"clips": 20, "unweighted": None}}},
}


def test_it_has_article_13s_headings_and_what_is_known_of_lite() -> None:
    text = sheet(Recognizer("lite").metadata, card=CARD)
    for heading in (
        "(a) Provider",
        "(b) Characteristics",
        "(c) Changes",
        "(d) Human",
        "(e) Resources",
        "(f) Logs",
    ):
        assert f"\n## {heading}" in text
    assert "emotion: classes angry, disgusted, fearful" in text
    assert "Trained on: emodb, ravdess" in text
    assert "| EmoDB | recorded | 535 |" in text  # of the card, as measured
    assert "says `unsure`" in text
    assert "{" not in text


def test_an_evaluation_of_ones_own_stands_in_it_with_its_doubts() -> None:
    text = sheet(Recognizer("lite").metadata, evaluation=EVALUATION)
    assert (
        "On your recordings (40, lite 5.3): unweighted accuracy 62.5 %, expected calibration error 8.1 %" in text
    )
    assert "| sad | 75.0 % |" in text
    assert "trained on emodb, so these figures flatter it" in text
    assert "| anna | 20 | 70.0 % |" in text
    assert "| bert | 20 | not known |" in text


def test_what_is_not_known_is_said(tmp_path: Path) -> None:
    file = tiny.write(tmp_path / "values.onnx", readouts=(tiny.DIMENSIONS,))
    text = sheet(Recognizer(file).metadata)
    assert "Not known: measure it" in text
    assert "Trained on: not known" in text
    assert "it is never `unsure`" in text
    assert "values" in text


def test_the_command(tmp_path: Path, run: Any) -> None:
    (tmp_path / "evaluation.json").write_text(json.dumps(EVALUATION))
    code, out, _ = run("models", "sheet", "lite", "--evaluation", tmp_path / "evaluation.json")
    assert (code, "62.5 %" in out, "535" in out) == (0, True, True)
