"""An entry of the catalog: what is known of a model before its file is read."""

from dataclasses import dataclass
from pathlib import Path

from emovox.models.layout import FUNASR, Layout
from emovox.models.terms import Terms, terms_of


@dataclass(frozen=True)
class Licence:
    """The terms of a model, and where they can be read."""

    name: str
    address: str
    """Empty: not known."""
    chinese: str = ""
    """The name in Chinese, if it has one."""

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"

    @property
    def terms(self) -> Terms:
        """Who may use the model for what, in words."""
        return terms_of(self.name)


@dataclass(frozen=True)
class CatalogModel:
    """A model that is known by name: bundled, added by the user, or of a hub; also one of a repository."""

    name: str
    title: str
    licence: Licence
    file: Path | None = None
    """The model file, if it is bundled or was added."""
    added: bool = False
    """Whether the user added its file."""
    download_size: int | None = None
    """About how many bytes a pull transfers, by the hub's page; None: no pull, or not known."""
    published: str | None = None
    """The emotion that FunASR gives the snapshot's own example/test.wav with a score of 1, if that is known."""
    huggingface: str | None = None
    """Its id on Hugging Face."""
    modelscope: str | None = None
    """Its id on ModelScope."""
    chinese: str = ""
    """The title in Chinese."""
    embeddings_only: bool = False
    """Whether it gives no emotions without a head of the user's."""
    layout: Layout | None = FUNASR
    """Which files make its snapshot; None: whichever the hub shows."""
    revision: str | None = None
    """Branch, tag or commit to pull; None: the hub's main branch."""
    labels: tuple[tuple[str, str], ...] = ()
    """Labels of its snapshot that aren't names of the nine, each with the one that it means."""
    corpora: tuple[str, ...] = ()
    """Labelled speech that its readouts were trained on, where that is known."""

    @property
    def bundled(self) -> bool:
        """Whether it is part of Emovox."""
        return self.file is not None and not self.added
