from pathlib import Path

import numpy as np
import pytest

from emovox.errors import OptionsError
from emovox.funasr import AutoModel
from emovox.modelscope import Tasks, pipeline


def test_it_is_automodel_s_generate(examples: list[Path], tmp_path: Path) -> None:
    recognize = pipeline(task=Tasks.emotion_recognition, model="lite")
    [given] = recognize(str(examples[0]), granularity="utterance", output_dir=tmp_path)
    [wanted] = AutoModel(model="lite").generate(str(examples[0]))
    assert (given["key"], given["labels"], given["scores"]) == (wanted["key"], wanted["labels"], wanted["scores"])
    assert np.array_equal(np.load(tmp_path / f"{given['key']}.npy"), wanted["feats"])


def test_its_words(examples: list[Path]) -> None:
    with pytest.warns(UserWarning, match="device 'gpu'|model_revision"):
        recognize = pipeline("emotion-recognition", "lite", model_revision="v2.0.4", device="gpu")
    assert recognize(str(examples[0]), extract_embedding=False)[0].keys() == {"key", "labels", "scores"}


def test_other_tasks_stay_with_modelscope() -> None:
    with pytest.raises(OptionsError, match=r"task 'auto-speech-recognition': .* keep ModelScope's pipeline"):
        pipeline(task="auto-speech-recognition", model="lite")
    with pytest.raises(OptionsError, match="say which model"):
        pipeline(task=Tasks.emotion_recognition)
