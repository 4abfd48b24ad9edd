"""Loading: from the value of `--model` to an engine that is ready, converting what must be converted."""

from pathlib import Path
from typing import Literal

from emovox.errors import PrecisionError
from emovox.models.catalog import CATALOG, resolve, snapshot_path
from emovox.models.converted.clips import example_clips
from emovox.models.converted.store import Comparison, Notice, StoredModel
from emovox.models.hub.published import SnapshotSource
from emovox.models.metadata import Precision
from emovox.models.runtime.engine import Engine, read_metadata
from emovox.models.runtime.session import Device, precisions
from emovox.settings import settings

UNKNOWN = "unknown"

Wanted = Literal["auto"] | Precision
"""A precision, or `auto`: the fastest that agrees with fp32 for a snapshot, and an .onnx file's own."""


def load(
    model: str | Path,
    *,
    precision: Wanted = "auto",
    device: Device = "auto",
    notice: Notice = lambda _: None,
) -> Engine:
    """Make a model ready to run.

    Args:
        model: a catalog name, `auto`, an .onnx file, or a snapshot's directory.
        precision: `auto`, `fp32`, `bf16`, `fp16` or `int8`.
        device: `auto`, `cpu` or `cuda`.
        notice: is told of what takes long and is done only once: converting, comparing precisions.

    Raises:
        UnknownModelError: no such name or path.
        NotInstalledError: a model of the catalog that must be pulled first.
        PrecisionError: the model, or this machine, can't compute in this precision.
        ModelError: it can't be read, converted or run.
    """
    path = resolve(model)
    options = settings()
    if path.is_dir():
        stored = open_snapshot(path)
        chosen = compare(stored, device=device, notice=notice).best if precision == "auto" else precision
        if chosen not in (possible := precisions(device=device, engine=options.engine)):
            raise PrecisionError(f"{chosen} can't be computed on this machine: choose {', '.join(possible)}")
        path = stored.file(chosen, notice=notice)
    else:
        own = read_metadata(path).precision
        chosen = own if precision == "auto" else precision
        if chosen != own and not (chosen == "bf16" and own == "fp32"):
            raise PrecisionError(f"{path.name} is {own} and can't be computed in {precision}")
    return Engine(path, precision=chosen, device=device, engine=options.engine, threads=options.threads)


def possible_precisions(path: Path) -> list[Precision]:
    """The precisions in which a model can be computed on this machine.

    Args:
        path: an .onnx file, or a snapshot's directory.

    Raises:
        ModelError: the file isn't a model, or the engine of the settings isn't installed.
    """
    possible = precisions(engine=settings().engine)
    if path.is_dir():
        return possible
    own = read_metadata(path).precision
    return [own, "bf16"] if own == "fp32" and "bf16" in possible else [own]


def open_snapshot(directory: Path) -> StoredModel:
    """A snapshot's directory as a stored model, with the name and licence of the catalog and its download.

    Raises:
        ModelError: not a snapshot that can be converted.
    """
    entry = next((entry for entry in CATALOG if directory == snapshot_path(entry.name)), None)
    source = SnapshotSource.read(directory)
    return StoredModel(
        directory,
        name=entry.name if entry else directory.resolve().name,
        revision=(source.commit or source.revision) if source else UNKNOWN,
        licence=entry.licence.name if entry else UNKNOWN,
        labels=dict(entry.labels) if entry else None,
        corpora=entry.corpora if entry else (),
    )


def compare(stored: StoredModel, *, device: Device = "auto", notice: Notice = lambda _: None) -> Comparison:
    """How the precisions of a stored model compare on this machine: as remembered, or tried now."""
    options = settings()
    return stored.comparison(device=device, engine=options.engine) or stored.compare(
        example_clips(), device=device, engine=options.engine, threads=options.threads, notice=notice
    )
