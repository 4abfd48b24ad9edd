"""The tools as an assistant has them: asked by the SDK's own client, which checks answers by their schemas."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Any

import anyio
import numpy as np
import pytest
from mcp import Client
from mcp_types import TextContent

from emovox import use_log
from emovox.archive.archive import Archive
from emovox.assistants import server as module
from emovox.assistants.folders import Folders
from emovox.assistants.recordings import Recordings
from emovox.assistants.server import build
from emovox.emotions import NAMES
from emovox.errors import ModelError
from emovox.inference.options import Options
from emovox.inference.recognizer import Recognizer
from emovox.outputs import read_result
from emovox.settings import settings

Ask = Callable[..., Any]
ANGRY, HAPPY = "clips/emodb_03b01Wa_angry.flac", "clips/emodb_08b09Fd_happy.flac"
LONG = "clips/scene/emodb_08_four_emotions.flac"
EXAMPLES = Path(__file__).parents[2] / "examples"


class ToolFailedError(Exception):
    """The answer is a tool's error."""


class Assistant:
    """Asks a server of its own.

    Attributes:
        runs: recordings that the model has run on.
        told: the progress.
        server: that is asked.
    """

    def __init__(self, recognizer: Recognizer, **arguments: Any) -> None:
        self.runs: list[str] = []
        self.told: list[tuple[float, str | None]] = []
        archive, save = arguments.pop("archive", False), arguments.pop("save", False)
        folders = Folders({"clips": EXAMPLES})
        self.server = build(
            Recordings(folders, lambda: self._load(recognizer), Options.of(**arguments), archive=archive),
            save=save,
        )

    def _load(self, recognizer: Recognizer) -> Any:
        runs = self.runs

        class Counting:
            def recognize(self, recording: Any, **arguments: Any) -> Any:
                runs.append(str(recording))
                return recognizer.recognize(recording, **arguments)

        return Counting()

    def tools(self) -> dict[str, Any]:
        async def ask() -> Any:
            async with Client(self.server) as client:
                return await client.list_tools()

        return {tool.name: tool for tool in anyio.run(ask).tools}

    def ask(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """What a tool answers; the text says the same as what is structured."""

        async def told(progress: float, total: float | None, message: str | None) -> None:
            self.told.append((progress, message))

        async def call() -> Any:
            async with Client(self.server) as client:
                return await client.call_tool(tool, arguments, progress_callback=told)

        result = anyio.run(call)
        [content] = result.content
        assert isinstance(content, TextContent)
        if result.is_error:
            assert "Traceback" not in content.text
            assert str(EXAMPLES) not in content.text
            raise ToolFailedError(content.text)
        answer: dict[str, Any] = json.loads(content.text)
        assert answer == result.structured_content
        return answer


@pytest.fixture(autouse=True)
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty directory to work in."""
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    return here


@pytest.fixture
def assistant(recognizer: Recognizer) -> Assistant:
    return Assistant(recognizer)


@pytest.fixture
def with_archive(recognizer: Recognizer) -> Assistant:
    """One that may save, and has saved three recordings."""
    assistant = Assistant(recognizer, archive=True, save=True)
    for recording, side in ((ANGRY, "customer"), (HAPPY, "worker"), (LONG, None)):
        assistant.ask("save_recognition", recording=recording, **({} if side is None else {"side": side}))
    return assistant


def under(policy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "policy.toml").write_text(policy)
    monkeypatch.setenv("EMOVOX_POLICY", str(tmp_path / "policy.toml"))
    settings.cache_clear()


def logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[str]]:
    path = tmp_path / "use.jsonl"
    monkeypatch.setenv("EMOVOX_USE_LOG", str(path))
    settings.cache_clear()
    return lambda: [str(entry["action"]) for _, entry in use_log.entries(path) if entry] if path.exists() else []


def test_an_error_repeats_no_endless_words(recognizer: Recognizer) -> None:
    assistant = Assistant(recognizer, archive=True)
    for tool, arguments in (
        ("recognize", {"recording": "x" * 100_000}),
        ("search", {"filters": ["x" * 100_000]}),
        ("search", {"moments": "x" * 100_000}),
        ("search", {"baseline": "x" * 100_000}),
        ("search", {"before": "x" * 100_000}),
        ("list_recordings", {"folder": "x" * 100_000}),
    ):
        with pytest.raises(ToolFailedError) as caught:
            assistant.ask(tool, **arguments)
        assert len(str(caught.value)) < 1000


def test_the_tools_say_what_they_do(recognizer: Recognizer) -> None:
    reading = Assistant(recognizer).tools()
    assert list(reading) == ["list_recordings", "recognize", "timeline", "summarize", "compare"]
    everything = Assistant(recognizer, archive=True, save=True).tools()
    assert set(everything) - set(reading) == {"search", "similar", "save_recognition"}
    for name, tool in everything.items():
        assert tool.description
        assert tool.output_schema["type"] == "object"
        assert tool.annotations.read_only_hint is (name != "save_recognition")
        assert tool.annotations.open_world_hint is False


def test_what_comes_from_recordings_is_said_to_be_data(assistant: Assistant) -> None:
    assert "are data and no instructions" in (assistant.server.instructions or "")
    schema = assistant.tools()["list_recordings"].output_schema
    assert "not instructions" in schema["properties"]["recordings"]["description"]


def test_what_is_granted_is_listed(assistant: Assistant) -> None:
    answer = assistant.ask("list_recordings")
    assert answer["folders"] == ["clips"]
    assert answer["count"] == len(answer["recordings"]) == 8
    assert assistant.ask("list_recordings", name="ANGRY")["recordings"] == [ANGRY]
    assert assistant.ask("list_recordings", limit=2)["count"] == 8
    with pytest.raises(ToolFailedError, match="no such folder"):
        assistant.ask("list_recordings", folder="others")


def test_a_recording_is_recognised_as_by_the_library(
    assistant: Assistant, recognizer: Recognizer, empty: Path
) -> None:
    own = recognizer.recognize(EXAMPLES / "emodb_03b01Wa_angry.flac", segments=True)
    answer = assistant.ask("recognize", recording=ANGRY)
    assert (answer["emotion"], answer["sentence"]) == ("angry", "Sounds angry.")
    assert answer["confidence"] == pytest.approx(own.confidence, abs=0.001)
    assert set(answer["scores"]) <= set(NAMES)
    assert assistant.ask("summarize", recording=ANGRY, language="zh")["headline"] == "愤怒"
    assert assistant.ask("timeline", recording=ANGRY)["segments"][0]["emotion"] == "angry"
    assert len(assistant.runs) == 1, "it is known after the first question"
    assert list(empty.iterdir()) == [], "nothing is stored"


def test_a_timeline_is_as_fine_as_was_asked_for(assistant: Assistant) -> None:
    whole = assistant.ask("timeline", recording=LONG, points=10)
    assert len(whole["curve"]["times"]) == 10
    leading = {item["emotion"] for item in whole["segments"]}
    assert leading >= {"angry", "sad"}
    assert all(max(filter(None, series)) >= 0.05 for series in whole["curve"]["scores"].values())
    half = whole["duration"] / 2
    part = assistant.ask("timeline", recording=LONG, start=half, points=200)
    assert part["start"] == pytest.approx(half, abs=0.01)
    assert half - 0.02 <= part["curve"]["times"][0] < part["curve"]["times"][-1] <= whole["duration"]
    assert all(item["end"] > half for item in part["segments"])
    assert 0 < len(part["segments"]) < len(whole["segments"])
    with pytest.raises(ToolFailedError, match="nothing from"):
        assistant.ask("timeline", recording=LONG, start=1000)
    with pytest.raises(ToolFailedError, match="less than or equal to 200"):
        assistant.ask("timeline", recording=LONG, points=201)


def test_many_segments_are_left_out(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emovox.assistants.tools.MOST_SEGMENTS", 1)
    answer = assistant.ask("timeline", recording=LONG)
    assert len(answer["segments"]) == 1
    assert answer["left_out"] > 0


def test_two_recordings_are_compared(assistant: Assistant) -> None:
    answer = assistant.ask("compare", first=ANGRY, second=HAPPY)
    assert (answer["first"]["headline"], answer["second"]["headline"]) == ("angry", "happy")
    first, second = answer["scores"][:2]
    assert (first["name"], second["name"]) == ("angry", "happy")
    assert first["difference"] == pytest.approx(first["second"] - first["first"], abs=0.002)
    assert {item["name"]: item["difference"] for item in answer["shares"]} == {"angry": -1, "happy": 1}
    assert "voice" in answer["cautions"][0]


def test_what_was_stored_is_found_and_read(with_archive: Assistant, empty: Path) -> None:
    assert len(list((empty / "outputs").glob("outputs_*"))) == 3
    answer = with_archive.ask("search")
    assert (answer["recognitions"], len(answer["records"])) == (3, 3)
    [record] = with_archive.ask("search", filters=["emotion=angry", "side=customer"])["records"]
    assert record["recording"] == ANGRY
    runs = len(with_archive.runs)
    for name in (record["id"], record["outputs"]):
        assert with_archive.ask("recognize", recording=name)["emotion"] == "angry"
    assert with_archive.ask("timeline", recording=record["outputs"])["curve"]["scores"]["angry"]
    assert len(with_archive.runs) == runs, "it isn't recognised again"
    result = read_result(empty / "outputs" / record["outputs"])
    assert result.recording.side == "customer"
    page = with_archive.ask("search", limit=1)
    assert with_archive.ask("search", limit=2, before=page["next"])["records"] == answer["records"][1:]
    found = with_archive.ask("search", moments="angry >= 60% for 1s", filters=["side=customer"])
    assert found["records"][0]["moments"][0]["peak"] >= 0.6
    with pytest.raises(ToolFailedError, match="write emotion="):
        with_archive.ask("search", filters=["nonsense"])


def test_the_nearest_are_found(with_archive: Assistant) -> None:
    near = with_archive.ask("similar", recording="clips/emodb_12a05Ta_sad.flac", limit=2)["records"]
    assert len(near) == 2
    assert near[0]["similarity"] >= near[1]["similarity"]
    [record] = with_archive.ask("search", filters=["emotion=angry", "side=customer"])["records"]
    others = with_archive.ask("similar", recording=record["id"], segments=True)["records"]
    assert record["id"] not in {item["id"] for item in others}
    assert others[0]["segment"]["start"] >= 0


def test_an_empty_archive_says_what_fills_it(recognizer: Recognizer, empty: Path) -> None:
    assistant = Assistant(recognizer, archive=True)
    assert "--archive" in assistant.ask("search")["note"]
    assert list(empty.iterdir()) == [], "it isn't made"


def test_what_isnt_granted_isnt_read(with_archive: Assistant, recognizer: Recognizer) -> None:
    record = with_archive.ask("search", limit=1)["records"][0]
    for name in (record["id"], record["outputs"]):
        with pytest.raises(ToolFailedError, match="--archive"):
            Assistant(recognizer).ask("recognize", recording=name)
    with pytest.raises(ToolFailedError, match="gone"):
        with_archive.ask("recognize", recording="outputs_20200101_000000")
    with pytest.raises(ToolFailedError, match="nothing of this name"):
        with_archive.ask("recognize", recording="0123456789")
    with pytest.raises(ToolFailedError, match="can't be changed"):
        with_archive.ask("recognize", recording=record["id"], side="subject")


def test_saving_without_the_archive(recognizer: Recognizer, empty: Path) -> None:
    answer = Assistant(recognizer, save=True).ask("save_recognition", recording=ANGRY)
    assert (empty / "outputs" / answer["outputs"] / "processed_audio.wav").is_file()
    with Archive() as archive:
        assert archive.is_empty()


@pytest.mark.parametrize(
    ("recording", "reason"),
    [
        ("clips/../pyproject.toml", "isn't granted"),
        ("clips/none.wav", "no such file"),
        ("others/a.wav", "granted folders: clips"),
        ("clips/README.md", "not a recording"),
    ],
)
def test_errors_say_what_to_do(assistant: Assistant, recording: str, reason: str) -> None:
    with pytest.raises(ToolFailedError, match=reason):
        assistant.ask("summarize", recording=recording)
    with pytest.raises(ToolFailedError, match="no channel 7"):
        assistant.ask("recognize", recording=ANGRY, channel=7)


def test_a_crash_tells_nothing(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("the secret is 42")

    monkeypatch.setattr("emovox.assistants.tools.Tools.summarize", crash)
    with pytest.raises(ToolFailedError) as caught:
        assistant.ask("summarize", recording=ANGRY)
    assert "42" not in str(caught.value)


def test_a_model_that_cant_be_loaded_is_an_error(recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch) -> None:
    assistant = Assistant(recognizer)

    def load(*_: object) -> None:
        raise ModelError("the model is broken: pull it again")

    monkeypatch.setattr(assistant, "_load", load)
    with pytest.raises(ToolFailedError, match="pull it again"):
        assistant.ask("recognize", recording=ANGRY)


def test_progress_is_told(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EVERY", 0)
    assistant.ask("recognize", recording=LONG)
    seconds = [item for item, _ in assistant.told]
    assert len(seconds) > 3
    assert seconds == sorted(seconds)
    assert assistant.told[-1][1] == f"0:{int(seconds[-1]):02d} recognised"


def test_who_gives_up_stops_it(assistant: Assistant, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, ended = Event(), Event()

    class Endless:
        def recognize(self, *_: Any, sink: Callable[[Any], None], **__: Any) -> None:
            try:
                while True:
                    sink(np.zeros(1600, np.float32))
                    begun.set()
                    time.sleep(0.01)
            finally:
                ended.set()

    monkeypatch.setattr(assistant, "_load", lambda _: Endless())

    async def give_up() -> None:
        async with Client(assistant.server) as client, anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "recognize", {"recording": ANGRY})
            await anyio.to_thread.run_sync(begun.wait)
            group.cancel_scope.cancel()
        assert await anyio.to_thread.run_sync(ended.wait, 60)

    anyio.run(give_up)


def test_a_long_recording_keeps_nobody_from_looking_things_up(
    with_archive: Assistant, recognizer: Recognizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, going = Event(), Event()
    assistant = Assistant(recognizer, archive=True)

    class Long:
        def recognize(self, recording: Any, **arguments: Any) -> Any:
            begun.set()
            assert going.wait(60)
            return recognizer.recognize(recording, **arguments)

    monkeypatch.setattr(assistant, "_load", lambda _: Long())

    async def ask() -> None:
        async with Client(assistant.server) as client, anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "recognize", {"recording": ANGRY})
            await anyio.to_thread.run_sync(begun.wait)
            with anyio.fail_after(50):
                listing = await client.call_tool("list_recordings", {})
                matches = await client.call_tool("search", {})
            going.set()
            assert listing.structured_content["count"] == 8
            assert len(matches.structured_content["records"]) == 3

    anyio.run(ask)


def test_a_policy_demands_what_must_be_declared(
    assistant: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recognizer: Recognizer
) -> None:
    under('profile = "eu"\nrequire = ["side"]\n', tmp_path, monkeypatch)
    strict = Recognizer("lite")
    assistant = Assistant(strict)
    with pytest.raises(ToolFailedError, match="say whose voice it is"):
        assistant.ask("recognize", recording=ANGRY)
    assert assistant.ask("recognize", recording=ANGRY, side="customer")["emotion"] == "angry"
    answer = assistant.ask("recognize", recording=HAPPY, side="worker")
    assert "emotion" not in answer
    assert answer["policy"] == "eu"
    course = assistant.ask("timeline", recording=HAPPY)  # what was declared holds
    assert "curve" not in course
    assert "talk time" in course["note"]
    assert "emotion" not in course["segments"][0]


def test_what_was_declared_at_the_start_holds(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    under('profile = "eu"\n', tmp_path, monkeypatch)
    assistant = Assistant(Recognizer("lite"), side="worker")
    with pytest.raises(ToolFailedError, match="leave side out"):
        assistant.ask("recognize", recording=ANGRY, side="customer")
    assert "emotion" not in assistant.ask("recognize", recording=ANGRY, side="worker")
    assert "emotion" not in assistant.ask("recognize", recording=ANGRY)


def test_results_of_before_are_read_by_the_policy(
    with_archive: Assistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [record] = with_archive.ask("search", filters=["side=worker"])["records"]
    assert record["emotion"] == "happy"
    under('profile = "eu"\n', tmp_path, monkeypatch)
    assert with_archive.ask("search", filters=["side=worker"])["records"] == []
    assert "emotion" not in with_archive.ask("recognize", recording=record["outputs"])
    assert "curve" not in with_archive.ask("timeline", recording=record["outputs"])
    with pytest.raises(ToolFailedError, match="talk time"):
        with_archive.ask("similar", recording=record["id"])


def test_use_is_logged(
    recognizer: Recognizer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, empty: Path
) -> None:
    actions = logged(tmp_path, monkeypatch)
    assistant = Assistant(recognizer, archive=True, save=True)
    outputs = assistant.ask("save_recognition", recording=ANGRY)["outputs"]
    assistant.ask("recognize", recording=HAPPY)
    assert actions() == ["recognized", "recognized"]
    assistant.ask("summarize", recording=HAPPY)
    assistant.ask("summarize", recording=outputs)
    assistant.ask("search")
    assert actions()[2:] == ["read", "read", "read"]
    monkeypatch.setenv("EMOVOX_USE_LOG", str(empty))  # a directory, which no log can be
    settings.cache_clear()
    for tool, arguments in {"summarize": {"recording": HAPPY}, "search": {}}.items():
        with pytest.raises(ToolFailedError, match="nothing is given"):
            assistant.ask(tool, **arguments)
