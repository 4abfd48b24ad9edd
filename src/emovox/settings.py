"""One settings object: EMOVOX_* environment variables over a config file over defaults."""

from functools import lru_cache
from os import environ
from pathlib import Path
from typing import Literal

from platformdirs import user_cache_path, user_config_path
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from emovox.errors import SettingsError


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
    offline: bool = Field(False, description="never go online, not even for `emovox models pull`")

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


@lru_cache(maxsize=1)
def settings() -> Settings:
    """The settings of this process, read once.

    Raises:
        SettingsError: a value out of range, an unknown key, or a file that is no TOML.
    """
    try:
        return Settings()
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise SettingsError(
            f"setting {where}: {first['msg']} (from EMOVOX_{where.upper()} or {config_path()})"
        ) from error
    except (OSError, ValueError) as error:
        raise SettingsError(f"{config_path()} can't be read: {error}") from error
