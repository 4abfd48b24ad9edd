import errno
import gzip
import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox.errors import HubError, HubMismatchError, HubUnreachableError, ModelError
from emovox.models import catalog, hub, transfer
from emovox.models.catalog import find, partial_path, snapshot_path
from emovox.models.published import Source
from emovox.models.transfer import Patience
from emovox.settings import settings
from support.hub import COMMIT, LISTING, Fault, Hub, serving

NAME = "emotion2vec_plus_large"
MODEL = find(NAME)
WEIGHTS = random.Random(7).randbytes(600_000)
FILES = {
    "config.yaml": b"model: Emotion2vec\n",
    "configuration.json": b"{}",
    "tokens.txt": "生气/angry\n".encode(),
    "README.md": b"---\nlicense: other\n---\n",
    "example/test.wav": random.Random(8).randbytes(20_000),
    "model.pt": WEIGHTS,
}
NOT_NEEDED = {".gitattributes": b"*.pt filter=lfs", "logo.png": b"png" * 5000, "onnx/model.pt": b"other"}
HASTY = Patience(attempts=3, backoff=0.01, longest_wait=0.3, connect=2, stall=0.3)
HUBS = pytest.mark.parametrize("which", ["huggingface", "modelscope"])


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither a proxy nor a token nor a real hub."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "EMOVOX_OFFLINE", "MODELSCOPE_DOMAIN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("HF_ENDPOINT", "MODELSCOPE_ENDPOINT"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Both hubs, with the files above."""
    with serving(Hub({**FILES, **NOT_NEEDED})) as running:
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", running.url)
        yield running


def pull(**options: Any) -> Path:
    return hub.pull(MODEL, **{"hub": "huggingface", "patience": HASTY, **options})


def contents(place: Path) -> dict[str, bytes]:
    files = {path.relative_to(place).as_posix(): path for path in place.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in files.items()}


def assert_complete() -> None:
    found = contents(snapshot_path(NAME))
    assert found.pop("source.json")
    assert found == FILES
    assert not partial_path(NAME).exists()


def assert_absent() -> None:
    assert not snapshot_path(NAME).exists()


PULL = """
from emovox.models import hub
from emovox.models.catalog import find
hub.pull(find({name!r}), hub="huggingface")
"""


# What a pull brings


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
    source = Source.read(place)
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


# Bad connections


def cured() -> dict[str, list[Fault]]:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=1), usegmt=True)
    return {
        "breaks off": [Fault(cut=100_000), Fault(cut=50_000)],
        "breaks off at once": [Fault(cut=0)],
        "breaks off with no length announced": [Fault(cut=100_000, unannounced=True)],
        "no length announced": [Fault(unannounced=True)],
        "stalls": [Fault(stall=100_000)],
        "stalls before the first byte": [Fault(stall=0)],
        "next to nothing": [Fault(trickle=0.05)],
        "429 with seconds": [Fault(status=429, headers={"Retry-After": "0"})],
        "429 with a date": [Fault(status=429, headers={"Retry-After": soon})],
        "429 with nonsense": [Fault(status=429, headers={"Retry-After": "soon"})],
        "503": [Fault(status=503), Fault(status=502)],
        "no ranges": [Fault(cut=100_000), Fault(no_ranges=True)],
        "no ranges, breaking off twice": [Fault(cut=100_000), Fault(no_ranges=True, cut=50_000)],
        "another range": [Fault(cut=100_000), Fault(shifted=10)],
        "a range without its place": [Fault(cut=100_000), Fault(headers={"Content-Range": "bytes"})],
        "a range of another size": [Fault(cut=9), Fault(headers={"Content-Range": "bytes 9-99/100"})],
        "a page instead of the file": [Fault(cut=100_000), Fault(body=b"<html>Log in", no_ranges=True)],
        "more than announced": [Fault(extra=b"more" * 1000)],
        "more than announced, without end": [Fault(extra=b"more" * 1000, unannounced=True)],
        "a wrong range and then nothing": [Fault(cut=100_000), Fault(status=416)],
        "other bytes": [Fault(body=WEIGHTS[::-1])],
        "other bytes after a break": [Fault(cut=9, body=WEIGHTS[::-1])],
        "compressed, though not asked": [Fault(body=b"\x1f\x8b nonsense", headers={"Content-Encoding": "gzip"})],
    }


@HUBS
@pytest.mark.parametrize("case", cured())
def test_what_another_attempt_cures(served: Hub, which: Any, case: str) -> None:
    served.faults["model.pt"] = cured()[case]
    pull(hub=which)
    assert_complete()
    assert served.faults["model.pt"] == []


@HUBS
@pytest.mark.parametrize(
    "fault",
    [Fault(status=429), Fault(status=503), Fault(cut=20), Fault(stall=20), Fault(stall=0), Fault(trickle=0.05)],
)
def test_the_listing_is_asked_for_again(served: Hub, which: Any, fault: Fault) -> None:
    served.faults[LISTING] = [fault]
    pull(hub=which)
    assert_complete()


def test_an_answer_that_is_compressed_all_the_same(served: Hub) -> None:
    headers = {"Content-Encoding": "gzip"}
    served.always["config.yaml"] = Fault(body=gzip.compress(FILES["config.yaml"]), headers=headers)
    pull()
    assert_complete()


def test_a_break_costs_only_the_rest(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(cut=400_000), Fault(cut=150_000)]
    pull()
    assert [request.headers.get("Range") for request in served.asked("model.pt")] == [
        None,
        "bytes=400000-",
        "bytes=550000-",
    ]
    assert served.sent("model.pt") == len(WEIGHTS)


@pytest.mark.parametrize(
    ("case", "ranges"),
    [
        ("no ranges", [None, "bytes=100000-"]),
        ("more than announced", [None]),
        ("a page instead of the file", [None, "bytes=100000-", "bytes=100000-"]),
        ("another range", [None, "bytes=100000-", None]),
        ("a range of another size", [None, "bytes=9-", None]),
        ("a wrong range and then nothing", [None, "bytes=100000-", None]),
    ],
)
def test_no_bytes_at_the_wrong_place(served: Hub, case: str, ranges: list[str | None]) -> None:
    """The checksum would find them, at the price of another whole transfer."""
    served.faults["model.pt"] = cured()[case]
    pull()
    assert [request.headers.get("Range") for request in served.asked("model.pt")] == ranges


def test_getting_on_starts_the_count_anew(served: Hub) -> None:
    """However often a line breaks: as long as it brings something, it is worth another attempt."""
    big = random.Random(9).randbytes(2_500_000)
    served.files["model.pt"] = served.published["model.pt"] = big
    served.faults["model.pt"] = [Fault(cut=300_000)] * 8
    assert (pull() / "model.pt").read_bytes() == big
    assert len(served.asked("model.pt")) == 9
    assert served.sent("model.pt") == len(big)


def test_retry_after_is_honoured_and_capped(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("emovox.models.transfer.time.sleep", waits.append)
    patience = Patience(attempts=6, backoff=1, longest_wait=60)
    ask = [{"Retry-After": "20"}, {}, {"Retry-After": "100000"}, {"Retry-After": "1"}]
    served.faults["model.pt"] = [Fault(status=429, headers=headers) for headers in ask]
    pull(patience=patience)
    assert waits == [20, 2, 60, 8]


LASTING = {
    "404": (Fault(status=404), HubError, "check the name"),
    "401": (Fault(status=401), HubError, "HF_TOKEN"),
    "403": (Fault(status=403), HubError, "HTTP 403"),
    "407": (Fault(status=407), HubError, "proxy variable"),
    "410": (Fault(status=410), HubError, "HTTP 410"),
    "429": (Fault(status=429), HubUnreachableError, "answers 429, 3 times"),
    "503": (Fault(status=503), HubUnreachableError, "run this again"),
    "break": (Fault(cut=2), HubUnreachableError, "broke off"),
    "stall": (Fault(stall=2), HubUnreachableError, r"sends nothing for 0\.3 s"),
    "trickle": (Fault(trickle=0.1), HubUnreachableError, "next to nothing"),
    "endless redirect": (Fault(status=302, headers={"Location": "?again"}), HubError, "redirects to nowhere"),
    "bad redirect": (Fault(status=302, headers={"Location": "ftp://elsewhere/x"}), HubError, "address"),
}
SPOILT = {
    "same size, other bytes": (Fault(body=WEIGHTS[:-1] + b"!"), HubMismatchError, "checksum differs, twice"),
    "longer, other bytes": (Fault(body=b"!" * 700_000), HubMismatchError, "Nothing was kept"),
    "a page": (Fault(body=b"<html>"), HubUnreachableError, "sends 6 bytes as model.pt and announced 600000"),
    "shorter, unannounced": (Fault(body=WEIGHTS[:-9], unannounced=True), HubUnreachableError, "broke off|another"),
}


@pytest.mark.parametrize("what", [LISTING, "config.yaml", "model.pt"])
@pytest.mark.parametrize("case", LASTING)
def test_what_lasts_is_a_clear_error(served: Hub, what: str, case: str) -> None:
    served.always[what], kind, message = LASTING[case]
    with pytest.raises(kind, match=message) as caught:
        pull()
    assert "\n" not in str(caught.value)
    assert_absent()
    served.always.clear()
    pull()
    assert_complete()


@HUBS
@pytest.mark.parametrize("case", SPOILT)
def test_wrong_bytes_never_arrive(served: Hub, which: Any, case: str) -> None:
    served.always["model.pt"], kind, message = SPOILT[case]
    with pytest.raises(kind, match=message):
        pull(hub=which)
    assert_absent()
    served.always.clear()
    pull(hub=which)
    assert_complete()


def test_a_bad_file_is_removed(served: Hub) -> None:
    served.always["model.pt"] = Fault(body=WEIGHTS[::-1])
    with pytest.raises(HubMismatchError):
        pull()
    assert len(served.asked("model.pt")) == 2
    assert [path.name for path in partial_path(NAME).iterdir() if "model" in path.name] == []


@HUBS
def test_a_lie_about_the_checksum(served: Hub, which: Any) -> None:
    served.published["tokens.txt"] = b"x" * len(FILES["tokens.txt"])
    with pytest.raises(HubMismatchError, match=r"tokens\.txt .* checksum differs"):
        pull(hub=which)
    assert_absent()


faults = st.builds(
    Fault,
    status=st.sampled_from([None] * 6 + [403, 404, 416, 429, 503]),
    cut=st.none() | st.integers(0, 30_000),
    body=st.sampled_from([None] * 6 + [b"", b"<html>", WEIGHTS[:20_000]]),
    extra=st.sampled_from([b"", b"more" * 100]),
    unannounced=st.booleans(),
    no_ranges=st.booleans(),
    shifted=st.sampled_from([0, 0, 1]),
)


@given(broken=st.dictionaries(st.sampled_from([LISTING, *FILES]), st.lists(faults, max_size=5), max_size=3))
@hypothesis_settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_goes_wrong(served: Hub, broken: dict[str, list[Fault]]) -> None:
    served.files["model.pt"] = served.published["model.pt"] = WEIGHTS[:30_000]
    catalog.remove(NAME)
    served.faults.clear()
    served.faults.update({what: list(these) for what, these in broken.items()})
    expected = {**FILES, "model.pt": WEIGHTS[:30_000]}
    for _ in range(30):
        try:
            place = pull(patience=replace(HASTY, backoff=0.0))
        except HubError:
            assert_absent()
            continue
        found = contents(place)
        del found["source.json"]
        assert found == expected
        return
    pytest.fail("faults that are used up must not last")


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
    with pytest.raises(HubError, match="without a proper size and checksum"):
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
    with pytest.raises(HubError, match="without end"):
        pull()


@pytest.mark.parametrize("missing", ["config.yaml", "model.pt"])
def test_what_is_no_snapshot(served: Hub, missing: str) -> None:
    del served.published[missing]
    with pytest.raises(HubError, match="no snapshot"):
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


# The disk, and other processes


def test_too_little_room_is_seen_before(served: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    def usage(free: int) -> Callable[[Path], Any]:
        return lambda path: SimpleNamespace(free=free)

    served.faults["model.pt"] = [Fault(cut=500_000), Fault(status=404)]
    with pytest.raises(HubError):
        pull()
    served.requests.clear()
    rest = 100_000 + hub._DISK_MARGIN
    monkeypatch.setattr("emovox.models.hub.shutil.disk_usage", usage(rest - 1))
    with pytest.raises(ModelError, match=r"needs 0\.27 GB .* make room"):
        pull()
    assert {request.what for request in served.requests} == {LISTING}
    monkeypatch.setattr("emovox.models.hub.shutil.disk_usage", usage(rest))
    pull()
    assert served.sent("model.pt") == 100_000


@pytest.mark.parametrize(
    ("number", "message"), [(errno.ENOSPC, "disk of .* is full: make room"), (errno.EACCES, "EMOVOX_CACHE")]
)
def test_a_disk_that_refuses(served: Hub, monkeypatch: pytest.MonkeyPatch, number: int, message: str) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(hub, "fsync", refuse)
        with pytest.raises(ModelError, match=message):
            pull()
    assert_absent()
    pull()
    assert_complete()


def test_a_disk_that_fills_up(served: Hub) -> None:
    code = f"""
        import resource
        from emovox.errors import ModelError
        resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, 300_000))
        try:{textwrap.indent(PULL.format(name=NAME), " " * 12)}
        except ModelError as error:
            print(error)
    """
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )
    assert "is full: make room and run this again" in result.stdout
    assert_absent()
    pull()
    assert_complete()
    assert served.asked("model.pt")[-1].headers["Range"] == "bytes=300000-"


def test_a_cache_that_cannot_be_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EMOVOX_CACHE", str(tmp_path / "file" / "cache"))
    settings.cache_clear()
    with pytest.raises(ModelError, match="EMOVOX_CACHE"):
        pull()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_killed_and_continued(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=450_000)]
    code = PULL.format(name=NAME)
    with subprocess.Popen([sys.executable, "-c", code]) as process:
        until(lambda: any(path.stat().st_size > 300_000 for path in partial_path(NAME).glob("model.pt*")))
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert_absent()
    served.released.set()
    served.requests.clear()
    [part] = partial_path(NAME).glob("model.pt*")
    have = part.stat().st_size
    progress: list[int] = []
    pull(progress=lambda done, total: progress.append(done))
    assert_complete()
    assert {request.what for request in served.requests} == {LISTING, "model.pt"}
    assert [request.headers["Range"] for request in served.asked("model.pt")] == [f"bytes={have}-"]
    assert served.sent("model.pt") == len(WEIGHTS) - have < 300_000
    assert progress[0] >= have


def test_killed_and_another_version_since(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(cut=300_000), Fault(status=404)]
    with pytest.raises(HubError):
        pull()
    new = WEIGHTS[::-1]
    served.files["model.pt"] = served.published["model.pt"] = new
    served.requests.clear()
    found = contents(pull())
    assert served.sent("model.pt") == len(new)
    del found["source.json"]
    assert found == {**FILES, "model.pt": new}, "and nothing of the other version is left"


def test_two_at_once(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=300_000)]
    notices: list[str] = []
    patience = replace(HASTY, stall=10)
    threads = [threading.Thread(target=lambda: pull(notice=notices.append, patience=patience)) for _ in range(3)]
    for thread in threads:
        thread.start()
    until(lambda: len(notices) == 2)
    served.released.set()
    for thread in threads:
        thread.join()
    assert all("another process" in line for line in notices)
    assert_complete()
    assert served.sent("model.pt") == len(WEIGHTS)


def test_nothing_is_removed_under_a_pull(served: Hub) -> None:
    served.faults["model.pt"] = [Fault(stall=300_000)]
    thread = threading.Thread(target=lambda: pull(patience=replace(HASTY, stall=10)))
    thread.start()
    until(lambda: any(partial_path(NAME).glob("model.pt*")))
    with pytest.raises(ModelError, match="being downloaded"):
        catalog.remove(NAME)
    served.released.set()
    thread.join()
    assert_complete()


def test_only_a_pull_can_go_online() -> None:
    code = (
        "import sys, emovox, emovox.cli; print([name for name in sys.modules if 'httpx' in name or 'hub' in name])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


def test_source_of_a_snapshot_from_elsewhere(tmp_path: Path) -> None:
    assert Source.read(tmp_path) is None
    (tmp_path / "source.json").write_text(json.dumps({"hub": "other"}))
    assert Source.read(tmp_path) is None
