from pathlib import Path

import pytest

from emovox.errors import SettingsError
from emovox.settings import ServiceSettings, config_path, misspelt, settings, survey


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
    with pytest.raises(SettingsError, match="lables is not a setting: did you mean labels"):
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


def test_variables_that_are_misspelt(monkeypatch: pytest.MonkeyPatch) -> None:
    assert misspelt() == []
    monkeypatch.setenv("EMOVOX_OUTPTS", "here")
    monkeypatch.setenv("EMOVOX_ZZZ", "")
    assert misspelt() == [
        "EMOVOX_OUTPTS is not a setting: did you mean EMOVOX_OUTPUTS?",
        "EMOVOX_ZZZ is not a setting; `emovox config show` lists all settings",
    ]


def test_a_survey_has_what_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    monkeypatch.setenv("EMOVOX_CONFIG", str(file))
    file.write_text("lables = 'zh'\nmax_duration = 90\n[service]\nport = 'high'", encoding="utf-8")
    monkeypatch.setenv("EMOVOX_THREADS", "many")
    monkeypatch.setenv("EMOVOX_OUTPUTS", "")
    rows, problems = survey()
    settings_by_name = {row.name: row for row in rows}
    assert (settings_by_name["max_duration"].value, settings_by_name["max_duration"].origin) == (90, "config file")
    assert settings_by_name["outputs"].origin == "default"
    threads, port = settings_by_name["threads"], settings_by_name["port"]
    assert (threads.value, threads.origin) == (None, "EMOVOX_THREADS")
    assert "integer" in (threads.problem or "")
    assert "integer" in (port.problem or "")
    assert problems == [f"{file}: lables is not a setting: did you mean labels?"]
    file.write_text("labels = [")
    assert "can't be read" in survey()[1][0]


def test_the_services_settings_stand_in_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "config.toml"
    file.write_text("max_duration = 60\n[service]\nmax_jobs = 5\nport = 8000\n", encoding="utf-8")
    monkeypatch.setenv("EMOVOX_CONFIG", str(file))
    monkeypatch.setenv("EMOVOX_PORT", "9000")
    service = settings().service
    assert (settings().max_duration, service.max_jobs, service.port) == (60, 5, 9000)
    file.write_text("[service]\nlabels = 'zh'\n", encoding="utf-8")
    settings.cache_clear()
    with pytest.raises(SettingsError, match="labels is not a setting"):
        settings()
    file.write_text("service = 5\n", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"\[service\]"):
        settings()


OLD = {  # of 0.1.0
    "batch_files": "max_batch_files", "hearers": "inference_threads", "hosts": "allowed_hosts", "jobs": "max_jobs",
    "models": "max_models", "origins": "cors_origins", "outputs_size": "max_outputs_size",
    "streams": "max_streams", "uploads": "max_uploads", "uploads_size": "max_uploads_size",
    "waveforms_size": "max_waveforms_size",
}  # fmt: skip


@pytest.mark.parametrize("name", OLD)
def test_an_old_name_in_the_environment_is_refused_with_the_new_one(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(f"EMOVOX_{name.upper()}", "7")
    with pytest.raises(SettingsError, match=f"EMOVOX_{name.upper()} is now EMOVOX_{OLD[name].upper()}$"):
        settings()
    assert OLD[name] in ServiceSettings.model_fields
    assert misspelt() == []  # they would be said twice
    assert len(survey()[1]) == 1


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("jobs = 5", "jobs is now max_jobs in the table [service]"),
        ("port = 8000", "port is now port in the table [service]"),
        ("[service]\njobs = 5", "jobs is now max_jobs in the table [service]"),
    ],
)
def test_old_names_and_places_in_the_file_are_refused_with_the_new_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: str, says: str
) -> None:
    file = tmp_path / "config.toml"
    file.write_text(line, encoding="utf-8")
    monkeypatch.setenv("EMOVOX_CONFIG", str(file))
    with pytest.raises(SettingsError) as caught:
        settings()
    assert str(caught.value) == f"{file}: {says}"
