"""Repositories: the names, such as hf:OWNER/NAME, of models that anybody published on a hub."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import quote, unquote

from emovox.errors import UnknownModelError

Hub = Literal["huggingface", "modelscope"]

HUBS: dict[str, Hub] = {"hf": "huggingface", "ms": "modelscope"}
"""What a name begins with."""

# As huggingface_hub's `validate_repo_id` has it, with an owner; so no part is hidden, leads elsewhere, or has the
# "--" that separates the parts in a folder's name.
_PART = r"(?!.*(?:--|\.\.))[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,94}[A-Za-z0-9_])?"
_REVISION = r"[A-Za-z0-9_](?:[A-Za-z0-9_./-]{0,98}[A-Za-z0-9_])?"
_NAME = re.compile(rf"({'|'.join(HUBS)}):([^/@]+)/([^/@]+)(?:@(.+))?")
_LONGEST = 96  # characters of OWNER/NAME on Hugging Face, and of a revision as a folder's name has it
PATTERN = rf"({'|'.join(HUBS)}):[A-Za-z0-9_.-]+/[A-Za-z0-9_.-]+(@[A-Za-z0-9_./-]+)?"
"""What names look like, for schemas."""


@dataclass(frozen=True)
class Repository:
    """A model on a hub.

    Attributes:
        prefix: of its name, which says the hub.
        id: OWNER/NAME.
        revision: branch, tag or commit; None: the hub's main branch. Each has a folder of its own.
    """

    prefix: str
    id: str
    revision: str | None = None

    @classmethod
    def parse(cls, name: str) -> "Repository":
        """Read a name.

        Raises:
            UnknownModelError: it is none, or could mean a folder outside the cache.
        """
        match = _NAME.fullmatch(name)
        if match is not None:
            prefix, owner, model, revision = match.groups()
            right = all(re.fullmatch(_PART, part) for part in (owner, model)) and (
                revision is None or (re.fullmatch(_REVISION, revision) and len(quote(revision, "")) <= _LONGEST)
            )
            if right and len(f"{owner}/{model}") <= _LONGEST:
                return cls(prefix, f"{owner}/{model}", revision)
        raise UnknownModelError(
            f"{name!r:.200} is not the name of a model on a hub: write hf:OWNER/NAME, or hf:OWNER/NAME@REVISION"
        )

    @classmethod
    def of_folder(cls, folder: str) -> "Repository | None":
        """Whose snapshot a folder is, by its name; None: of no repository."""
        parts = folder.split("--", 3)
        if len(parts) < 3:
            return None
        try:
            revision = f"@{unquote(parts[3])}" if len(parts) > 3 else ""
            repository = cls.parse(f"{parts[0]}:{parts[1]}/{parts[2]}{revision}")
        except UnknownModelError:
            return None
        return repository if repository.folder == folder else None

    @property
    def hub(self) -> Hub:
        """The hub that it is on."""
        return HUBS[self.prefix]

    @property
    def name(self) -> str:
        """Its name, as `parse` reads it."""
        return f"{self.prefix}:{self.id}" + ("" if self.revision is None else f"@{self.revision}")

    @property
    def folder(self) -> str:
        """The name of its snapshot's folder; no two repositories or revisions have the same."""
        parts = [self.prefix, *self.id.split("/")]
        return "--".join([*parts, quote(self.revision, "")] if self.revision is not None else parts)

    @property
    def page(self) -> str:
        """Address of its model card, for people."""
        home = "https://huggingface.co" if self.hub == "huggingface" else "https://www.modelscope.cn/models"
        return f"{home}/{self.id}"


def is_repository(model: object) -> bool:
    """Whether a name means to be a repository's, right or wrong."""
    return isinstance(model, str) and model.startswith(tuple(f"{prefix}:" for prefix in HUBS))


def folder_of(name: str) -> str:
    """The name of the folder of a model: that of the catalog is its own."""
    return Repository.parse(name).folder if is_repository(name) and "/" in name else name


def licence_of(snapshot: Path) -> str | None:
    """The licence that a snapshot's model card states, in its words; None: it states none, or there is no card.

    Cards begin with lines of YAML between `---`: https://huggingface.co/docs/hub/model-cards#model-card-metadata.
    Only the keys of the licence are read, not YAML: a card comes from somewhere else.
    """
    try:
        with (snapshot / "README.md").open(encoding="utf-8-sig", errors="replace") as card:
            lines = card.read(100_000).splitlines()
    except OSError:
        return None
    if not lines or lines[0].rstrip() != "---" or "---" not in [line.rstrip() for line in lines[1:]]:
        return None
    head = "\n".join(lines[1 : [line.rstrip() for line in lines].index("---", 1)])
    words = []
    for key in ("license", "license_name"):
        match = re.search(rf"^{key}:[ \t]*(.*(?:\n[ \t]*- .*)*)", head, re.MULTILINE)
        items = re.split(r"\n[ \t]*- |[\[\],]", match[1]) if match else []
        words += [item.partition(" #")[0].strip(" \t'\"") for item in items]
    stated = ", ".join(word for word in words if word)
    return stated[:100] if stated and stated.isprintable() else None
