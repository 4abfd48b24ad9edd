"""What the service says that it can do here."""

import sys
from pathlib import Path

import pytest

from emovox.exports import FORMATS
from emovox.inference.recognizer import Recognizer
from emovox.models import catalog
from emovox.models.head import place
from support.heads import head
from support.service import Client, serving


def test_models_are_told_in_both_languages(shared: Client) -> None:
    for model in shared.get("/v1/models").json():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in model["chinese"]), model["name"]
        own = {"CC BY-NC-SA 4.0", "Apache-2.0"}  # are called that in Chinese too
        assert model["licence"]["chinese"] or model["licence"]["name"] in own


def test_a_model_s_precisions_are_those_that_it_can_be_computed_in(
    shared: Client, examples: list[Path], recognizer: Recognizer
) -> None:
    models = {model["name"]: model for model in shared.get("/v1/models").json()}
    assert [name for name, model in models.items() if model["default"]] == ["lite"]
    assert [name for name, model in models.items() if model["embeddings_only"]] == ["emotion2vec_base"]
    assert models["emotion2vec_base"]["precisions"] == []
    assert (models["emotion2vec_base"]["downloadable"], models["lite"]["downloadable"]) == (True, False)
    possible = models["lite"]["precisions"]
    assert recognizer.model.precision in possible
    for precision in ("fp32", "bf16", "fp16", "int8"):
        answer = shared.post_file(examples[0], model="lite", precision=precision)
        assert answer.is_success == (precision in possible), answer.text


def test_a_snapshot_s_precisions_are_the_machine_s(
    shared: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(catalog, "snapshot_path", lambda name: tmp_path / name)
    (tmp_path / "emotion2vec_plus_base").mkdir()
    [model] = [item for item in shared.get("/v1/models").json() if item["name"] == "emotion2vec_plus_base"]
    assert model["installed"]
    assert {"fp32", "int8"} <= set(model["precisions"])


def test_nothing_can_be_downloaded_offline(tmp_path: Path) -> None:
    with serving(tmp_path / "outputs", offline=True) as client:
        assert not any(model["downloadable"] for model in client.get("/v1/models").json())


def test_heads_of_another_revision_or_of_no_model_can_t_be_used(shared: Client, recognizer: Recognizer) -> None:
    facts = recognizer.metadata
    head(facts).write(place("calls"))
    head(facts.model_copy(update={"revision": "4", "source_sha256": "0" * 64})).write(place("old"))
    head(facts.model_copy(update={"name": "emotion2vec_plus_large"})).write(place("far"))
    head(facts.model_copy(update={"name": "somebody's"})).write(place("strange"))
    usable = {item["name"]: item["usable"] for item in shared.get("/v1/heads").json()}
    assert usable == {"calls": True, "old": False, "far": False, "strange": False}


def test_exports_have_titles_in_both_languages(shared: Client) -> None:
    titles = {item["name"]: (item["title"], item["chinese"]) for item in shared.get("/v1/exports").json()}
    assert list(titles) == list(FORMATS)
    assert titles["textgrid"] == ("TextGrid (Praat)", "TextGrid（Praat）")
    assert titles["srt"] == ("SRT", "SRT")


def test_exports_say_what_they_lack(shared: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    formats = {item["name"]: item for item in shared.get("/v1/exports").json()}
    assert list(formats) == list(FORMATS)
    assert (formats["srt"]["parts"], formats["srt"]["missing"]) == (["segments"], None)
    assert formats["png"]["parts"] == ["segments", "frames"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it weren't installed
    formats = {item["name"]: item for item in shared.get("/v1/exports").json()}
    assert (formats["parquet"]["missing"], formats["csv"]["missing"]) == ("pyarrow", None)


def test_outputs_say_whether_they_have_segments_and_what_a_head_heard(
    shared: Client, recognizer: Recognizer, examples: list[Path]
) -> None:
    head(recognizer.metadata).write(place("calls"))
    for options, segments, name in (
        ({"segments": "true", "head": "calls", "granularity": "frame"}, True, "calls"),
        ({"granularity": "frame"}, False, None),
        ({}, False, None),
    ):
        where = shared.post_file(examples[0], **options).headers["location"]
        output = shared.get(where).json()
        assert output["segments"] is segments
        assert (output["head"] or {}).get("name") == name
        [summary] = [item for item in shared.get("/v1/outputs").json()["outputs"] if item["id"] == output["id"]]
        assert summary["head"] == output["head"]
