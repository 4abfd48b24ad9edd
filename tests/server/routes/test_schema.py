import sys

import pytest

from emovox.exports import FORMATS
from emovox.inference.recognizer import Recognizer
from emovox.models.head import head_path
from support.heads import head
from support.service import Client


def test_heads_of_another_revision_or_of_no_model_can_t_be_used(shared: Client, recognizer: Recognizer) -> None:
    facts = recognizer.metadata
    head(facts).write(head_path("calls"))
    head(facts.model_copy(update={"revision": "4", "source_sha256": "0" * 64})).write(head_path("old"))
    head(facts.model_copy(update={"name": "emotion2vec_plus_large"})).write(head_path("far"))
    head(facts.model_copy(update={"name": "somebody's"})).write(head_path("strange"))
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
    assert (formats["srt"]["parts"], formats["srt"]["missing"]) == (["segments", "lines"], None)
    assert formats["png"]["parts"] == ["segments", "frames"]
    monkeypatch.setitem(sys.modules, "pyarrow", None)  # as if it weren't installed
    formats = {item["name"]: item for item in shared.get("/v1/exports").json()}
    assert (formats["parquet"]["missing"], formats["csv"]["missing"]) == ("pyarrow", None)
