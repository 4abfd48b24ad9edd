"""One settings object: EMOVOX_* environment variables over a config file over defaults."""

import difflib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from os import environ
from pathlib import Path
from typing import Any, Literal

from platformdirs import user_cache_path, user_config_path, user_data_path
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic.fields import FieldInfo

from emovox.errors import SettingsError

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

_NOT_SETTINGS = ("EMOVOX_CONFIG", "EMOVOX_PAGE")  # where the file is; whether installing builds the page
_RENAMED = {  # names of 0.1, which are refused with the new one
    "batch_files": "max_batch_files",
    "hearers": "inference_threads",
    "hosts": "allowed_hosts",
    "jobs": "max_jobs",
    "models": "max_models",
    "origins": "cors_origins",
    "outputs_size": "max_outputs_size",
    "streams": "max_streams",
    "uploads": "max_uploads",
    "uploads_size": "max_uploads_size",
    "waveforms_size": "max_waveforms_size",
}


class ServiceSettings(BaseModel):
    """The settings of `emovox serve` alone, in the table `[service]` of `config.toml`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="address to listen on")
    port: int = Field(7860, ge=0, le=65535, description="port to listen on; 0: any free port")
    no_keys: bool = Field(False, description="listen on any address without API keys")
    allowed_hosts: str = Field("", description="other host names it may be reached by, between commas; * for any")
    cors_origins: str = Field(
        "", description="origins of web pages that may use it, between commas, such as https://a.example"
    )
    rate_limit: int = Field(600, ge=0, description="requests a minute for each API key; 0: no limit")
    queue_size: int = Field(64, gt=0, description="recordings being decoded, waiting or being inferred at once")
    inference_threads: int = Field(2, gt=0, le=64, description="recordings inferred at the same time")
    decoders: int = Field(0, ge=0, le=256, description="decoding processes; 0: one per usable core")
    upload_stall: float = Field(10, gt=0, description="seconds an upload may stall")
    upload_rate: int = Field(
        4096, ge=0, description="bytes a second that an upload must reach after the first 30 s"
    )
    max_uploads: int = Field(256, gt=0, description="most uploads received at once")
    max_uploads_size: int = Field(
        32 * 2**30, gt=0, description="most bytes of uploads, received and waiting, at once"
    )
    max_waveforms_size: int = Field(
        4 * 2**30, gt=0, description="most bytes of decoded recordings on disk at once; one is always allowed"
    )
    max_streams: int = Field(16, gt=0, description="most live streams at once")
    sync_seconds: float = Field(60, ge=0, description="longer recordings become jobs")
    max_batch_files: int = Field(1000, gt=0, description="most recordings in one batch")
    max_jobs: int = Field(10_000, gt=0, description="most jobs waiting")
    max_models: int = Field(2, gt=0, description="most models in memory at once")
    model_idle: float = Field(900, gt=0, description="seconds after which an unused model is unloaded")
    retention_days: float = Field(
        0, ge=0, le=365_000, description="days after which outputs and jobs are deleted; 0: never"
    )
    max_outputs_size: int = Field(
        0, ge=0, description="bytes of outputs beyond which the oldest are deleted; 0: no limit"
    )
    keep_sound_days: float = Field(
        0, ge=0, le=365_000, description="days for which sound is kept where `keep` is `scores`; 0: not at all"
    )
    notice: Path | None = Field(
        None, description="text file that tells who speaks what happens; the page shows it before it listens"
    )
    transcriber: str = Field(
        "",
        max_length=2000,
        description="URL of a transcriber with OpenAI's interface, to which /v1/audio/transcriptions sends sound; "
        "by default there is none",
    )
    transcriber_key: SecretStr = Field(SecretStr(""), description="key that the transcriber demands")
    transcriber_timeout: float = Field(
        600, gt=0, le=86_400, description="seconds that the transcriber may say nothing"
    )
    label_studio_url: str = Field(
        "",
        max_length=2000,
        description="URL of a Label Studio that this service pre-labels recordings for, and fetches them from; by "
        "default there is none",
    )
    label_studio_api_key: SecretStr = Field(
        SecretStr(""), description="access token of Label Studio, of somebody who sees its projects"
    )
    webhook_url: str = Field("", max_length=2000, description="URL that is notified of every finished job")
    webhook_secret: SecretStr = Field(SecretStr(""), description="key of the webhooks' HMAC-SHA256")
    webhook_private: bool = Field(False, description="allow webhooks to private addresses")


class Settings(BaseModel):
    """What users may set once instead of on every call.

    The file is `config.toml` in the user's configuration directory (`emovox --help` names it), or the one that
    `EMOVOX_CONFIG` points to; a key `max_duration` there is the variable `EMOVOX_MAX_DURATION`, and a key
    `max_jobs` in its table `[service]` is `EMOVOX_MAX_JOBS`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    model: str = Field("auto", description="name or path of the model")
    map: Path | None = Field(None, description="JSON file that says which of the nine each label of `model` is")
    outputs: Path = Field(Path("outputs"), description="where outputs directories are made")
    engine: Literal["auto", "onnxruntime", "openvino"] = Field(
        "auto", description="the engine that runs the model"
    )
    labels: Literal["en", "zh"] = Field("en", description="language of the emotions shown")
    max_duration: float = Field(6 * 3600, gt=0, description="longest recording, seconds")
    max_file_size: int = Field(2 * 2**30, gt=0, description="largest file, bytes")
    threads: int = Field(0, ge=0, le=256, description="threads of the model; 0: one per usable core")
    decoder_memory: int = Field(
        2 * 2**30, ge=2**29, description="address space of a decoding process, bytes (on Linux)"
    )
    decode_stall: float = Field(20, gt=0, description="seconds without progress after which decoding is abandoned")
    cache: Path = Field(
        default_factory=lambda: user_cache_path("emovox", appauthor=False),
        description="where downloaded and converted models are kept",
    )
    heads: Path = Field(
        default_factory=lambda: user_data_path("emovox", appauthor=False) / "heads",
        description="where trained heads are kept",
    )
    baselines: Path = Field(
        default_factory=lambda: user_data_path("emovox", appauthor=False) / "baselines",
        description="where baselines are kept",
    )
    added_models: Path = Field(
        default_factory=lambda: user_data_path("emovox", appauthor=False) / "models",
        description="where models are kept that were added from a file",
    )
    database: SecretStr = Field(
        SecretStr(""), description="SQLAlchemy URL of the database of archive and service; by default SQLite files"
    )
    policy: str | None = Field(
        None,
        min_length=1,
        description="of whose voice emotions may be inferred: `open` (of everybody's, as by default), `eu` (of "
        "workers and pupils only talk time), or path of a policy.toml, which the profile `research` needs",
    )
    keep: Literal["all", "scores"] = Field(
        "all", description="what outputs directories keep: `scores` means no sound, no processed_audio.wav"
    )
    use_log: Path | None = Field(
        None, description="file to which each use is appended: who, what, when, and never what came out"
    )
    offline: bool = Field(False, description="never go online, not even for `emovox models pull`")
    service: ServiceSettings = Field(default_factory=ServiceSettings)


_OWN = {name: field for name, field in Settings.model_fields.items() if name != "service"}
_SERVICE = ServiceSettings.model_fields
FIELDS: dict[str, FieldInfo] = {**_OWN, **_SERVICE}
"""Every setting by name, those of the service last."""


def config_path() -> Path:
    """The config file, whether or not it exists."""
    named = environ.get("EMOVOX_CONFIG")
    return Path(named) if named else user_config_path("emovox", appauthor=False) / "config.toml"


_options: dict[str, Any] = {}


@contextmanager
def given(**values: Any) -> Iterator[None]:
    """A block in which these settings, from a command's options, override all others."""
    _options.update(values)
    settings.cache_clear()
    try:
        yield
    finally:
        for name in values:
            del _options[name]
        settings.cache_clear()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a value out of range, an unknown key, an old name, or a file that isn't TOML.
    """
    sources = _Sources()
    if sources.unreadable:
        raise SettingsError(sources.unreadable)
    if sources.unknown:
        raise SettingsError(sources.unknown[0])
    try:
        service = ServiceSettings(**{name: value for name, value in sources.values.items() if name in _SERVICE})
        values = {name: value for name, value in sources.values.items() if name in _OWN}
        return Settings(**values, service=service)
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise SettingsError(f"setting {name}: {first['msg']} (from {sources.places[name]})") from error


@dataclass(frozen=True)
class Setting:
    """A setting and its present value.

    Attributes:
        name: as in `config.toml`.
        value: the effective one; None if the given one can't be used.
        origin: `default`, `config file`, or the name of the variable.
        problem: what is wrong with the given value.
    """

    name: str
    value: Any
    origin: str
    problem: str | None = None


def survey() -> tuple[list[Setting], list[str]]:
    """Every setting on its own, whatever is wrong with the others; and other problems, a sentence each."""
    sources = _Sources()
    problems = [*misspelt(), *([sources.unreadable] if sources.unreadable else []), *sources.unknown]
    rows = []
    for name, field in FIELDS.items():
        if name not in sources.values:
            rows.append(Setting(name, field.get_default(call_default_factory=True), "default"))
            continue
        source = sources.places[name]
        origin = "config file" if source == str(config_path()) else source
        try:
            model = Settings if name in _OWN else ServiceSettings
            value = getattr(model(**{name: sources.values[name]}), name)
            rows.append(Setting(name, value, origin))
        except ValidationError as error:
            rows.append(Setting(name, None, origin, error.errors()[0]["msg"]))
    return rows, problems


def misspelt() -> list[str]:
    """Variables named like settings that aren't any, a sentence each: other programs may own them."""
    variables = {*(f"EMOVOX_{name.upper()}" for name in (*FIELDS, *_RENAMED)), *_NOT_SETTINGS}
    names = sorted(
        name for name in environ if name.upper().startswith("EMOVOX_") and name.upper() not in variables
    )
    return [_unknown(name) for name in names]


class _Sources:
    """The settings in the file and the environment.

    Attributes:
        values: by name.
        places: where each comes from: the file's path, or the variable.
        unknown: keys of the file that aren't settings, and variables with old names, a sentence each.
        unreadable: why the file can't be read.
    """

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.places: dict[str, str] = {}
        self.unknown: list[str] = []
        self.unreadable = ""
        self._read_file()
        self._read_environment()
        self.values.update(_options)
        self.places.update({name: f"--{name}" for name in _options})

    def _read_file(self) -> None:
        path = config_path()
        try:
            content = tomllib.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            self.unreadable = f"{path} can't be read: {error}"
            return
        table = content.pop("service", {})
        if not isinstance(table, dict):
            self.unknown.append(f"{path}: service must be a table, [service]")
            table = {}
        for name, value in [*content.items(), *table.items()]:
            if name in (_OWN if name in content else _SERVICE):
                self.values[name], self.places[name] = value, str(path)
            else:
                self.unknown.append(f"{path}: {_unknown(name)}")

    def _read_environment(self) -> None:
        variables = {key.upper(): key for key in environ if environ[key]}
        for name in (*_RENAMED, *FIELDS):
            variable = variables.get(f"EMOVOX_{name.upper()}")
            if variable is None:
                continue
            if name in _RENAMED:
                self.unknown.append(_unknown(variable))
            else:
                self.values[name], self.places[name] = environ[variable], variable


def _unknown(name: str) -> str:
    prefix = "EMOVOX_" if name.upper().startswith("EMOVOX_") else ""
    word = name[len(prefix) :].lower()
    if (new := _RENAMED.get(word, word)) in _SERVICE:
        return f"{name} is now EMOVOX_{new.upper()}" if prefix else f"{name} is now {new} in the table [service]"
    near = difflib.get_close_matches(word, FIELDS, n=1)
    meant = near[0].upper() if prefix and near else near[0] if near else ""
    hint = f": did you mean {prefix}{meant}?" if near else "; `emovox config show` lists all settings"
    return f"{name} is not a setting{hint}"
