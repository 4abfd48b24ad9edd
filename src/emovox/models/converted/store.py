"""The store: converted models in the cache, and how their precisions compare on this machine."""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from emovox import files
from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import ModelError
from emovox.models.catalog import conversions, converted_path
from emovox.models.converted.conversion import MODEL_FILE, convert
from emovox.models.converted.superseded import remove_superseded
from emovox.models.families import family_of, read_snapshot
from emovox.models.metadata import CONTRACT, Precision
from emovox.models.runtime.engine import Engine, Floats
from emovox.models.runtime.session import Device, EngineName, engine_version, precisions
from emovox.models.scores import readout_scores
from emovox.models.snapshot import Snapshot
from emovox.settings import settings

TOLERANCE = 0.02
"""How far any score may be from fp32's if `auto` is to take a precision; the emotion must be the same."""
_REPEATS = 3  # of each clip, for the median of its time
_ENOUGH = 2.0  # seconds after which a clip isn't repeated: what takes that long varies little

Notice = Callable[[str], None]
"""Is told what takes long, in a sentence."""


class Trial(BaseModel):
    """One precision compared with fp32 on real clips.

    `seconds` is the time for a second of audio, `error` the largest difference of any score, `agreement` the share
    of clips with the same top emotion.
    """

    model_config = ConfigDict(frozen=True)

    precision: Precision
    engine: str
    seconds: float = Field(ge=0)
    error: float = Field(ge=0)
    agreement: float = Field(ge=0, le=1)

    @property
    def good(self) -> bool:
        """Whether `auto` may take it."""
        return self.agreement == 1 and self.error <= TOLERANCE


class Comparison(BaseModel):
    """The trials of a model's precisions on this machine."""

    model_config = ConfigDict(frozen=True)

    machine: str
    trials: tuple[Trial, ...]

    @property
    def best(self) -> Precision:
        """The fastest precision that is as good as fp32."""
        return min((trial for trial in self.trials if trial.good), key=lambda trial: trial.seconds).precision


class StoredModel:
    """A snapshot with its conversions in the cache; nothing is converted before it is needed."""

    def __init__(
        self,
        directory: Path,
        *,
        name: str,
        revision: str,
        licence: str,
        labels: Mapping[str, str] | None = None,
        corpora: Sequence[str] = (),
    ) -> None:
        """Read a snapshot's config, labels and checksum.

        Args:
            directory: the snapshot.
            name: of the model, for results, as are the rest.
            revision: of the weights.
            licence: of the weights.
            labels: the nine's names for labels of the snapshot that have others.
            corpora: speech that it was trained on, where that is known.

        Raises:
            ModelError: the folder isn't a snapshot that can be converted.
        """
        self.snapshot: Snapshot = read_snapshot(directory, labels)
        self.name, self.revision, self.licence = name, revision, licence
        self.corpora = tuple(corpora)
        self._mapping = dict(labels or {})
        self.checksum = self._remembered_checksum()
        self.directory = converted_path(name, self._key())

    def file(self, precision: Precision, *, notice: Notice = lambda _: None) -> Path:
        """The model file for a precision, converted now if it isn't there; bf16 runs the fp32 file.

        Raises:
            ModelError: the weights are missing, misshapen or damaged, or the disk is full.
        """
        stored: Precision = "fp32" if precision == "bf16" else precision
        path = self.directory / stored / MODEL_FILE
        if path.exists():
            return path
        with self._lock():
            if not path.exists():
                self._sweep()
                notice(f"converting {self.name} to {stored} (only once)")
                convert(
                    self.snapshot,
                    path.parent,
                    precision=stored,
                    name=self.name,
                    revision=self.revision,
                    licence=self.licence,
                    source=f"{family_of(self.snapshot).publisher} snapshot {self.snapshot.directory.name}",
                    source_sha256=self.checksum,
                    corpora=self.corpora,
                )
                remove_superseded(self.directory, self.name, self.checksum, self.revision)
        return path

    def compare(
        self,
        clips: Sequence[Floats],
        *,
        device: Device = "auto",
        engine: EngineName = "auto",
        threads: int = 0,
        notice: Notice = lambda _: None,
    ) -> Comparison:
        """Compare every precision that can run here with fp32, and remember it.

        Args:
            clips: real speech, float32 (n,) each, 16 kHz.
            device: as for `Engine`.
            engine: as for `Engine`.
            threads: as for `Engine`.
            notice: is told what is being done.

        Raises:
            ModelError: the model can't be converted or run.
        """
        trials: list[Trial] = []
        reference: list[NDArray[Any]] = []
        right: list[tuple[int, ...]] = []
        audio = sum(map(len, clips)) / SAMPLE_RATE
        for precision in precisions(device=device, engine=engine):
            path = self.file(precision, notice=notice)
            notice(f"trying {self.name} in {precision} on {len(clips)} clips (only once)")
            runner = Engine(path, precision=precision, device=device, engine=engine, threads=threads)
            outputs, winners, elapsed = _run(runner, clips)
            reference, right = reference or outputs, right or winners
            trials.append(
                Trial(
                    precision=precision,
                    engine=runner.name,
                    seconds=elapsed / audio,
                    error=max(
                        float(np.abs(one - other).max()) for one, other in zip(outputs, reference, strict=True)
                    ),
                    agreement=float(np.mean([one == other for one, other in zip(winners, right, strict=True)])),
                )
            )
            del runner  # a gigabyte, before the next one is loaded
        comparison = Comparison(machine=_machine(device, engine), trials=tuple(trials))
        _write(self.directory / "comparison.json", comparison.model_dump_json(indent=2))
        return comparison

    def comparison(self, *, device: Device = "auto", engine: EngineName = "auto") -> Comparison | None:
        """What `compare` remembered, if the machine and its engine are still the same."""
        comparison = _remembered(self.directory)
        return comparison if comparison is not None and comparison.machine == _machine(device, engine) else None

    def _key(self) -> str:
        """What the conversion depends on: weights, config, labels, and how they are read."""
        family = family_of(self.snapshot)
        digest = hashlib.sha256(f"{CONTRACT} {family.version} {self.checksum} {self.revision}".encode())
        for path in sorted(self.snapshot.directory.iterdir()):
            if path.name in family.layout.describing:
                digest.update(hashlib.sha256(path.read_bytes()).digest())
        if self._mapping:
            digest.update(json.dumps(self._mapping, sort_keys=True).encode())
        return digest.hexdigest()[:16]

    def _remembered_checksum(self) -> str:
        """The weights' checksum; a gigabyte isn't read again while its size and modification time are the same."""
        states = [(file.resolve(), file.stat()) for file in self.snapshot.weight_files]
        key = " ".join(f"{file} {state.st_size} {state.st_mtime_ns}" for file, state in states)
        memory = settings().cache.expanduser() / "checksums" / hashlib.sha256(key.encode()).hexdigest()[:32]
        with suppress(OSError, ValueError):
            checksum = memory.read_text(encoding="ascii").strip()
            if len(checksum) == 64:
                return checksum
        checksum = self.snapshot.sha256()
        _write(memory, checksum)
        return checksum

    def _lock(self) -> FileLock:
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ModelError(
                f"{self.directory} can't be made ({error.strerror}): put models elsewhere with EMOVOX_CACHE"
            ) from error
        return FileLock(self.directory / "lock")

    def _sweep(self) -> None:
        """Remove what killed conversions left; the caller holds the lock."""
        for path in self.directory.glob(".*"):
            shutil.rmtree(path, ignore_errors=True)


def newest(name: str, precision: Literal["auto"] | Precision) -> Path | None:
    """The model file that was converted last of a model, for when its snapshot is gone.

    Args:
        name: of the model.
        precision: of the file, bf16 is that of fp32; `auto`: the one that was the best when they were compared, or
            else fp32, or else any.

    Returns:
        None where nothing was converted, or not in this precision.
    """
    paths = [path for directory in conversions(name) for path in directory.glob(f"*/{MODEL_FILE}")]
    for latest in sorted(paths, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        directory = latest.parents[1]
        comparison = _remembered(directory)
        wishes = [comparison.best if comparison else "fp32", "fp32"] if precision == "auto" else [precision]
        files_ = [directory / ("fp32" if wish == "bf16" else wish) / MODEL_FILE for wish in wishes]
        files_ += [latest] if precision == "auto" else []
        if path := next((path for path in files_ if path.exists()), None):
            return path
    return None


def _remembered(directory: Path) -> Comparison | None:
    """The comparison that lies beside conversions, of whatever machine."""
    with suppress(OSError, ValidationError):
        return Comparison.model_validate_json((directory / "comparison.json").read_bytes())
    return None


def _run(engine: Engine, clips: Sequence[Floats]) -> tuple[list[NDArray[Any]], list[tuple[int, ...]], float]:
    """What is compared of each clip, and the seconds for all: the sum of their medians, without the first run.

    Compared are the scores and values of its readouts, and which class leads in each; or without any readout the
    embedding at length 1.
    """
    outputs: list[NDArray[Any]] = []
    winners: list[tuple[int, ...]] = []
    total = 0.0
    for clip in clips:
        [output] = engine.run([clip])
        readouts = engine.metadata.readouts
        numbers = [readout_scores(readout, engine.logits(readout, output)) for readout in readouts]
        unit = output.embedding / max(float(np.linalg.norm(output.embedding)), 1e-12)
        outputs.append(np.concatenate(numbers) if numbers else unit)
        pairs = zip(readouts, numbers, strict=True)
        winners.append(tuple(int(row.argmax()) for readout, row in pairs if not readout.gives_values))
        times: list[float] = []
        while len(times) < _REPEATS and sum(times) < _ENOUGH:
            started = time.perf_counter()
            engine.run([clip])
            times.append(time.perf_counter() - started)
        total += float(np.median(times))
    return outputs, winners, total


def _machine(device: Device, engine: EngineName) -> str:
    """What a comparison is valid for: the engine and its version, the device, the cores."""
    return f"{engine_version(device=device, engine=engine)}, {device}, {os.cpu_count()} cores"


def _write(path: Path, text: str) -> None:
    """Write a small file whole or not at all; if it can't be written, nothing is remembered."""
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        files.write(path, text.encode(), durable=False)
