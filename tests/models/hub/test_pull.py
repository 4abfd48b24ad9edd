from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import httpx
import pytest

from emovox.errors import HubError, HubMismatchError, HubUnreachableError, ModelError
from emovox.models.catalog import find, snapshot_path
from emovox.models.hub import pull as hub
from emovox.models.hub import transfer
from emovox.models.hub.published import SnapshotSource
from emovox.settings import settings
from support.hub import COMMIT, LISTING, Fault, Hub, serving
from support.pulls import FILES, HASTY, HUBS, MODEL, NAME, WEIGHTS, assert_absent, assert_complete, contents, pull


@HUBS
def test_a_snapshot_from_each_hub(served: Hub, which: Any) -> None:
    calls: list[tuple[int, int]] = []
    place = pull(hub=which, progress=lambda done, total: calls.append((done, total)))
    assert place == snapshot_path(NAME)
    assert_complete()
    total = sum(map(len, FILES.values()))
    assert {call[1] for call in calls} == {total}
    assert [call[0] for call in calls] == sorted(call[0] for call in calls)
    assert calls[-1] == (total, total)
    assert {request.what for request in served.requests} == {LISTING, *FILES}
    source = SnapshotSource.read(place)
    assert source is not None
    assert (source.hub, source.address) == (which, served.url)
    assert source.repository == getattr(MODEL, which)
    assert (source.revision, source.commit) == (("main", COMMIT) if which == "huggingface" else ("master", None))
    assert {file.path: file.size for file in source.files} == {path: len(body) for path, body in FILES.items()}
    assert all(file.matches(place / file.path) for file in source.files)
    assert datetime.now(timezone.utc) - datetime.fromisoformat(source.pulled) < timedelta(minutes=1)


def test_the_files_are_those_of_the_listed_commit(served: Hub) -> None:
    pull(revision="refs/pr/1")
    assert "/revision/refs%2Fpr%2F1?" in served.asked(LISTING)[0].path
    assert all(f"/resolve/{COMMIT}/" in request.path for request in served.requests[1:])


def test_the_revision_of_modelscope(served: Hub) -> None:
    pull(hub="modelscope", revision="v2.0.4 & more")
    assert {request.query["Revision"][0] for request in served.requests} == {"v2.0.4 & more"}


def test_weights_by_another_name(served: Hub) -> None:
    served.published["emotion2vec_base.pt"] = served.files["emotion2vec_base.pt"] = served.published.pop(
        "model.pt"
    )
    assert (pull() / "emotion2vec_base.pt").read_bytes() == WEIGHTS
    served.published["other.pt"] = b""
    with pytest.raises(HubError, match="one file of weights"):
        pull()


@pytest.mark.parametrize("safe", [True, False])
def test_a_snapshot_of_transformers(served: Hub, safe: bool) -> None:
    """By the names that superb/wav2vec2-base-superb-er has; of two forms of the weights one comes."""
    weights = {"pytorch_model.bin": WEIGHTS} | ({"model.safetensors": WEIGHTS[1:]} if safe else {})
    names = ("config.json", "preprocessor_config.json", "README.md")
    small = {name: name.encode() for name in names}
    served.files = {**small, **weights, ".gitattributes": b"x", "training_args.bin": b"x", "vocab.json": b"{}"}
    served.published = dict(served.files)
    model = find("wav2vec2-base-superb-er")
    place = hub.pull(model, hub="huggingface", patience=HASTY)
    pulled = contents(place)
    assert pulled.pop("source.json")
    name = "model.safetensors" if safe else "pytorch_model.bin"
    assert pulled == {**small, name: weights[name]}
    with pytest.raises(ModelError, match="use --hub huggingface"):
        hub.pull(model, hub="modelscope", patience=HASTY)


def test_a_snapshot_of_another_layout_is_none(served: Hub) -> None:
    with pytest.raises(HubError, match=r"it needs a config\.json and one file of weights"):
        hub.pull(find("hubert-large-superb-er"), hub="huggingface", patience=HASTY)
    assert {request.what for request in served.requests} == {LISTING}


def test_an_empty_file(served: Hub) -> None:
    served.files["README.md"] = served.published["README.md"] = b""
    assert (pull() / "README.md").read_bytes() == b""


def test_what_is_there_is_not_transferred_again(served: Hub) -> None:
    calls: list[tuple[int, int]] = []
    pull()
    served.requests.clear()
    pull(progress=lambda done, total: calls.append((done, total)))
    assert {request.what for request in served.requests} == {LISTING}
    assert len(calls) == 1
    assert calls[0][0] == calls[0][1]


def test_a_new_revision_brings_what_differs(served: Hub) -> None:
    pull()
    served.requests.clear()
    served.files["tokens.txt"] = served.published["tokens.txt"] = b"new"
    del served.published["README.md"]
    pull()
    assert {request.what for request in served.requests} == {LISTING, "tokens.txt"}
    found = contents(snapshot_path(NAME))
    assert (found["tokens.txt"], found["model.pt"]) == (b"new", WEIGHTS)
    assert "README.md" not in found
    assert [path.name for path in snapshot_path(NAME).parent.iterdir() if path.is_dir()] == [NAME]


def test_a_damaged_snapshot_is_repaired(served: Hub) -> None:
    place = pull()
    (place / "model.pt").write_bytes(WEIGHTS[:-1] + b"!")
    (place / "example" / "test.wav").unlink()
    pull()
    assert_complete()


# What a hub says


EVIL = ["/etc/passwd", "../evil.pt", "example/../../x", "C:\\x.pt", "a\\..\\b", "C:x.pt", "a\nb", "..", "\x1b[2J"]


@HUBS
@pytest.mark.parametrize("path", EVIL)
def test_unsafe_paths(served: Hub, which: Any, path: str, tmp_path: Path) -> None:
    served.listed[path] = {"rfilename": path, "Path": path, "Type": "blob", "size": 1, "Size": 1}
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(HubMismatchError, match="unsafe path") as caught:
        pull(hub=which)
    assert str(caught.value).isprintable()
    assert {request.what for request in served.requests} == {LISTING}
    assert [path for path in tmp_path.rglob("*") if path not in before and path.suffix != ".lock"] in (
        [],
        [snapshot_path(NAME).parents[1], snapshot_path(NAME).parent],
    )


@HUBS
@pytest.mark.parametrize(
    "entry",
    [
        {},
        {"size": 18, "Size": 18},
        {"size": "18", "Size": "18", "blobId": "0" * 40, "Sha256": "0" * 64},
        {"size": -1, "Size": -1, "blobId": "0" * 40, "Sha256": "0" * 64},
        {"size": 10**400, "Size": 10**400, "blobId": "0" * 40, "Sha256": "0" * 64},
        {"size": 18, "Size": 18, "blobId": "../../../x", "Sha256": ""},
    ],
)
def test_files_that_cannot_be_checked(served: Hub, which: Any, entry: dict[str, Any]) -> None:
    served.listed["config.yaml"] = {"rfilename": "config.yaml", "Path": "config.yaml", **entry}
    with pytest.raises(HubError, match="without a valid size and checksum"):
        pull(hub=which)
    assert_absent()


@HUBS
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b"[" * 200_000,
        b"\xff\xfe",
        b'{"siblings": 1, "Data": 1}',
        b'{"siblings": [1], "Data": {"Files": [1]}}',
        b'{"siblings": null, "Data": null, "Success": false}',
    ],
)
def test_what_is_no_listing(served: Hub, which: Any, body: bytes) -> None:
    served.always[LISTING] = Fault(body=body)
    with pytest.raises(HubError, match="a model hub"):
        pull(hub=which)
    assert_absent()


def test_a_listing_without_end(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfer, "_MAX_ANSWER", 1000)
    with pytest.raises(HubError, match="too long"):
        pull()


@pytest.mark.parametrize("missing", ["config.yaml", "model.pt"])
def test_what_is_no_snapshot(served: Hub, missing: str) -> None:
    del served.published[missing]
    with pytest.raises(HubError, match="not a snapshot"):
        pull()
    assert_absent()


# Elsewhere: redirects, tokens, mirrors, proxies, the other hub


def test_redirects_to_another_host_without_the_token(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret\n")
    with serving(Hub(FILES)) as cdn:
        cdn.faults["model.pt"] = [Fault(cut=300_000)]
        served.cdn = cdn
        pull()
        assert_complete()
        assert {request.what for request in cdn.requests} == {"model.pt", "example/test.wav"}
        assert cdn.sent("model.pt") == len(WEIGHTS)
        assert all("Authorization" not in request.headers for request in cdn.requests)
    assert all(request.headers["Authorization"] == "Bearer hf_secret" for request in served.requests)


def test_the_token_is_for_hugging_face_alone(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(hub="modelscope")
    assert all("Authorization" not in request.headers for request in served.requests)
    monkeypatch.setenv("HF_TOKEN", "密")
    with pytest.raises(ModelError, match="HF_TOKEN"):
        pull()


def test_never_from_https_to_http(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def answer(self: httpx.HTTPTransport, request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        return httpx.Response(302, headers={"Location": "http://elsewhere.invalid/x"})

    monkeypatch.setattr(httpx.HTTPTransport, "handle_request", answer)
    monkeypatch.setenv("HF_ENDPOINT", "hub.invalid/")
    with pytest.raises(HubError, match=r"elsewhere\.invalid without encryption"):
        pull()
    assert len(asked) == 1
    assert asked[0].startswith("https://hub.invalid/api/")


@pytest.mark.parametrize("variable", ["MODELSCOPE_ENDPOINT", "MODELSCOPE_DOMAIN"])
def test_variables_of_modelscope(served: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.delenv("MODELSCOPE_ENDPOINT")
    monkeypatch.setenv(variable, f"{served.url}/")
    pull(hub="modelscope")
    assert_complete()


def test_a_proxy(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", served.url)
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    pull()
    assert_complete()
    assert all(request.path.startswith("http://hub.invalid/") for request in served.requests)
    monkeypatch.setenv("HTTP_PROXY", "gopher://127.0.0.1")
    with pytest.raises(HubError, match="proxy variable"):
        pull()


def test_auto_takes_hugging_face(served: Hub) -> None:
    pull(hub="auto")
    assert all("/api/v1/" not in request.path for request in served.requests)


def test_auto_takes_modelscope_where_hugging_face_is_out_of_reach(
    served: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    notices: list[str] = []
    pull(hub="auto", notice=notices.append)
    assert_complete()
    assert len(notices) == 1
    assert notices[0].startswith("Hugging Face can't be reached")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(HubUnreachableError, match=r"Hugging Face can't be .*; ModelScope can't be"):
        pull(hub="auto")


@pytest.mark.parametrize("fault", [Fault(status=404), Fault(status=503), Fault(cut=0)])
def test_auto_goes_on_with_what_the_first_hub_sent(
    served: Hub, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    with serving(Hub(FILES)) as first:
        monkeypatch.setenv("HF_ENDPOINT", first.url)
        first.faults["model.pt"] = [Fault(cut=500_000)]
        first.always["model.pt"] = fault
        pull(hub="auto")
    assert_complete()
    assert served.sent("model.pt") == 100_000


def test_auto_does_not_hide_a_hub_that_lies(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(body=WEIGHTS[::-1])] * 2
    with pytest.raises(HubMismatchError, match="Hugging Face"):
        pull(hub="auto")


def test_a_model_that_is_not_on_that_hub(served: Hub) -> None:
    only = replace(MODEL, huggingface=None)
    with pytest.raises(ModelError, match="use --hub modelscope"):
        hub.pull(only, hub="huggingface")
    assert hub.pull(only, hub="auto", patience=HASTY)
    with pytest.raises(ModelError, match="nothing to download"):
        hub.pull(find("lite"))


@pytest.mark.parametrize("variable", ["EMOVOX_OFFLINE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline(served: Hub, monkeypatch: pytest.MonkeyPatch, variable: str) -> None:
    monkeypatch.setenv(variable, "1")
    settings.cache_clear()
    with pytest.raises(ModelError, match=variable):
        pull()
    assert served.requests == []
