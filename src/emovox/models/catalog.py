"""The catalog: the models Emovox knows by name, and what `--model` resolves to."""

from dataclasses import dataclass
from pathlib import Path

from emovox.errors import ModelError, UnknownModelError

AUTO = "auto"
_BUNDLED = Path(__file__).with_name("bundled")


@dataclass(frozen=True)
class CatalogModel:
    """One model known by name."""

    name: str
    title: str
    file: Path


CATALOG = (
    CatalogModel(
        name="lite",
        title="bundled: three blocks of Whisper base with a head for EmoDB's seven emotions",
        file=_BUNDLED / "lite.onnx",
    ),
)


def resolve(model: str | Path) -> Path:
    """Find the file that a catalog name, `auto` or a path means.

    Raises:
        UnknownModelError: neither a name in the catalog nor an existing path; the message lists the names.
        ModelError: a path that is no model file.
    """
    by_name = {entry.name: entry.file for entry in CATALOG}
    if model == AUTO:
        return by_name["lite"]
    if isinstance(model, str) and model in by_name:
        return by_name[model]
    path = Path(model)
    if not path.exists():
        raise UnknownModelError(
            f"unknown model {str(model)!r}: choose {', '.join([AUTO, *by_name])}, or the path of an .onnx file"
        )
    if not path.is_file() or path.suffix != ".onnx":
        raise ModelError(f"{path} is no model: give the path of an .onnx file")
    return path
