import importlib.util
import json
import logging
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from emovox.errors import OptionsError, RecordingNotFoundError, UnreadableAudioError
from emovox.funasr import AutoModel
from emovox.modelscope import Tasks, pipeline
from emovox.settings import settings
from support import snapshots
from support.funasr_calls import QUIET, Samples, every_input, same_results, write_snapshot
from support.funasr_model import parity

_MISSING = importlib.util.find_spec("modelscope") is None and not os.environ.get("CI")


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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # it leaves a file open
@pytest.mark.skipif(_MISSING, reason="needs tests/requirements-modelscope.txt")
@parity
class TestParity:
    """ModelScope's own pipeline and ours, on one snapshot with random weights."""

    @pytest.fixture(scope="class", params=["nine tokens", "embeddings only"])
    def both(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[tuple[str, Any, Any]]:
        from modelscope.pipelines import pipeline as original  # noqa: PLC0415 - this test's own dependency
        from modelscope.utils.constant import Tasks as Theirs  # noqa: PLC0415

        assert Theirs.emotion_recognition == Tasks.emotion_recognition
        tokens = snapshots.TOKENS if request.param == "nine tokens" else ()
        folder = write_snapshot(tmp_path_factory.mktemp("modelscope") / "tiny", tokens)
        hub = {"framework": "pytorch", "task": Tasks.emotion_recognition, "model": {"type": "funasr"}}
        pipelines = {"pipeline": {"type": "funasr-pipeline"}}
        files = {"init_param": "model.pt", "tokenizer_conf": {"token_list": "tokens.txt"}, "config": "config.yaml"}
        facts = {**hub, **pipelines, "file_path_metas": files}
        (folder / "configuration.json").write_text(json.dumps(facts), encoding="utf-8")
        options: dict[str, Any] = {"task": Tasks.emotion_recognition, "model": str(folder), "device": "cpu"}
        level = logging.getLogger().level
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("EMOVOX_CACHE", str(folder.parent / "cache"))
            settings.cache_clear()
            ours = pipeline(**options)
            yield request.param, original(**options, **QUIET), ours
        logging.getLogger().setLevel(level)

    @pytest.mark.parametrize(
        ("granularity", "extract"), [("utterance", True), ("utterance", False), ("frame", True)]
    )
    def test_the_same_results_and_files(
        self,
        both: tuple[str, Any, Any],
        examples: list[Path],
        speech: Samples,
        tmp_path: Path,
        granularity: str,
        extract: bool,
    ) -> None:
        name, theirs, ours = both
        same_results(
            theirs,
            ours,
            every_input(tmp_path, examples, speech),
            tmp_path / "results",
            {"granularity": granularity, "extract_embedding": extract},
            feats=extract or name == "embeddings only",
        )

    @pytest.mark.filterwarnings("ignore:FunASR's option")
    def test_by_default(self, both: tuple[str, Any, Any], examples: list[Path]) -> None:
        _, theirs, ours = both
        calls: tuple[Callable[[Any], Any], ...] = (
            lambda recognize: recognize(str(examples[0])),
            lambda recognize: recognize(input=str(examples[0]), key="mine"),
            lambda recognize: recognize([str(path) for path in examples[:3]], granularity="frame", batch_size=2),
        )
        for call in calls:
            wanted, given = call(theirs), call(ours)
            assert [list(item) for item in given] == [list(item) for item in wanted]
            assert [item["key"] for item in given] == [item["key"] for item in wanted]
            for item, other in zip(given, wanted, strict=True):
                np.testing.assert_allclose(item["scores"], other["scores"], atol=1e-5)
                np.testing.assert_allclose(item["feats"], other["feats"], atol=1e-4)

    def test_what_both_refuse(self, both: tuple[str, Any, Any], tmp_path: Path) -> None:
        _, theirs, ours = both
        for wrong in (str(tmp_path / "gone.wav"), 3, {"a": 1}):
            with pytest.raises(Exception):  # noqa: B017, PT011  theirs are of any kind
                theirs(wrong)
            with pytest.raises((RecordingNotFoundError, UnreadableAudioError)):
                ours(wrong)
        with pytest.raises(UnreadableAudioError, match="nothing is fetched"):
            ours("http://127.0.0.1:9/a.wav")
