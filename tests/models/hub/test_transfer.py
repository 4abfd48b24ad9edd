import gzip
import random
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emovox.errors import HubError, HubMismatchError, HubUnreachableError
from emovox.models import catalog
from emovox.models.catalog import partial_path
from emovox.models.hub.transfer import Patience
from support.hub import LISTING, Fault, Hub
from support.pulls import FILES, HASTY, HUBS, NAME, WEIGHTS, assert_absent, assert_complete, contents, pull


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
    monkeypatch.setattr("emovox.models.hub.transfer.time.sleep", waits.append)
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
    "endless redirect": (
        Fault(status=302, headers={"Location": "?again"}),
        HubError,
        "redirects to an invalid address",
    ),
    "bad redirect": (Fault(status=302, headers={"Location": "ftp://elsewhere/x"}), HubError, "address"),
}
SPOILT = {
    "same size, other bytes": (Fault(body=WEIGHTS[:-1] + b"!"), HubMismatchError, "checksum is wrong, twice"),
    "longer, other bytes": (Fault(body=b"!" * 700_000), HubMismatchError, "It was discarded"),
    "a page": (Fault(body=b"<html>"), HubUnreachableError, "sends 6 bytes of model.pt, which should have 600000"),
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
    with pytest.raises(HubMismatchError, match=r"tokens\.txt .* checksum is wrong"):
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
