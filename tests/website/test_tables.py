"""The page "From tables to plots", run from top to bottom like a notebook, on the examples."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from emovox.emotions import NAMES
from support import tiny

pd = pytest.importorskip("pandas")
matplotlib = pytest.importorskip("matplotlib")

ROOT = Path(__file__).parents[2]
RSCRIPT = shutil.which("Rscript")
TABLES = ("shares", "one", "curve", "speakers", "means")


class Cell(NamedTuple):
    """A block of the page: `python`, `r`, `shell` or `list`."""

    kind: str
    text: str


def cells(name: str) -> list[Cell]:
    text = (ROOT / "docs" / name).read_text("utf-8")
    found = []
    for match in re.finditer(r"^```(\w+)\n(.*?)^```$|((?:^ {4}\S[^\n]*\n)+)", text, re.MULTILINE | re.DOTALL):
        if match[1]:
            found.append(Cell(match[1], match[2]))
        else:
            block = re.sub(r"^ {4}|(?<=\S) {2,}.*$", "", match[3], flags=re.MULTILINE)
            found.append(Cell("list" if block.startswith("path,") else "shell", block))
    return found


class Notebook:
    """The page's blocks, run where the recordings are; Python keeps its names from one to the next."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.names: dict[str, Any] = {"__name__": "notebook"}
        self.cells = cells("tables.md")

    def run(self, word: str, *, model: Path | None = None) -> None:
        """Run the first block that has a word."""
        cell = next(cell for cell in self.cells if word in cell.text)
        if cell.kind == "list":
            (self.directory / "calls.csv").write_text(cell.text, "utf-8")
        elif cell.kind == "python":
            exec(compile(cell.text, word, "exec"), self.names)  # noqa: S102  the page's own
        elif cell.kind == "r":
            (self.directory / "page.R").write_text(
                cell.text + 'write.csv(means, "means-r.csv")\nwrite.csv(curve, "curve-r.csv")\n'
                'write.csv(as.data.frame(shares), "shares-r.csv")\n'
            )
            subprocess.run([str(RSCRIPT), "--vanilla", "page.R"], cwd=self.directory, check=True)
        else:
            for line in cell.text.splitlines():
                program, *arguments = line.replace("MODEL", str(model)).split()
                assert program == "emovox"
                subprocess.run([sys.executable, "-m", program, *arguments], cwd=self.directory, check=True)

    def tables(self) -> dict[str, Any]:
        """Those of the block that ran last, as pandas has them, in one order and without nested columns."""
        tables = {name: self.names[name] for name in TABLES}
        frames = {
            n: table if isinstance(table, pd.DataFrame) else table.to_pandas() for n, table in tables.items()
        }
        return {
            name: frame.drop(columns=["readouts", "embedding", "second_"], errors="ignore")
            for name, frame in frames.items()
        }


@pytest.fixture(scope="module")
def _place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The recordings, recognised as the page says."""
    directory = tmp_path_factory.mktemp("study")
    for path in (ROOT / "examples").rglob("*.flac"):
        shutil.copy(path, directory)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EMOVOX_MODEL", "lite")
        patch.setenv("EMOVOX_CONFIG", str(directory / "none.toml"))
        patch.setenv("EMOVOX_CACHE", str(directory / "cache"))
        notebook = Notebook(directory)
        notebook.run("path,")
        notebook.run("--segments")
    return directory


@pytest.fixture
def notebook(_place: Path, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    monkeypatch.chdir(_place)
    monkeypatch.setenv("EMOVOX_MODEL", "lite")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    matplotlib.use("agg")
    return Notebook(_place)


def is_drawn(path: Path) -> bool:
    """Whether a file is a PNG with something in it."""
    image = pytest.importorskip("matplotlib.image").imread(path)
    return (
        path.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
        and min(image.shape[:2]) > 200
        and image[..., :3].std() > 0.05
    )


def same(tables: dict[str, Any], others: dict[str, Any]) -> None:
    for name, table in tables.items():
        columns = [column for column in table.columns if column in others[name].columns]
        assert len(columns) >= 3, name
        pd.testing.assert_frame_equal(
            table[columns].reset_index(drop=True), others[name][columns], check_dtype=False, obj=name, rtol=1e-9
        )


def test_both_languages_have_the_same() -> None:
    assert cells("tables.md") == cells("tables.zh-CN.md")


def test_each_block_is_run_by_a_test() -> None:
    words = ["mkdir study", *re.findall(r'notebook\.run\("([^"]+)"', Path(__file__).read_text("utf-8"))]
    page = Notebook(Path()).cells
    assert {next(index for index, cell in enumerate(page) if word in cell.text) for word in words} == set(
        range(len(page))
    )


def test_pandas(notebook: Notebook) -> None:
    notebook.run("read_parquet")
    notebook.run("def draw")
    tables = notebook.tables()
    assert tables["shares"].groupby("speaker")["share"].sum().tolist() == pytest.approx([1] * 7)
    assert list(tables["one"]["emotion"].drop_duplicates()) == ["neutral", "angry", "sad", "happy"]
    assert set(NAMES) < set(tables["one"].columns)
    assert tables["curve"]["count"].iloc[0] == 8
    assert tables["means"]["condition"].tolist() == ["calm", "heated"]
    assert tables["means"]["count"].tolist() == [4, 4]
    calm, heated = tables["means"]["mean"]
    assert calm < heated
    for name in ("shares", "course", "conditions"):
        assert is_drawn(notebook.directory / f"{name}.png"), name


@pytest.mark.parametrize("package", ["polars", "duckdb"])
def test_other_programs_make_the_same_tables(notebook: Notebook, package: str) -> None:
    pytest.importorskip(package, reason="scripts/full.sh installs it: polars and duckdb are 250 MB")
    notebook.run("read_parquet")
    notebook.run("def draw")
    tables = notebook.tables()
    if package == "polars":
        notebook.run("import polars")
    else:
        notebook.run("import duckdb")
    same(tables, notebook.tables())
    for name in ("shares", "course", "conditions"):
        assert is_drawn(notebook.directory / f"{name}-{package}.png"), name


@pytest.mark.skipif(RSCRIPT is None, reason="needs R: r-base-core")
def test_r(notebook: Notebook) -> None:
    notebook.run("read_parquet")
    tables = notebook.tables()
    notebook.run("archive export")
    notebook.run("barplot")
    for name in ("shares", "course", "conditions"):
        assert is_drawn(notebook.directory / f"{name}-r.png"), name
    for name in ("means", "curve"):
        table = pd.read_csv(notebook.directory / f"{name}-r.csv")
        for column in ("mean", "sem", "count"):
            assert table[f"angry.{column}"].tolist() == pytest.approx(
                tables[name][column].tolist(), abs=2e-6, nan_ok=True
            )
    shares = pd.read_csv(notebook.directory / "shares-r.csv", dtype={"speaker": str}).query("Freq > 0")
    assert shares["Freq"].tolist() == pytest.approx(tables["shares"]["share"].tolist(), abs=2e-6)


@pytest.mark.slow
def test_values(notebook: Notebook, tmp_path: Path) -> None:
    notebook.run("--model MODEL", model=tiny.write(tmp_path / "tiny.onnx", readouts=(tiny.DIMENSIONS,)))
    notebook.run("plot.scatter")
    assert len(notebook.names["values"].dropna()) == 8
    assert is_drawn(notebook.directory / "plane.png")


@pytest.mark.slow
def test_datasets(notebook: Notebook) -> None:
    pytest.importorskip("datasets", reason="scripts/full.sh installs it")
    notebook.run("to_parquet")
    notebook.run("dataset.parquet --out")
    notebook.run("from_parquet")
    joined = notebook.names["dataset"]
    expected = pd.read_parquet("results/recognitions").set_index("path")
    for row in joined:
        assert row["emotion"] == expected["emotion"][row["audio"]["path"]]
        assert row["confidence"] == pytest.approx(expected["confidence"][row["audio"]["path"]])
    notebook.run("dataset.map")
    assert notebook.names["dataset"]["emotion"] == joined["emotion"]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::Warning")  # audformat calls what pandas warns of
def test_audformat(notebook: Notebook, capfd: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("audformat")
    notebook.run("emovox table")
    notebook.run("import audformat")
    capfd.readouterr()
    notebook.run("emovox evaluate")
    assert "weighted accuracy    0.938" in capfd.readouterr().out  # 15 of 16
    assert len(pd.read_parquet("again/recognitions")) == 8
