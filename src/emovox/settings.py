"""One settings object: EMOVOX_* environment variables over a config file over defaults."""

import difflib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from os import environ
from pathlib import Path
from typing import Annotated, Any, Literal

from platformdirs import user_cache_path, user_config_path, user_data_path
from pydantic import Field, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from emovox.errors import SettingsError

_NOT_SETTINGS = ("EMOVOX_CONFIG", "EMOVOX_PAGE")  # where the file is; whether an installation builds the page


class Settings(BaseSettings):
    """What a user may set once instead of on every call.

    The file is `config.toml` in the user's configuration directory (`emovox --help` names it), or the one that
    `EMOVOX_CONFIG` points to; a key `max_duration` there is the variable `EMOVOX_MAX_DURATION`.
    """

    model_config = SettingsConfigDict(env_prefix="EMOVOX_", env_ignore_empty=True, frozen=True, extra="forbid")

    model: str = Field("auto", description="catalog name or path of the model")
    outputs: Path = Field(Path("outputs"), description="where outputs directories go")
    engine: Literal["auto", "onnxruntime", "openvino"] = Field("auto", description="what runs the model")
    labels: Literal["en", "zh"] = Field("en", description="language of the emotions shown")
    max_duration: float = Field(6 * 3600, gt=0, description="longest recording, seconds")
    max_file_size: int = Field(2 * 2**30, gt=0, description="biggest file, bytes")
    threads: int = Field(0, ge=0, le=256, description="threads of the model; 0: one per usable core")
    cache: Path = Field(
        default_factory=lambda: user_cache_path("emovox", appauthor=False),
        description="where downloaded and converted models go",
    )
    heads: Path = Field(
        default_factory=lambda: user_data_path("emovox", appauthor=False) / "heads",
        description="where trained heads are kept",
    )
    offline: bool = Field(False, description="never go online, not even for `emovox models pull`")

    host: str = Field("127.0.0.1", description="service: address to listen on")
    port: int = Field(7860, ge=0, le=65535, description="service: port to listen on; 0: any that is free")
    no_keys: bool = Field(False, description="service: listen on any address without API keys")
    hosts: str = Field("", description="service: further names it is reached by, between commas; * for any")
    origins: str = Field(
        "", description="service: web pages that may use it, between commas, as https://a.example"
    )
    rate_limit: int = Field(600, ge=0, description="service: requests a minute of one API key; 0: no limit")
    queue_size: int = Field(
        64, gt=0, description="service: recordings that are decoded, wait or are heard at once"
    )
    hearers: int = Field(2, gt=0, le=64, description="service: recordings heard at the same time")
    decoders: int = Field(0, ge=0, le=256, description="service: decoding processes; 0: one per usable core")
    decoder_memory: int = Field(
        2 * 2**30, ge=2**29, description="address space of a decoding process, bytes (on Linux)"
    )
    decode_stall: float = Field(20, gt=0, description="seconds without progress after which decoding is given up")
    upload_stall: float = Field(10, gt=0, description="service: seconds an upload may pause")
    upload_rate: int = Field(
        4096, ge=0, description="service: bytes a second that uploads must reach, after the first 30 s"
    )
    uploads: int = Field(256, gt=0, description="service: uploads received at once")
    uploads_size: int = Field(
        32 * 2**30, gt=0, description="service: bytes of uploads, received and waiting, at once"
    )
    waveforms_size: int = Field(
        4 * 2**30, gt=0, description="service: bytes of decoded recordings on the disk at once; one always fits"
    )
    streams: int = Field(16, gt=0, description="service: most live streams at once")
    sync_seconds: float = Field(60, ge=0, description="service: longer recordings become jobs")
    batch_files: int = Field(1000, gt=0, description="service: most recordings in one batch")
    jobs: int = Field(10_000, gt=0, description="service: most jobs that wait")
    models: int = Field(2, gt=0, description="service: most models in memory at once")
    model_idle: float = Field(900, gt=0, description="service: seconds after which an unused model is unloaded")
    database: SecretStr = Field(
        SecretStr(""), description="SQLAlchemy URL of the archive and the service; by default SQLite files"
    )
    retention_days: float = Field(
        0, ge=0, le=365_000, description="service: days after which outputs and jobs go; 0: never"
    )
    outputs_size: int = Field(
        0, ge=0, description="service: bytes of outputs beyond which the oldest go; 0: no limit"
    )
    webhook_url: str = Field(
        "", max_length=2000, description="service: address that is told of every finished job"
    )
    webhook_secret: SecretStr = Field(SecretStr(""), description="service: key of the webhooks' HMAC-SHA256")
    webhook_private: bool = Field(False, description="service: webhooks may go to private addresses")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Put arguments over the environment over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, config_path())


def config_path() -> Path:
    """The config file, whether or not it exists."""
    named = environ.get("EMOVOX_CONFIG")
    return Path(named) if named else user_config_path("emovox", appauthor=False) / "config.toml"


_given: dict[str, Any] = {}


@contextmanager
def given(**values: Any) -> Iterator[None]:
    """A block in which these settings are what a command's options say, whatever else says otherwise."""
    _given.update(values)
    settings.cache_clear()
    try:
        yield
    finally:
        for name in values:
            del _given[name]
        settings.cache_clear()


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a value out of range, an unknown key, or a file that is no TOML.
    """
    try:
        return Settings(**_given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if name.partition(".")[0] not in Settings.model_fields:
            raise SettingsError(f"{config_path()}: {_unknown(name)}") from error
        origin = _variable(name) or config_path()
        raise SettingsError(f"setting {name}: {first['msg']} (from {origin})") from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{config_path()} can't be read: {error}") from error


@dataclass(frozen=True)
class Setting:
    """One setting as it stands.

    Attributes:
        name: as in `config.toml`.
        value: what counts; None where what was given can't be used.
        origin: `default`, `config file`, or the name of the variable.
        problem: what is wrong with what was given.
    """

    name: str
    value: Any
    origin: str
    problem: str | None = None


def survey() -> tuple[list[Setting], list[str]]:
    """Every setting by itself, whatever is wrong with the others; and what is wrong besides, a sentence each."""
    problems = misspelt()
    try:
        file = TomlConfigSettingsSource(Settings, config_path())()
    except (OSError, ValueError) as error:
        file = {}
        problems.append(f"{config_path()} can't be read: {error}")
    problems += [f"{config_path()}: {_unknown(name)}" for name in file if name not in Settings.model_fields]
    rows = []
    for name, field in Settings.model_fields.items():
        variable = _variable(name)
        origin = variable or ("config file" if name in file else "default")
        if origin == "default":
            rows.append(Setting(name, field.get_default(call_default_factory=True), origin))
            continue
        given = environ[variable] if variable else file[name]
        try:
            adapter: TypeAdapter[Any] = TypeAdapter(Annotated[field.annotation, field])  # type: ignore[arg-type]
            value = adapter.validate_python(given)
            rows.append(Setting(name, value, origin))
        except ValidationError as error:
            rows.append(Setting(name, None, origin, error.errors()[0]["msg"]))
    return rows, problems


def misspelt() -> list[str]:
    """Variables that begin as settings do and are none, a sentence each: other programs may own them."""
    known = {*(f"EMOVOX_{name.upper()}" for name in Settings.model_fields), *_NOT_SETTINGS}
    names = sorted(name for name in environ if name.upper().startswith("EMOVOX_") and name.upper() not in known)
    return [_unknown(name) for name in names]


def _variable(name: str) -> str | None:
    """The variable that gives a setting, if there is one."""
    return next((key for key in environ if key.upper() == f"EMOVOX_{name.upper()}" and environ[key]), None)


def _unknown(name: str) -> str:
    prefix = "EMOVOX_" if name.upper().startswith("EMOVOX_") else ""
    word = name[len(prefix) :].lower()
    near = difflib.get_close_matches(word, Settings.model_fields, n=1)
    meant = near[0].upper() if prefix and near else near[0] if near else ""
    hint = f": did you mean {prefix}{meant}?" if near else "; `emovox config show` lists those that there are"
    return f"{name} is not a setting{hint}"
