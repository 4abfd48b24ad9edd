"""Loading: from the value of `--model` to an engine that is ready, converting what must be converted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from emovox.errors import (
    ModelError,
    NotInstalledError,
    OptionsError,
    PrecisionError,
    SettingsError,
    UnknownEmotionError,
)
from emovox.models.catalog import find, resolve, whose
from emovox.models.converted.clips import example_clips
from emovox.models.converted.store import Comparison, Notice, StoredModel, newest
from emovox.models.hub import caches
from emovox.models.hub.published import SnapshotSource
from emovox.models.mapping import read_mapping, with_mapping
from emovox.models.metadata import CONTRACT, Metadata, Precision
from emovox.models.named import CATALOG
from emovox.models.runtime.engine import Engine, read_metadata
from emovox.models.runtime.session import Device, precisions
from emovox.settings import settings

UNKNOWN = "unknown"

PrecisionChoice = Literal["auto"] | Precision
"""A precision, or `auto`: the fastest that agrees with fp32 for a snapshot, and an .onnx file's own."""


def load(
    model: str | Path,
    *,
    precision: PrecisionChoice = "auto",
    device: Device = "auto",
    mapping: str | Path | Mapping[str, str] | None = None,
    notice: Notice = lambda _: None,
) -> Engine:
    """Make a model ready to run.

    Args:
        model: a catalog name, hf:OWNER/NAME, `auto`, an .onnx file, or a snapshot's directory.
        precision: `auto`, `fp32`, `bf16`, `fp16` or `int8`.
        device: `auto`, `cpu` or `cuda`.
        mapping: which of the nine its labels are, as a JSON file or what would be in it; by default the setting
            `map`, if this is the model of the setting `model`.
        notice: is told of what takes long and is done only once: converting, comparing precisions; and of a model
            that was converted under an earlier contract.

    Raises:
        UnknownModelError: no such name or path.
        NotInstalledError: a model with a name that must be pulled first.
        PrecisionError: the model, or this machine, can't compute in this precision.
        OptionsError: the mapping can't be read, or has a label that the model hasn't.
        UnknownEmotionError: the mapping has a name that isn't one of the nine.
        SettingsError: the setting's mapping is wrong in one of these ways.
        ModelError: it can't be read, converted or run.
    """
    labels = mapping_of(model, mapping)
    options = settings()
    orphan: Path | None = None
    try:
        path = resolve(model)
    except NotInstalledError:
        orphan = newest(find(str(model)).name, precision)
        if orphan is None:
            raise
        path = orphan
    if path.is_dir():
        stored = open_snapshot(path)
        cached = caches.repository_of(path)
        if cached is not None and not stored.directory.exists():
            notice(f"{stored.name}: found in {caches.TITLES[cached.prefix]}, not downloaded: {path}")
        chosen = compare(stored, device=device, notice=notice).best if precision == "auto" else precision
        if chosen not in (possible := precisions(device=device, engine=options.engine)):
            raise PrecisionError(f"{chosen} can't be computed on this machine: choose {', '.join(possible)}")
        path = stored.file(chosen, notice=notice)
    else:
        facts = read_metadata(path)
        own = facts.precision
        if orphan is not None:
            notice(
                f"the snapshot of {model} is gone: what was converted of it{_age(facts)} is used. {_again(model)}"
            )
        elif _age(facts) and not any(path == entry.file for entry in CATALOG):
            notice(f"{path} was converted{_age(facts)}, and runs as ever. {_again(facts.name)}")
        chosen = own if precision == "auto" else precision
        if chosen != own and not (chosen == "bf16" and own == "fp32"):
            raise PrecisionError(f"{path.name} is {own} and can't be computed in {precision}")
    engine = Engine(path, precision=chosen, device=device, engine=options.engine, threads=options.threads)
    try:
        engine.metadata = with_mapping(engine.metadata, labels)
    except OptionsError as error:
        if mapping is None:
            raise SettingsError(f"setting map: {error}") from error
        raise
    return engine


def mapping_of(model: str | Path, mapping: str | Path | Mapping[str, str] | None = None) -> dict[str, str]:
    """The mapping that holds for a model: the one given, or that of the setting `map` for the setting's own model.

    The setting doesn't hold for other models, as a service may be asked for: their labels are others.

    Raises:
        OptionsError: the one given can't be read.
        UnknownEmotionError: it has a name that isn't one of the nine.
        SettingsError: the setting's has something of this kind.
    """
    if mapping is not None:
        return {} if mapping == {} else read_mapping(mapping)
    options = settings()
    if options.map is None or not _same(model, options.model):
        return {}
    try:
        return read_mapping(options.map)
    except (OptionsError, UnknownEmotionError) as error:
        raise SettingsError(f"setting map: {error}") from error


def _same(model: str | Path, other: str) -> bool:
    """Whether two values of `--model` mean the same."""
    if str(model) == other:
        return True
    try:
        return resolve(model) == resolve(other)
    except ModelError:
        return False


def _age(facts: Metadata) -> str:
    """What is to be said of a model that was converted under an earlier contract."""
    return "" if facts.contract == CONTRACT else f" under contract {facts.contract}"


def _again(model: str | Path) -> str:
    """How to convert a model again, by its name."""
    try:
        pulled = find(str(model)).file is None
    except ModelError:
        pulled = False
    if not pulled:
        return "To convert it again, give the directory of its snapshot"
    return f"To convert it again, run `emovox models pull {model}` and give this name"


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
    entry = whose(directory)
    source = SnapshotSource.read(directory)
    return StoredModel(
        directory,
        name=entry.name if entry else directory.resolve().name,
        revision=(source.commit or source.revision) if source else caches.commit_of(directory) or UNKNOWN,
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
