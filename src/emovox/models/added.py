"""Added models: files under the contract that the user added, each revision in a directory of its own."""

import re
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from emovox.settings import settings

MODEL_FILE, FACTS_FILE = "model.onnx", "added.json"
NAME = r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,62}[A-Za-z0-9_])?"
"""What names of added models look like; no path, and none of a repository."""
REVISION = r"[^\s/\\@]{1,64}"


class AddedModel(BaseModel):
    """What was noted of a file when it was added, as its metadata has it; fields of later versions are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    revision: str
    embeddings_of: str
    licence: str
    source: str
    sha256: str
    added_at: AwareDatetime

    @property
    def path(self) -> Path:
        """The model file."""
        return directory_of(self.name, self.revision) / MODEL_FILE

    @property
    def title(self) -> str:
        """What it is and when it came."""
        return f"{self.source}; revision {self.revision}, {self._day} added"

    @property
    def chinese(self) -> str:
        """The title in Chinese."""
        return f"{self.source}；{self.revision} 版，{self._day} 添加"

    @property
    def _day(self) -> str:
        return f"{self.added_at.astimezone():%Y-%m-%d}"


def directory_of(name: str, revision: str) -> Path:
    """Where a revision of a model is, or would be; what is there is complete."""
    return settings().added_models.expanduser() / f"{name}@{quote(revision, '')}"


def added_models() -> list[AddedModel]:
    """All that were added, the last first."""
    models = []
    for file in settings().added_models.expanduser().glob(f"[!.]*/{FACTS_FILE}"):
        with suppress(OSError, ValidationError):
            model = AddedModel.model_validate_json(file.read_bytes())
            good = re.fullmatch(NAME, model.name) and re.fullmatch(REVISION, model.revision)
            if good and file.parent == directory_of(model.name, model.revision):
                models.append(model)
    return sorted(models, key=lambda model: (model.added_at, model.revision), reverse=True)


def newest(name: str) -> AddedModel | None:
    """The one of that name that was added last."""
    return next((model for model in added_models() if model.name == name), None)
