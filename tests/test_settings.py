from pathlib import Path

import pytest

from emovox.errors import SettingsError
from emovox.settings import config_path, settings


def test_defaults() -> None:
    defaults = settings()
    assert (defaults.model, defaults.outputs, defaults.labels) == ("auto", Path("outputs"), "en")
    assert (defaults.max_duration, defaults.max_file_size) == (6 * 3600, 2 * 2**30)


def test_environment_over_file_over_defaults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text('labels = "zh"\nmax_duration = 60\n', encoding="utf-8")
    monkeypatch.setenv("EMOVOX_CONFIG", str(file))
    monkeypatch.setenv("EMOVOX_MAX_DURATION", "90")
    assert (settings().labels, settings().max_duration, settings().threads) == ("zh", 90, 0)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("EMOVOX_MAX_DURATION", "-1", "EMOVOX_MAX_DURATION"),
        ("EMOVOX_LABELS", "fr", "'en' or 'zh'"),
        ("EMOVOX_THREADS", "many", "threads"),
    ],
)
def test_bad_values_say_where_they_come_from(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, says: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError, match=says):
        settings()


def test_bad_files_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("EMOVOX_CONFIG", str(file))
    file.write_text("labels = [")
    with pytest.raises(SettingsError, match=r"config\.toml can't be read"):
        settings()
    file.write_text("lables = 'zh'")
    with pytest.raises(SettingsError, match="lables"):
        settings()


def test_where_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOVOX_CONFIG")
    assert config_path().name == "config.toml"
    assert "emovox" in str(config_path())


def test_where_models_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert settings().cache == tmp_path / "cache"
    monkeypatch.delenv("EMOVOX_CACHE")
    settings.cache_clear()
    assert "emovox" in str(settings().cache)
    assert settings().offline is False
