"""Transcriptions as OpenAI's clients ask for them, from another service, with emotions beside."""

import json
import logging
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from emovox.emotions import NAMES
from emovox.errors import ExportError, SettingsError
from emovox.server.transcriber import Transcriber
from support.exporters import break_format
from support.hostile import TEXTS, VALUES
from support.service import Client, serving
from support.transcribers import ANSWERS, Answering, FakeTranscriber, recorded, saying, transcribing, waiting
from support.waiting import until

openai = pytest.importorskip("openai")
ROUTE = "/v1/audio/transcriptions"
TEXT = "Das schwarze Blatt Papier befindet sich da oben neben dem Holzstück."


@pytest.fixture(scope="module")
def fake() -> Iterator[FakeTranscriber]:
    with transcribing() as transcriber:
        yield transcriber


@pytest.fixture(scope="module")
def beside(fake: FakeTranscriber, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """A service beside a transcriber, which answers as recorded again at the beginning of each test."""
    outputs = tmp_path_factory.mktemp("transcriptions") / "outputs"
    with serving(outputs, transcriber=fake.url, transcriber_key="topsecret", transcriber_timeout=2) as client:
        yield client


@pytest.fixture(autouse=True)
def as_recorded(fake: FakeTranscriber) -> None:
    fake.answering = recorded
    fake.asked.clear()


@pytest.fixture
def clip(examples: list[Path]) -> Path:
    return next(path for path in examples if "sad" in path.name)


@pytest.fixture
def ask(beside: Client, clip: Path) -> Iterator[Any]:
    """Asks as people do, with OpenAI's own client."""
    with openai.OpenAI(base_url=f"{beside.base_url}/v1", api_key="none", max_retries=0) as client:

        def create(**options: Any) -> Any:
            return client.audio.transcriptions.create(file=clip, model="whisper-1", **options)

        yield create


def test_segments_and_words_have_emotions(ask: Any, beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    answer = ask(
        response_format="verbose_json", timestamp_granularities=["word", "segment"], language="de"
    ).to_dict()
    plain = json.loads((ANSWERS / "answer.verbose_json").read_bytes())
    added = {"emotion", "confidence", "scores"}
    for items in (answer["segments"], answer["words"]):
        for item in items:
            assert added | {"unsure"} <= item.keys()
            assert item["emotion"] == max(item["scores"], key=item["scores"].get)
            assert list(item["scores"]) == list(NAMES)
            assert "values" not in item  # lite measures none here
    assert answer["emotion"] == "sad"
    stripped = json.loads(
        json.dumps(answer), object_hook=lambda item: _without(item, added | {"unsure", "warnings"})
    )
    assert stripped == plain
    [asked] = fake.asked
    assert (asked.path, asked.name, asked.content) == (ROUTE, clip.name, clip.read_bytes())
    assert asked.headers["authorization"] == "Bearer topsecret"
    assert asked.fields == {
        "model": ["whisper-1"], "response_format": ["verbose_json"], "language": ["de"],
        "timestamp_granularities[]": ["word", "segment"],
    }  # fmt: skip
    assert not uploads(beside)


def uploads(client: Client) -> list[Path]:
    return [path for path in (client.outputs / ".emovox/service/uploads").iterdir() if path.is_file()]


def _without(item: dict[str, Any], names: set[str]) -> dict[str, Any]:
    return {key: value for key, value in item.items() if key not in names}


def test_what_is_stored_has_the_lines(beside: Client, clip: Path) -> None:
    answer = beside.post_file(clip, ROUTE, response_format="verbose_json")
    assert answer.is_success
    result = beside.get(f"{answer.headers['location']}/result").json()
    [line] = result["lines"]
    assert line["text"] == TEXT
    assert line["scores"] == answer.json()["segments"][0]["scores"]
    id_ = answer.headers["location"].rsplit("/", 1)[-1]
    again = beside.post_file(clip, "/v1/recognitions?store=false", words_of=id_).json()
    assert again["lines"] == result["lines"]
    answer = beside.post_file(clip, f"{ROUTE}?store=false&name=a.flac", response_format="verbose_json")
    assert "location" not in answer.headers


def test_words_are_only_taken_from_outputs_that_are_there(beside: Client, clip: Path) -> None:
    gone = beside.post_file(clip, "/v1/recognitions?words_of=outputs_20200101_000000")
    assert (gone.status_code, gone.json()["errors"][0]["reason"]) == (422, "there are no such outputs")
    assert beside.post_file(clip, "/v1/recognitions?words_of=../secret").status_code == 422
    assert beside.post_file(clip, f"{ROUTE}?words_of=outputs_20200101_000000").status_code == 422


def test_text_is_never_a_page(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    fake.answering = lambda _: (200, {"Content-Type": "text/html; charset=utf-8"}, [b"<b>Das</b>"])
    answer = beside.post_file(clip, ROUTE, response_format="text")
    assert (answer.headers["content-type"], answer.text) == ("text/plain; charset=utf-8", "<b>Das</b>")


def test_an_export_that_fails_costs_itself_alone(
    beside: Client, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    break_format(monkeypatch, "srt", ExportError("no pen"))
    told = "recognised, but not exported as srt: no pen"
    for segments in ("true", "false"):
        answer = beside.post_file(
            clip, f"{ROUTE}?export=srt,csv&segments={segments}", response_format="verbose_json"
        )
        assert (answer.status_code, answer.json()["emotion"]) == (200, "sad")
        assert json.loads(answer.headers["x-emovox-problem"])["detail"] == told
    answer = beside.post_file(clip, f"{ROUTE}?export=srt,csv&segments=true", stream="true")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: {")]
    assert [event["type"] for event in events][-2:] == ["emovox.done", "emovox.problem"]
    assert (events[-1]["kind"], events[-1]["detail"]) == ("export", told)
    place = beside.outputs / events[-2]["location"].rpartition("/")[2]
    assert (place / "segments.csv").exists()


def test_json_has_the_emotion_of_all_of_it_and_text_stays_text(ask: Any) -> None:
    answer = ask()
    assert (answer.text, answer.emotion) == (TEXT, "sad")
    assert sum(answer.scores.values()) == pytest.approx(1)
    assert ask(response_format="text") == f"{TEXT}\n"


@pytest.mark.parametrize(
    ("form", "cues", "marked"),
    [
        ("srt", None, f"[sad] {TEXT}"),
        ("srt", "class", f"<c.sad>{TEXT}</c>"),
        ("srt", "none", TEXT),
        ("vtt", None, f"<c.sad>{TEXT}</c>"),
        ("vtt", "prefix", f"[sad] {TEXT}"),
        ("vtt", "none", TEXT),
    ],
)
def test_captions_are_marked(ask: Any, form: str, cues: str | None, marked: str) -> None:
    plain = (ANSWERS / f"answer.{form}").read_text(encoding="utf-8")
    answer = ask(response_format=form, extra_query={} if cues is None else {"cues": cues})
    assert answer == plain.replace(TEXT, marked)


def test_events_are_passed_on_and_those_of_emotions_follow(
    ask: Any, beside: Client, fake: FakeTranscriber
) -> None:
    *said, first, second, done = ask(stream=True)
    assert "".join(event.delta for event in said[:-1]).strip() == TEXT
    assert (said[-1].type, said[-1].text) == ("transcript.text.done", TEXT)
    assert [event.type for event in (first, second, done)] == ["emovox.segment", "emovox.segment", "emovox.done"]
    for event in (first, second):
        assert 0 <= event.start < event.end < 5.5
        assert event.emotion in NAMES
    assert done.emotion == "sad"
    assert beside.get(done.location).is_success
    assert fake.asked[0].fields["stream"] == ["true"]


def test_events_come_before_the_last_is_written(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    gate = threading.Event()
    delta, rest = (
        b'data: {"type": "transcript.text.delta", "delta": "Das"}\n\n',
        b'data: {"type": "x"}\r\n\r\ndata: [DONE]\n\n',
    )

    class Pieces(list[bytes]):
        def __iter__(self) -> Iterator[bytes]:
            yield delta
            assert gate.wait(10)
            yield rest[:5]
            yield rest[5:]

    fake.answering = lambda _: (200, {"Content-Type": "text/event-stream; charset=utf-8"}, Pieces())
    files = {"file": ("a.flac", clip.read_bytes())}
    with beside.stream("POST", f"{ROUTE}?store=false", files=files, data={"stream": "true"}) as answer:
        pieces = answer.iter_bytes()
        content = next(pieces)
        assert content == delta
        gate.set()
        content += b"".join(pieces)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert content.startswith(delta + rest[:-14])
    assert content.endswith(b"data: [DONE]\n\n")
    assert content.count(b"event: emovox.segment\n") == 2
    assert b'"location"' not in content


def test_events_with_times_have_emotions_of_their_own(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    said = [
        {"type": "transcript.text.segment", "id": "s", "start": 0.1, "end": 2.0, "text": " Das", "speaker": "A"},
        {"task": "transcribe", "segments": [{"id": 1, "start": 2.0, "end": 4.0, "text": "Blatt"}]},
    ]
    pieces = [f"data: {json.dumps(item)}\n\n".encode() for item in said]
    fake.answering = lambda _: (200, {"Content-Type": "text/event-stream"}, pieces)
    content = beside.post_file(clip, ROUTE, stream="true").text
    assert content.startswith(b"".join(pieces).decode())
    events = [json.loads(line[6:]) for line in content.splitlines() if line.startswith('data: {"type": "emovox')]
    assert [(item["type"], item.get("text"), item.get("start")) for item in events] == [
        ("emovox.segment", "Das", 0.1), ("emovox.segment", "Blatt", 2.0), ("emovox.done", None, None)
    ]  # fmt: skip
    lines = beside.get(f"{events[-1]['location']}/result").json()["lines"]
    assert [line["text"] for line in lines] == ["Das", "Blatt"]


def test_one_that_does_not_stream_is_answered_at_once(
    ask: Any, beside: Client, fake: FakeTranscriber, clip: Path
) -> None:
    fake.answering = lambda asked: recorded(replace(asked, fields={}))
    answer = beside.post_file(clip, ROUTE, stream="true")
    assert (answer.headers["content-type"], answer.json()["emotion"]) == ("application/json", "sad")


def test_its_own_fields_stay(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    das = {"start": 0, "end": 3, "text": "Das", "confidence": 0.5}
    body: dict[str, Any] = {"text": "Das", "emotion": "HAPPY", "segments": [
        {**das, "words": [{"word": "Da", "start": 0, "end": 0.4}, {"word": "s", "start": 0.4, "end": 0.4}]},
        {"start": 60, "end": 70, "text": "Thank you for watching."}, {"no": "times"}, None,
    ]}  # fmt: skip
    fake.answering = saying(200, body)
    answer = beside.post_file(clip, ROUTE, response_format="verbose_json").json()
    assert answer["emotion"] == "HAPPY"
    first, invented, *others = answer["segments"]
    assert (first["emotion"], first["confidence"]) == ("sad", 0.5)
    assert all(word["emotion"] in NAMES for word in first["words"])
    assert first["words"][1]["end"] == 0.4
    assert invented == body["segments"][1]
    assert others == body["segments"][2:]


@pytest.mark.parametrize("content", [b"[1]", b"{", b"null", b"\xff", b""])
def test_what_cannot_be_read_is_passed_on(
    beside: Client, fake: FakeTranscriber, clip: Path, content: bytes
) -> None:
    fake.answering = lambda _: (200, {"Content-Type": "application/json"}, [content])
    answer = beside.post_file(clip, ROUTE)
    assert (answer.status_code, answer.content) == (200, content)
    assert answer.headers["location"].startswith("/v1/outputs/")


@pytest.mark.parametrize(
    ("answering", "status", "kind", "words"),
    [
        (saying(400, {"error": {"message": "no such model"}}), 400, "transcriber", "refuses: no such model"),
        (saying(422, {"detail": "language"}), 422, "transcriber", "refuses: language"),
        (saying(400, {"detail": {"error": {"message": "no srt"}}}), 400, "transcriber", "refuses: no srt"),
        (saying(415), 415, "transcriber", "refuses with 415"),
        (
            saying(401, {"error": {"message": "Incorrect API key: topsecret"}}),
            502,
            "transcriber",
            "EMOVOX_TRANSCRIBER_KEY",
        ),
        (saying(403), 502, "transcriber", "EMOVOX_TRANSCRIBER_KEY"),
        (saying(429, "slow down", Retry_After="7"), 503, "transcriber-busy", "busy"),
        (saying(500, "trouble"), 502, "transcriber", "answered 500"),
        (saying(302, Location="http://elsewhere.example/"), 502, "transcriber", "answered 302"),
        (lambda _: (200, {"Content-Length": "100"}, [b"{"]), 502, "transcriber", "broke off"),
    ],
)
def test_refusals_say_whose_they_are(
    ask: Any, fake: FakeTranscriber, beside: Client, clip: Path, answering: Any, status: int, kind: str, words: str
) -> None:
    fake.answering = answering
    answer = beside.post_file(clip, ROUTE)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    problem = answer.json()
    assert problem["type"] == f"urn:emovox:{kind}"
    assert words in problem["detail"]
    assert "topsecret" not in answer.text
    assert problem["error"]["message"] == problem["detail"]
    assert answer.headers.get("retry-after") == ("7" if status == 503 else None)
    with pytest.raises(openai.APIStatusError) as error:
        ask(stream=True)
    assert (error.value.status_code, error.value.body["message"]) == (status, problem["detail"])


def test_one_that_says_nothing_is_late(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    gate = threading.Event()
    fake.answering = waiting(gate)
    answer = beside.post_file(clip, ROUTE)
    gate.set()
    assert answer.status_code == 504
    assert "said nothing for 2 s (EMOVOX_TRANSCRIBER_TIMEOUT)" in answer.json()["detail"]


def test_one_that_is_away_is_said_to_be(tmp_path: Path, clip: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with serving(tmp_path / "outputs", transcriber=f"http://127.0.0.1:{port}") as client:
        answer = client.post_file(clip, ROUTE)
        assert answer.status_code == 502
        assert answer.json()["type"] == "urn:emovox:transcriber-unreachable"
        assert not list((tmp_path / "outputs").glob("outputs_*"))


def test_a_stream_that_breaks_off_is_an_error(ask: Any, fake: FakeTranscriber) -> None:
    head = {"Content-Type": "text/event-stream", "Content-Length": "1000"}
    fake.answering = lambda _: (200, head, [b'data: {"type": "transcript.text.delta", "delta": "Das"}\n\n'])
    stream = ask(stream=True)
    assert next(stream).delta == "Das"
    with pytest.raises(openai.APIError, match="broke off"):
        next(stream)


def test_words_come_even_where_the_recording_is_none(
    beside: Client, fake: FakeTranscriber, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("no recording")
    assert beside.post_file(path, ROUTE).json()["type"] == "urn:emovox:unreadable-audio"
    content = beside.post_file(path, ROUTE, stream="true").text
    assert "transcript.text.done" in content
    assert '"type": "emovox.problem"' in content
    assert content.endswith("data: [DONE]\n\n")


def test_without_a_transcriber_there_is_no_such_thing(shared: Client, clip: Path) -> None:
    answer = shared.post_file(clip, ROUTE)
    assert (answer.status_code, answer.json()["type"]) == (404, "urn:emovox:no-transcriber")
    assert "--transcriber URL" in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("query", "form", "status"),
    [
        ("side=boss", {}, 422),
        ("cues=loud", {}, 422),
        ("webhook=https://a.example", {}, 422),
        ("response_format=srt", {}, 422),  # of the transcriber, and so of the form
        ("", {"side": "boss"}, 200),  # of the transcriber, which may have such a thing
    ],
)
def test_the_query_is_ours_and_the_form_the_transcribers(
    beside: Client, fake: FakeTranscriber, clip: Path, query: str, form: dict[str, str], status: int
) -> None:
    assert beside.post_file(clip, f"{ROUTE}?{query}", **form).status_code == status
    assert [asked.fields for asked in fake.asked] == (
        [{key: [value] for key, value in form.items()}] if status == 200 else []
    )


def test_a_form_without_a_recording_goes_nowhere(beside: Client, fake: FakeTranscriber) -> None:
    assert beside.post(ROUTE, files={"x": (None, "y")}).status_code == 422
    assert beside.post(ROUTE, files={"file": ("a.wav", b"")}).status_code == 422
    assert beside.post(ROUTE, json={}).status_code == 415
    both = beside.post(ROUTE, files=[("file", ("a", b"x")), ("file", ("b", b"y"))])
    assert both.status_code == 413
    twice = beside.post(ROUTE, files=[("file", ("a", b"x")), ("model", (None, "a")), ("model", (None, "b"))])
    assert twice.status_code == 400
    assert not fake.asked


def test_a_policy_decides_before_sound_leaves(
    fake: FakeTranscriber, tmp_path: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy, log = tmp_path / "policy.toml", tmp_path / "use.jsonl"
    policy.write_text('profile = "eu"\nrequire = ["side"]\n')
    monkeypatch.setenv("EMOVOX_POLICY", str(policy))
    monkeypatch.setenv("EMOVOX_USE_LOG", str(log))
    with serving(tmp_path / "outputs", transcriber=fake.url) as client:
        refused = client.post_file(clip, ROUTE)
        assert (refused.status_code, refused.json()["type"]) == (422, "urn:emovox:policy")
        assert not fake.asked
        worker = client.post_file(clip, f"{ROUTE}?side=worker", response_format="verbose_json").json()
        assert worker["warnings"] == ["not_inferred"]
        assert not {"emotion", "scores"} & {*worker, *worker["segments"][0]}
        customer = client.post_file(clip, f"{ROUTE}?side=customer", response_format="verbose_json").json()
        assert customer["segments"][0]["emotion"] == "sad"
    entries = [json.loads(line) for line in log.read_text().splitlines()]
    assert [(entry["action"], entry.get("route", ""), entry.get("outcome")) for entry in entries] == [
        ("refused", f"POST {ROUTE}", 422),
        ("recognized", "", "talk time"), ("requested", f"POST {ROUTE}", None),
        ("recognized", "", "inferred"), ("requested", f"POST {ROUTE}", None),
    ]  # fmt: skip
    assert TEXT not in log.read_text()


def test_a_client_that_leaves_leaves_nothing(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    gate = threading.Event()
    fake.answering = waiting(gate)
    with pytest.raises(httpx.ReadTimeout):
        beside.post(ROUTE, files={"file": ("a.flac", clip.read_bytes())}, timeout=0.5)
    until(lambda: beside.service.admission.count == 0)
    until(lambda: not uploads(beside))
    gate.set()


def test_the_key_is_never_told(
    beside: Client,
    fake: FakeTranscriber,
    clip: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with caplog.at_level(logging.DEBUG):
        assert beside.post_file(clip, ROUTE).is_success
        fake.answering = saying(401)
        assert beside.post_file(clip, ROUTE).status_code == 502
    assert "topsecret" not in caplog.text
    assert "topsecret" not in repr(beside.service.settings)


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1/audio/transcriptions"),
        ("http://localhost:8000/", "http://localhost:8000/v1/audio/transcriptions"),
        ("https://a.example/whisper/v1/", "https://a.example/whisper/v1/audio/transcriptions"),
        ("http://10.0.0.1:8080/inference", "http://10.0.0.1:8080/inference"),
        ("http://a.example/v1/audio/transcriptions", "http://a.example/v1/audio/transcriptions"),
    ],
)
def test_addresses(url: str, address: str) -> None:
    assert str(Transcriber(url)._url) == address


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://a.example", "http://key@a.example/v1", "http://", "x"])
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(SettingsError, match="setting transcriber: give a URL"):
        Transcriber(url)


@pytest.mark.parametrize(
    "value", ["", " ", "a\0b", "\r\nX: y\r\n\r\n--", '"', "\U0001f600", "\u202e\u05d0", "9" * 8000]
)
def test_fields_are_handed_on_as_they_are(beside: Client, fake: FakeTranscriber, clip: Path, value: str) -> None:
    both = [("include[]", (None, value)), ("include[]", (None, "b"))]
    files: list[tuple[str, Any]] = [("prompt", (None, value)), *both, ("file", ("Größe.flac", clip.read_bytes()))]
    assert beside.post(f"{ROUTE}?store=false", files=files).is_success
    [asked] = fake.asked
    assert asked.fields == {"prompt": [value], "include[]": [value, "b"]}
    assert asked.content == clip.read_bytes()


def test_hostile_forms_and_answers(beside: Client, fake: FakeTranscriber, clip: Path) -> None:
    content = clip.read_bytes()[:500]
    for value in VALUES:
        files = [("file", ("x", content)), ("stream", (None, value)), ("response_format", (None, value))]
        streamed = value == b"true"  # of which the words are passed on all the same
        assert beside.post(ROUTE, files=files).status_code in ({200} if streamed else {413, 422})
    for name in TEXTS:
        assert beside.post(ROUTE, files=[("file", (name, content))]).status_code in {400, 422}
    for value in VALUES[::4]:
        fake.answering = _streaming(value, b"\n\n", b'data: {"segments": [{"start": ', value, b"}]}\n\n")
        assert "emovox.problem" in beside.post(ROUTE, files={"file": ("x", content)}, data={"stream": "true"}).text


def _streaming(*pieces: bytes) -> Answering:
    return lambda _: (200, {"Content-Type": "text/event-stream"}, [*pieces])
