"""Adding a model file to the user's models, once it is seen to be one that runs, and verifying it later."""

import re
import shutil
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import onnx
from filelock import FileLock

from emovox import files, private
from emovox.errors import ModelError
from emovox.models.added import FACTS_FILE, MODEL_FILE, NAME, REVISION, AddedModel, added_models, directory_of
from emovox.models.catalog import AUTO, NOT_STATED, find, is_bundled
from emovox.models.metadata import Metadata
from emovox.models.named import CATALOG
from emovox.models.runtime.engine import Engine, read_metadata
from emovox.settings import settings

_MOST = 2 * 2**30  # bytes: no larger file can be one without weights beside it
_SECOND = 16_000  # samples
_WORDLESS = {"", "unknown", "none", NOT_STATED}


def add(file: Path, name: str | None = None) -> AddedModel:
    """Copy a model file into the user's models, whole or not at all.

    Under another name the copy says that name of itself, so that results, heads and the archive never take it for
    the model whose name it had.

    Args:
        file: an ONNX file under the contract, with its weights in it.
        name: to be called; by default as the file says.

    Raises:
        ModelError: it isn't such a file, it doesn't run, its licence isn't stated, or the name can't be had.
    """
    try:
        if not file.is_file():
            raise ModelError(f"{file}: {'not a file' if file.exists() else 'no such file'}")
        if file.stat().st_size > _MOST:
            raise ModelError(f"{file}: larger than {_MOST >> 30} GiB: give its path as --model")
        metadata = read_metadata(file)
        called = _checked_name(metadata, name)
        directory = directory_of(called, metadata.revision)
        private.make_directory(directory.parent)
        with FileLock(directory.parent / ".lock"):
            _clear(directory.parent)
            draft = files.aside(directory)
            private.make_directory(draft)
            try:
                return _write(file, metadata, called, draft, directory)
            finally:
                shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise ModelError(
            f"{file}: can't be added to {settings().added_models}: {error.strerror or error}"
        ) from error


def verify(model: AddedModel) -> str:
    """Check that the file is still what was added, and that it runs; what was found, in a sentence.

    Raises:
        ModelError: it has changed, or doesn't run.
    """
    try:
        checksum = files.digest(model.path)
    except OSError as error:
        raise ModelError(f"{model.path} can't be read: {error.strerror or error}") from error
    if checksum != model.sha256:
        raise ModelError(f"{model.path} has changed since it was added: remove it, and add its file again")
    _run(model.path)
    return f"sha256 {checksum} as when it was added, and it runs"


def _checked_name(metadata: Metadata, name: str | None) -> str:
    called = metadata.name if name is None else name
    if not re.fullmatch(NAME, called) or ".." in called or called == AUTO:
        advice = "give it another with --name" if name is None else "use up to 64 letters, digits, -, _ and ."
        raise ModelError(f"{called!r:.100} can't be the name of a model: {advice}")
    if not re.fullmatch(REVISION, metadata.revision):
        raise ModelError(f"its revision {metadata.revision!r:.100} can't be told from others by name")
    if metadata.licence.strip().lower() in _WORDLESS:
        raise ModelError("it doesn't say its licence, so nobody could say who may use it for what")
    if name is not None and any(entry.name == name for entry in CATALOG):
        raise ModelError(f"{name} is the name of a model of the catalog: give another")
    if is_bundled(called, metadata.revision):
        raise ModelError(f"{called} {metadata.revision} is part of Emovox already")
    return called


def _write(file: Path, metadata: Metadata, called: str, draft: Path, directory: Path) -> AddedModel:
    copy = draft / MODEL_FILE
    with file.open("rb") as source, private.create(copy) as target:
        shutil.copyfileobj(source, target, 2**20)
    if files.digest(copy) != files.digest(file):
        raise ModelError(f"{file}: it changed while it was read")
    _check_whole(copy, file)
    if called != metadata.name:
        _rename(copy, called)
    _run(copy)
    model = AddedModel(
        name=called,
        revision=metadata.revision,
        embeddings_of=metadata.embeddings_of,
        licence=metadata.licence,
        source=metadata.source,
        sha256=files.digest(copy),
        added_at=datetime.now(timezone.utc),
    )
    if directory.exists():
        same = directory / MODEL_FILE
        if same.is_file() and files.digest(same) == model.sha256:
            raise ModelError(f"{called} {metadata.revision} was added already: nothing to do")
        raise ModelError(
            f"there is another {called} {metadata.revision}: give this one another name with --name, or remove "
            f"that one with `emovox models remove {called}@{metadata.revision}`"
        )
    files.write(draft / FACTS_FILE, f"{model.model_dump_json(indent=1)}\n".encode())
    files.sync(copy)
    draft.rename(directory)
    return model


def _check_whole(copy: Path, file: Path) -> None:
    """Refuse a file whose weights are elsewhere: they would be left behind, or could be any file of the user's."""
    graph = onnx.load(str(copy), load_external_data=False).graph
    if any(tensor.data_location == onnx.TensorProto.EXTERNAL for tensor in graph.initializer):
        raise ModelError(f"{file}: its weights are in a file beside it: give its path as --model")


def _rename(copy: Path, called: str) -> None:
    model = onnx.load(str(copy))
    for item in model.metadata_props:
        if item.key == "emovox.name":
            item.value = called
    copy.write_bytes(model.SerializeToString())


def _run(path: Path) -> None:
    """Run it on a second of sound.

    Raises:
        ModelError: it fails, or gives what the contract doesn't have.
    """
    engine = Engine(path, engine=settings().engine, threads=settings().threads)
    samples = max(_SECOND, engine.metadata.minimum_samples)
    tone = (0.1 * np.sin(np.arange(samples) * (2 * np.pi * 220 / _SECOND))).astype(np.float32)
    [output] = engine.run([tone], frame_logits=True, frames=True)
    frames = 1 + (samples - engine.metadata.minimum_samples) // engine.metadata.hop
    shape = (engine.metadata.embedding_size,)
    numbers = [output.embedding, *(engine.logits(item, output) for item in engine.metadata.readouts)]
    if output.frame_count != frames or output.embedding.shape != shape:
        raise ModelError(f"{path.name} doesn't give the frames or embeddings that it says")
    if not all(np.isfinite(row).all() for row in numbers):
        raise ModelError(f"{path.name} gives numbers that aren't finite for a second of sound")


def _clear(parent: Path) -> None:
    """Remove what killed additions and removals left; the caller holds the lock."""
    for path in parent.glob(".*@*"):
        shutil.rmtree(path, ignore_errors=True)


def added_as(name: str) -> AddedModel | None:
    """What was noted of the added model that a name means; None: it means another."""
    entry = find(name)
    return next((model for model in added_models() if entry.added and model.path == entry.file), None)
