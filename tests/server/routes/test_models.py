from pathlib import Path
from typing import Any

import pytest

from emovox.emotions import NAMES
from emovox.inference.recognizer import Recognizer
from emovox.models import catalog
from emovox.models.adding import add
from support import tiny
from support.service import Client, serving


def test_models_are_told_in_both_languages(shared: Client) -> None:
    for model in shared.get("/v1/models").json():
        assert any("\u4e00" <= letter <= "\u9fff" for letter in model["chinese"]), model["name"]
        own = {"CC BY-NC-SA 4.0", "Apache-2.0", "MIT"}  # are called that in Chinese too
        assert model["licence"]["chinese"] or model["licence"]["name"] in own
        assert any("\u4e00" <= letter <= "\u9fff" for letter in model["licence"]["chinese_terms"])
        assert model["licence"]["terms"].isascii() or "FunASR" in model["licence"]["name"]


def test_an_added_model_is_one_like_any_other(tmp_path: Path, examples: list[Path]) -> None:
    add(tiny.write(tmp_path / "free.onnx", name="lite-free", revision="1", licence="CC BY 4.0"))
    with serving(tmp_path / "outputs") as client:
        [model] = [item for item in client.get("/v1/models").json() if item["name"] == "lite-free"]
        assert (model["installed"], model["bundled"], model["downloadable"]) == (True, False, False)
        assert model["licence"]["terms"] == "anyone, for anything, with credit"
        for name, status in (
            ("lite-free", 200),
            ("lite-free@1", 200),
            ("lite-free@2", 422),
            ("../free.onnx", 422),
        ):
            with examples[0].open("rb") as file:
                answer = client.post("/v1/recognitions", files={"file": file}, data={"model": name})
            assert answer.status_code == status, answer.text


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


def test_models_tell_their_readouts(shared: Client, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def told(name: str) -> dict[str, Any]:
        [model] = [item for item in shared.get("/v1/models").json() if item["name"] == name]
        assert isinstance(model, dict)
        return model

    [readout] = told("lite")["readouts"]
    assert (readout["name"], readout["kind"], readout["activation"]) == ("emotion", "linear", "softmax")
    assert set(readout["emotions"].values()) <= set(NAMES)
    assert told("emotion2vec_base")["readouts"] is None  # it isn't installed
    monkeypatch.setattr(catalog, "snapshot_path", lambda name: tmp_path / name)
    (tmp_path / "emotion2vec_base").mkdir()
    assert (told("emotion2vec_base")["readouts"], told("emotion2vec_base")["embeddings_only"]) == (None, True)
    converted = catalog.converted_path("emotion2vec_base", "0" * 16) / "fp32"
    converted.mkdir(parents=True)
    tiny.write(converted / "model.onnx", readouts=(tiny.DIMENSIONS, tiny.FOREIGN))
    model = told("emotion2vec_base")
    assert not model["embeddings_only"]
    assert model["readouts"][0] == {
        "name": "dimensions", "kind": "pooled", "activation": "none",
        "labels": ["arousal", "dominance", "valence"], "emotions": {}, "range": [0, 1],
    }  # fmt: skip
    assert model["readouts"][1]["labels"] == list(tiny.FOREIGN.labels)
