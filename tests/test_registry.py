import logging
import sys
from pathlib import Path

import pytest

from emovox.errors import ExportError
from emovox.registry import Plugin, Registry

GROUP = "test.words"


def install(site: Path, package: str, version: str, entries: dict[str, str], **modules: str) -> None:
    """A package as it lies there when pip has installed it."""
    facts = site / f"{package}-{version}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    lines = [f"{name} = {value}" for name, value in entries.items()]
    (facts / "entry_points.txt").write_text("\n".join([f"[{GROUP}]", *lines]) + "\n")
    for name, text in modules.items():
        (site / f"{name}.py").write_text(text)


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "site"
    path.mkdir()
    monkeypatch.syspath_prepend(path)
    return path


def registry(**built_in: str) -> Registry[str]:
    def check(name: str, item: str, others: object) -> None:
        assert others
        if item == "":
            raise ValueError("it is empty")

    return Registry(GROUP, str, built_in or {"own": "built in"}, ExportError, check=check)


def test_built_in_ones_come_first_and_plugins_by_package(site: Path) -> None:
    install(site, "zebra", "1.0", {"a": "words_z:WORD"}, words_z="WORD = 'z'")
    install(site, "ape", "2.0", {"c": "words_a:WORD", "b": "words_a:WORD"}, words_a="WORD = 'a'")
    words = registry(own="built in", other="too")
    assert list(words) == ["own", "other", "b", "c", "a"]
    assert len(words) == 5
    assert dict(words) == {"own": "built in", "other": "too", "a": "z", "b": "a", "c": "a"}
    assert words.plugins() == [
        Plugin(GROUP, "b", "ape", "2.0"), Plugin(GROUP, "c", "ape", "2.0"), Plugin(GROUP, "a", "zebra", "1.0"),
    ]  # fmt: skip
    assert words.plugin("a") == Plugin(GROUP, "a", "zebra", "1.0")
    assert words.plugin("own") is None


def test_nothing_is_imported_before_it_is_used(site: Path) -> None:
    install(site, "late", "1.0", {"late": "words_late:WORD"}, words_late="WORD = 'late'")
    words = registry()
    assert "late" in words
    assert list(words) == ["own", "late"]
    assert words["own"] == "built in"
    assert "words_late" not in sys.modules
    assert words["late"] == "late"
    assert "words_late" in sys.modules


def test_one_that_fails_names_its_package_and_what_to_do(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(site, "broken", "0.3", {"x": "words_x:WORD"}, words_x="import a_package_that_is_gone")
    install(site, "leaving", "1.0", {"y": "words_y:WORD"}, words_y="raise SystemExit('bye')")
    install(site, "wrong", "1.0", {"n": "words_n:WORD", "e": "words_n:EMPTY"}, words_n="WORD, EMPTY = 3, ''")
    install(site, "good", "1.0", {"g": "words_g:WORD"}, words_g="WORD = 'good'")
    words = registry()
    with pytest.raises(ExportError) as caught:
        words["x"]
    message = str(caught.value)
    assert message.startswith(
        "x, from the package broken 0.3, can't be used: ModuleNotFoundError: No module named "
        "'a_package_that_is_gone'. Install another version with `"
    )
    assert message.endswith(" -m pip install --upgrade broken`, or uninstall it")
    with caplog.at_level(logging.WARNING, "emovox.plugins"):
        assert dict(words.usable()) == {"own": "built in", "g": "good"}
        assert dict(words.usable()) == {"own": "built in", "g": "good"}
    assert len(caplog.messages) == 4  # each once
    assert message in caplog.messages
    assert {plugin.package: plugin.problem for plugin in words.plugins() if plugin.name != "e"} == {
        "broken": "ModuleNotFoundError: No module named 'a_package_that_is_gone'",
        "good": "",
        "leaving": "SystemExit: bye",
        "wrong": "words_n:WORD is no str",
    }
    assert [plugin.problem for plugin in words.plugins() if plugin.name == "e"] == ["it is empty"]


def test_names_that_are_taken_are_refused_in_words(site: Path, caplog: pytest.LogCaptureFixture) -> None:
    install(site, "usurper", "1.0", {"own": "words_u:WORD", "Bad Name": "words_u:WORD"}, words_u="WORD = 'u'")
    install(site, "ape", "1.0", {"word": "words_u:WORD"})
    install(site, "bear", "1.0", {"word": "words_u:WORD"})
    words = registry()
    assert list(words) == ["own", "word"]
    assert words["own"] == "built in"
    assert words.plugin("word") == Plugin(GROUP, "word", "ape", "1.0")
    assert [(plugin.package, plugin.problem) for plugin in words.plugins() if plugin.problem] == [
        ("bear", "ape 1.0 has that name already"),
        ("usurper", "its name must be of small letters, digits and _"),
        ("usurper", "own is built in, and stays what it is"),
    ]
    assert len(caplog.messages) == 3


def test_a_mistake_of_a_plugin_is_raised_in_its_name(site: Path) -> None:
    install(site, "ape", "1.0", {"word": "words_m:WORD"}, words_m="WORD = 'm'")
    words = registry()
    assert words["word"]
    with (
        pytest.raises(
            ExportError,
            match=r"^writing it failed in the package ape 1\.0: ZeroDivisionError: .* \(test_registry\.py, line ",
        ),
        words.blamed("word", "writing it"),
    ):
        1 / 0  # noqa: B018
    with pytest.raises(ExportError, match=r"^its own words$"), words.blamed("word", "writing it"):
        raise ExportError("its own words")
    with pytest.raises(ZeroDivisionError), words.blamed("own", "writing it"):
        1 / 0  # noqa: B018


def test_damaged_metadata_stop_nobody(site: Path) -> None:
    install(site, "bare", "1.0", {"word": "words_d:WORD"}, words_d="WORD = 'd'")
    (site / "bare-1.0.dist-info" / "METADATA").unlink()
    assert registry()["word"] == "d"
