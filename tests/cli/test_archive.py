import csv
import http.server
import io
import json
import re
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet
import pytest

from emovox.archive import Archive
from emovox.archive.outputs_directory import read_directory
from emovox.archive.record import ArchiveRecord
from emovox.archive.watching import Watch
from emovox.errors import ArchiveError
from emovox.inference.recognizer import Recognizer
from emovox.outputs import Outputs
from emovox.server.database import open_database, owner, state_directory
from emovox.server.jobs.jobs import Jobs, NewJob
from emovox.settings import settings
from emovox.signature import SIGNATURE, sign
from support import poison, tiny
from support.depths import too_deep
from support.records import classic, without_nine

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def kept(run: Run) -> list[Path]:
    """Six directories of another program, archived."""
    places = [
        classic(
            Path(f"outputs/outputs_20240104_22300{number}"),
            np.random.default_rng(number).standard_normal((3, 4)),
            key=f"call {number}",
            scores={"happy": number / 10, "sad": 1 - number / 10},
            emotion="sad" if number < 5 else "happy",
            timestamp=f"2024-01-04 22:30:0{number}",
        )
        for number in range(6)
    ]
    assert run("archive", "import", "outputs") == (0, "", "6 new, 0 already there, 0 unreadable\n")
    return places


def test_import_again_and_with_failures(run: Run, kept: list[Path]) -> None:
    (classic(Path("outputs/bad")) / "result.json").write_text("{")
    code, _, err = run("archive", "import", "outputs", "nowhere")
    assert code == 1
    assert "0 new, 6 already there, 2 unreadable" in err
    assert "Error: outputs/bad: can't be read" in err
    assert "Error: nowhere: no such directory" in err
    assert Path("outputs.db").is_file()


def test_import_names_directories_that_can_t_be_read(run: Run) -> None:
    for name in ("a", "b"):
        classic(Path("old", name), key=name)
    last = too_deep(Path("old"))
    code, _, err = run("archive", "import", "old", last)
    assert code == 1
    assert err == "2 new, 0 already there, 2 unreadable\n" + 2 * f"Error: {last}: File name too long\n"


def test_list_and_show(run: Run, kept: list[Path]) -> None:
    code, out, _ = run("archive", "list")
    assert code == 0
    assert [line.rsplit("  ", 1)[1] for line in out.splitlines()] == [
        f"call {number}" for number in range(5, -1, -1)
    ]
    assert "😊 happy" in out.splitlines()[0]
    assert "快乐" in run("archive", "list", "--labels", "zh")[1]
    code, out, err = run("archive", "list", "--filter", "emotion=sad", "--limit", "2", "--format", "jsonl")
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["name"] for row in rows] == ["call 4", "call 3"]
    shown = run("archive", "show", rows[0]["id"][:10])[1]
    assert "call 4" in shown
    assert "4 numbers" in shown
    assert json.loads(run("archive", "show", str(kept[4]), "--format", "json")[1])["id"] == rows[0]["id"]
    code, _, err = run("archive", "show", "ffffffffff")
    assert (code, "nothing in the archive" in err) == (1, True)
    assert run("archive", "list", "--filter", "colour=red")[0] == 2


@pytest.mark.parametrize("url", ["", "sqlite:///named/a.db"])
@pytest.mark.parametrize(
    ("code", "out", "command"),
    [
        (0, "", "archive list"),
        (0, "[]\n", "archive list --format json"),
        (0, "0 recordings (0:00.0), 0 recognitions\n", "archive stats"),
        (0, None, "archive stats --format json"),
        (0, None, "archive export"),
        (0, "", "archive export --format jsonl"),
        (0, "", "archive tag complaint --filter emotion=angry"),
        (0, "", "archive delete --filter emotion=angry --yes"),
        (1, "", "archive tag complaint 3f9a12c0ffee"),
        (1, "", "archive show 3f9a12c0ffee"),
        (1, "", "similar 3f9a12c0ffee"),
        (1, "", "map"),
    ],
)
def test_looking_makes_no_archive(
    run: Run, monkeypatch: pytest.MonkeyPatch, url: str, code: int, out: str | None, command: str
) -> None:
    monkeypatch.setenv("EMOVOX_DATABASE", url)
    settings.cache_clear()
    where = "the database that EMOVOX_DATABASE names" if url else Path("outputs.db").absolute()
    ended, printed, err = run(*command.split())
    assert ended == code
    assert out in {None, printed}
    assert f"the archive is empty ({where}): `emovox recognize --archive`" in err
    assert not list(Path().iterdir())


def test_an_archive_that_is_there_and_empty_is_said_to_be(run: Run) -> None:
    Archive().close()
    assert "the archive is empty" in run("archive", "list")[2]
    classic(Path("outputs/outputs_20240104_223000"))
    assert run("archive", "import", "outputs")[0] == 0
    assert run("archive", "list", "--filter", "emotion=sad") == (0, "", "")


def test_the_archive_is_that_of_the_outputs_named(run: Run, examples: list[Path]) -> None:
    elsewhere = Path("far/away")
    names = [path.name for path in examples[:2]]
    for path in examples[:2]:
        assert run("recognize", path, "--outputs", elsewhere, "--archive", "--quiet")[0] == 0
    assert Path("far/away.db").is_file()
    assert not Path("outputs.db").exists()
    assert "the archive is empty" in run("archive", "list")[2]

    def look(*words: object) -> str:
        code, out, _ = run(*words, "--outputs", elsewhere)
        assert code == 0
        return str(out)

    id_ = look("archive", "list").split()[0]
    [directory] = [item.outputs for item in Archive("far/away.db").lookup(id_)]
    assert directory is not None
    assert directory.name in look("archive", "show", directory.name)
    look("archive", "tag", "complaint", id_)
    assert "complaint" in look("archive", "stats")
    assert all(name in look("archive", "export") for name in names)
    assert names[0] in look("similar", examples[1])
    look("map", "map.html")
    look("archive", "delete", id_, "--yes")
    assert len(list(elsewhere.glob("outputs_*"))) == 1
    classic(elsewhere / "outputs_20240104_223000")
    assert "outputs_20240104_223000" in look("archive", "watch", "--once")
    look("archive", "import", elsewhere)
    assert settings().outputs == Path("outputs")
    assert not Path("outputs.db").exists()


def test_exports(run: Run, kept: list[Path]) -> None:
    code, out, _ = run("archive", "export")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert code == 0
    assert [float(row["sad"]) for row in rows] == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9, 1.0])
    lines = run("archive", "export", "--format", "jsonl", "--embedding", "--filter", "name=call 2")[1].splitlines()
    expected = np.load(kept[2] / "embedding.npy").mean(axis=0)
    np.testing.assert_allclose(json.loads(lines[0])["embedding"], expected, atol=1e-3)
    assert run("archive", "export", "--format", "parquet", "--output", "a.parquet", "--embedding")[0] == 0
    table = pyarrow.parquet.read_table("a.parquet")
    assert table.num_rows == 6
    np.testing.assert_allclose(table["embedding"][3].as_py(), expected, atol=1e-3)
    assert table["created"][0].as_py().tzinfo is not None
    assert run("archive", "export", "--format", "parquet")[0] == 2
    assert run("archive", "export", "--embedding")[0] == 2


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_an_export_that_fails_leaves_the_old_file(
    run: Run, kept: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    file = tmp_path / "new" / "a.table"
    file.parent.mkdir()
    file.write_text("old")
    facts, count = ArchiveRecord.to_dict, 0

    def failing(record: ArchiveRecord) -> dict[str, Any]:
        nonlocal count
        count += 1
        if count == 3:
            raise ArchiveError("the database went away")
        return facts(record)

    monkeypatch.setattr(ArchiveRecord, "to_dict", failing)
    code, _, err = run("archive", "export", "--format", form, "--output", str(file))
    assert (code, "the database went away" in err) == (1, True)
    assert [path.read_text() for path in file.parent.iterdir()] == ["old"]
    assert run("archive", "export", "--format", form, "--output", str(file))[0] == 0
    assert file.stat().st_size > 500
    assert len(list(file.parent.iterdir())) == 1


def test_tags_and_stats(run: Run, kept: list[Path]) -> None:
    assert run("archive", "tag", "投诉", str(kept[1]), str(kept[2])) == (0, "", "2 recordings\n")
    assert run("archive", "tag", "old", "--filter", "until=2025-01-01")[2] == "6 recordings\n"
    stats = json.loads(run("archive", "stats", "--format", "json")[1])
    assert stats["by_tag"] == {"old": 6, "投诉": 2}
    assert stats["by_emotion"] == {"happy": 1, "sad": 5}
    text = run("archive", "stats", "--filter", "tag=投诉")[1]
    assert text.startswith("2 recordings")
    assert "#投诉" in run("archive", "list", "--filter", "tag=投诉")[1]
    run("archive", "tag", "投诉", str(kept[1]), "--remove")
    assert json.loads(run("archive", "stats", "--format", "json")[1])["by_tag"]["投诉"] == 1
    assert run("archive", "tag", "x")[0] == 2


@pytest.fixture
def foreign(run: Run) -> list[Path]:
    """Outputs directories of a model of five classes of its own, of one of values, and of one of embeddings."""
    sound = (0.5 * np.sin(np.arange(16_000) / 20) + 0.25).astype(np.float32)
    directories = []
    for readouts in ((tiny.FOREIGN,), (tiny.DIMENSIONS,), ()):
        recognizer = Recognizer(tiny.write(Path("tiny.onnx"), readouts=readouts))
        result = recognizer.recognize((sound, 16_000), embedding=True, segments=True)
        with Outputs("outputs").draft() as draft:
            draft.write(sound)
            directories.append(draft.publish(result))
    return directories


def test_models_without_the_nine(run: Run, foreign: list[Path]) -> None:
    assert run("archive", "import", "outputs") == (0, "", "3 new, 0 already there, 0 unreadable\n")
    code, out, _ = run("archive", "list")
    assert code == 0
    nothing, values, classes = out.splitlines()
    assert re.search(r"  noia +\d\d\.\d %  outputs", classes), classes
    assert re.search(r"  arousal 0\.\d\d, dominance 0\.\d\d, valence 0\.\d\d  outputs", values), values
    assert re.search(r"  – +outputs", nothing), nothing
    for word, count in (("emotion=noia", 1), ("emotion.rabbia>=0.5", 0), ("arousal>0.2", 1), ("valence>0.9", 0)):
        assert len(run("archive", "list", "--filter", word)[1].splitlines()) == count, word
    assert run("archive", "list", "--filter", "emotion=bored")[0] == 2
    shown = [run("archive", "show", path.name) for path in foreign]
    assert [code for code, _, _ in shown] == [0] * 3
    assert re.search(r"\nemotion\n +\d\d\.\d %  noia\n +\d\d\.\d %  calma\n", shown[0][1])
    assert re.search(r"\ndimensions, 0 … 1\n +0\.\d\d  arousal\n", shown[1][1])
    assert "None" not in "".join(out for _, out, _ in shown)
    facts = json.loads(run("archive", "show", foreign[0].name, "--format", "json")[1])
    assert (facts["emotion"], facts["readouts"]["emotion"]["label"]) == (None, "noia")


def test_tables_of_models_without_the_nine(run: Run, foreign: list[Path]) -> None:
    tables = [run("table", "recordings")]
    assert run("archive", "import", "outputs")[0] == 0
    tables += [run("archive", "export"), run("table", "recordings", "--archive")]
    for code, out, _ in tables:
        assert code == 0
        rows = {row["outputs"].rpartition("/")[2]: row for row in csv.DictReader(io.StringIO(out))}
        classes, values, nothing = (rows[path.name] for path in foreign)
        assert (classes["emotion"], classes["emotion.label"]) == ("", "noia")
        assert float(classes["emotion.noia"]) == float(classes["emotion.confidence"]) > 0.2
        assert 0.2 < float(values["dimensions.arousal"]) < 0.4
        assert {value for name, value in nothing.items() if "." in name} == {""}
    code, out, _ = run("archive", "export", "--filter", "arousal>0")
    assert "emotion.rabbia" not in out
    assert run("archive", "export", "--format", "parquet", "--embedding", "--output", "a.parquet")[0] == 0
    table = pyarrow.parquet.read_table("a.parquet")
    assert sorted(table["emotion.label"].to_pylist(), key=str) == [None, None, "noia"]


def test_similar_and_map_of_models_without_the_nine(run: Run) -> None:
    with Archive() as archive:
        archive.add_records(without_nine(number) for number in range(4))
    id_ = without_nine(1).id
    for words in ((), ("--segments",)):
        code, out, _ = run("similar", id_, "--filter", "emotion=calma", *words)
        assert code == 0
        assert "calma           50.0 %  3.wav" in out
    assert run("map", "--method", "pca")[0] == 0


def test_watch_of_a_model_without_the_nine(run: Run, foreign: list[Path]) -> None:
    code, out, err = run("archive", "watch", "--once", "--run", "sh -c 'cat >> seen.jsonl; echo >> seen.jsonl' {}")
    assert (code, err, len(out.splitlines())) == (0, "", 3)
    facts = [json.loads(line) for line in Path("seen.jsonl").read_text().splitlines()]
    assert [item["emotion"] for item in facts] == [None] * 3
    assert sorted(name for item in facts for name in item["readouts"]) == ["dimensions", "emotion"]


def test_delete(run: Run, kept: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    assert run("archive", "delete", str(kept[0]))[0] == 0
    assert kept[0].exists()
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    assert run("archive", "delete", str(kept[0]))[0] == 0
    assert not kept[0].exists()
    assert run("archive", "delete", "--filter", "name=call 1", "--yes", "--keep-outputs")[0] == 0
    assert kept[1].exists()
    (kept[2] / "result.json").write_text('{"scores": {"sad": 1}}')  # somebody else's by now
    code, _, err = run("archive", "delete", str(kept[2]), str(kept[3]), "--yes")
    assert (code, "holds another result" in err) == (1, True)
    assert (kept[2].exists(), kept[3].exists()) == (True, False)
    (kept[4] / "embedding.npy").write_bytes(b"damaged")
    assert run("archive", "delete", str(kept[4]), "--yes")[0] == 0
    assert not kept[4].exists()
    with Archive() as archive:
        assert {item.name for item in archive.all()} == {"call 5"}
    assert run("archive", "delete", "--filter", "name=nobody")[2] == "nothing to delete\n"
    assert run("archive", "delete")[0] == 2


def test_what_the_service_knows_is_deleted_too(run: Run, kept: list[Path]) -> None:
    assert run("archive", "delete", str(kept[0]), "--yes")[0] == 0
    assert not state_directory().exists()  # no service has worked here, and none is needed
    database = open_database()
    jobs = Jobs(database, owner(state_directory()))
    made = jobs.add([NewJob(place.name, {}, "0" * 32, None) for place in kept])
    for job, place in zip(made, kept, strict=True):
        jobs.next()
        assert jobs.finish(job.id, "done", output=place.name)
    (kept[2] / "result.json").write_text('{"scores": {"sad": 1}}')  # not what was archived: it stays
    assert run("archive", "delete", str(kept[1]), str(kept[2]), "--yes")[0] == 1
    left = {job.name for job in jobs.page(state=None, before=None, limit=9)}
    assert left == {place.name for place in kept} - {kept[1].name}
    database.dispose()


def test_recognize_into_the_archive(run: Run, examples: list[Path]) -> None:
    code, _, err = run("recognize", *examples[:3], "--archive", "--segments", "--quiet", "--model", "lite")
    assert (code, err) == (0, "")
    assert not list(Path("outputs").glob("*/*.npy"))
    assert run("archive", "import", "outputs")[2] == "0 new, 3 already there, 0 unreadable\n"
    with Archive() as archive:
        found = list(archive.all())
        assert {item.link for item in found} == {str(path) for path in examples[:3]}
        vectors = [archive.embedding(item.id) for item in found]
        assert all(vector is not None and len(vector) == 384 for vector in vectors)
        assert all(archive.segments(item.id) for item in found)
    assert run("recognize", examples[3], "--archive", "--no-save", "--granularity", "frame", "--quiet")[0] == 0
    assert run("recognize", examples[3], "--granularity", "frame", "--embedding", "--archive", "--quiet")[0] == 0
    code, out, _ = run("similar", examples[0], "--k", "9", "--format", "json", "--model", "lite")
    near = json.loads(out)
    assert code == 0
    assert sorted(item["name"] for item in near) == sorted(path.name for path in examples[1:4])
    code, out, _ = run("similar", examples[0], "--segments", "--filter", "emotion=sad", "--raw", "--labels", "zh")
    assert code == 0
    assert all("悲伤" in line for line in out.splitlines()[1:])
    (by_name,) = {item["name"] for item in near if item["similarity"] == max(i["similarity"] for i in near)}
    with Archive() as archive:
        own = next(item for item in archive.all() if item.name == examples[0].name)
    assert by_name in run("similar", own.id[:12], "--k", "1")[1]
    assert run("similar", "nothing.wav")[0] == 1
    Path("two\nlines.flac").write_bytes(examples[4].read_bytes())
    assert run("recognize", "two\nlines.flac", "--archive", "--no-save", "--quiet", "--model", "lite")[0] == 0
    assert "two�lines.flac" in run("similar", own.id[:12])[1]
    code, out, err = run("similar", own.id[:12], "--filter", "tag=none")
    assert (code, out, "nothing to compare it with" in err) == (0, "", True)


def test_embeddings_are_the_same_by_frame_and_in_the_file(run: Run, examples: list[Path]) -> None:
    run(
        "recognize",
        examples[0],
        "--granularity",
        "frame",
        "--embedding",
        "--archive",
        "--quiet",
        "--model",
        "lite",
    )
    (place,) = Path("outputs").glob("outputs_*")
    with Archive() as archive:
        (found,) = archive.all()
        kept = archive.embedding(found.id)
    np.testing.assert_allclose(kept, np.load(place / "embedding.npy").mean(axis=0), rtol=2e-3, atol=1e-4)  # type: ignore[arg-type]


def test_watch_runs_and_tells(run: Run, kept: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[str, bytes]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            told.append((self.headers[SIGNATURE], self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    monkeypatch.setenv("EMOVOX_WEBHOOK_SECRET", "s")
    settings.cache_clear()
    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever).start()
    try:
        new = classic(Path("outputs/outputs_20240105_000000"), scores={"sad": 1}, key="new one")
        command = "sh -c 'cat > seen.json; echo \"$0\" > place' {}"
        url = f"http://127.0.0.1:{server.server_port}/x"
        code, out, err = run("archive", "watch", "--once", "--run", command, "--webhook", url)
    finally:
        server.shutdown()
        server.server_close()
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert "new one" in out
    assert json.loads(Path("seen.json").read_text())["name"] == "new one"
    assert Path("place").read_text().strip() == str(new.absolute())
    ((signature, body),) = told
    assert json.loads(body)["output"]["name"] == "new one"
    assert signature == sign("s", signature.partition(",")[0][2:], body)
    assert run("archive", "watch", "--once", "--run", "false")[:2] == (0, "")
    assert run("archive", "watch", "--once", "--webhook", "example.org/emotions")[0] == 2
    assert "none is not there yet" in run("archive", "watch", "none", "--once")[2]
    classic(Path("outputs/outputs_20240106_000000"), scores={"sad": 1}, key="another")
    code, _, err = run("archive", "watch", "--once", "--run", "false")
    assert (code, "false failed with exit code 1" in err) == (1, True)


def test_watch_tells_of_what_others_archived_at_once(
    run: Run, kept: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def twice(watch: Watch, *, every: float) -> Iterator[ArchiveRecord | ArchiveError]:
        assert list(watch.look()) == []
        with Archive() as archive:  # as `recognize --archive` and the service do
            archive.add_records([read_directory(classic(Path("outputs/outputs_20240105_000000"), key="new"))])
        shutil.copytree(kept[0], "outputs/copy")
        yield from watch.look()

    monkeypatch.setattr(Watch, "run", twice)
    code, out, err = run("archive", "watch", "--run", "sh -c 'echo \"$0\" >> places' {}")
    assert (code, err, len(out.splitlines())) == (0, "", 1)
    assert Path("places").read_text() == f"{Path('outputs/outputs_20240105_000000').absolute()}\n"


def test_a_map(run: Run, kept: list[Path]) -> None:
    code, _, err = run("map", "--method", "pca")
    assert code == 0
    assert err.startswith("map.html: 6 recordings by pca")
    assert "call 5" in Path("map.html").read_text(encoding="utf-8")
    assert run("map", "none/map.html")[0] == 1
    assert run("map", "--filter", "name=nobody")[0] == 1


def test_what_is_missing_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "alembic" else name)
    code, _, err = run("archive", "list")
    assert (code, "pip install alembic" in err) == (2, True)


@pytest.mark.parametrize("command", ["import", "list", "show", "export", "stats", "tag", "delete", "watch"])
def test_help_has_examples(run: Run, command: str) -> None:
    code, out, _ = run("archive", command, "--help")
    assert code == 0
    assert f"emovox archive {command}" in out


def test_a_clip_that_kills_its_decoder_is_said(
    run: Run, kept: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    poison.poison(monkeypatch, tmp_path)
    Path("evil.wav").write_bytes(poison.CRASH)
    code, out, err = run("similar", "evil.wav", "--model", "lite")
    assert (code, out) == (1, "")
    assert err.startswith("Error: evil.wav: decoding it broke the decoder")
