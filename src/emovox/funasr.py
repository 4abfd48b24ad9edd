"""FunASR's AutoModel, for emotion, run by Emovox: a program that was written for it changes one line.

    from emovox.funasr import AutoModel

    model = AutoModel(model="iic/emotion2vec_plus_large")
    [result] = model.generate("call.wav", granularity="utterance", extract_embedding=False)
    result["labels"], result["scores"]

What goes in and what comes out is what FunASR 1.4 takes and gives (its funasr/auto/auto_model.py and
funasr/models/emotion2vec/model.py), without PyTorch, and nothing is fetched. docs/funasr.md says what differs.
"""

import logging
import os
import re
import warnings
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox import files, private
from emovox.audio.waveform import SAMPLE_RATE
from emovox.errors import (
    AudioError,
    EmovoxError,
    ModelError,
    NotInstalledError,
    OptionsError,
    OutputsError,
    UnknownModelError,
)
from emovox.funasr_input import Item, read_items
from emovox.inference.recognition import NO_HEAD, WARNINGS, Granularity, Recognition
from emovox.inference.recognizer import Recognizer
from emovox.models.catalog import find, is_name, resolve
from emovox.models.loading import PrecisionChoice
from emovox.models.named import CATALOG
from emovox.models.readout import Readout
from emovox.models.runtime.session import Device, choose_engine
from emovox.models.sensevoice.family import SENSEVOICE
from emovox.settings import settings

_HUBS = {"ms": "ms", "modelscope": "ms", "hf": "hf", "huggingface": "hf"}
_CUDA = {"cuda", "gpu"}
_NOTHING_TRANSCRIBED = "nothing is transcribed; emovox.Recognizer finds speech (segments=True)"
_WHY = {
    "ban_emo_unk": "it is SenseVoiceSmall's; with Emotion2Vec FunASR takes no notice of it either",
    "batch_size": "batches are made where they pay",
    "batch_size_s": "batches are made where they pay",
    "bf16": "fp32 is computed, unless precision says otherwise",
    "check_latest": "nothing is looked up",
    "disable_pbar": "no bar is drawn",
    "disable_update": "nothing is looked up",
    "fp16": "fp32 is computed, unless precision says otherwise",
    "input_len": "an array has its length",
    "log_level": "logging is your program's",
    "model_revision": "the snapshot that is on this machine is used, whichever it is",
    "ncpu": "EMOVOX_THREADS says how many threads compute",
    "punc_model": _NOTHING_TRANSCRIBED,
    "remote_code": "no code of a model is run",
    "spk_model": _NOTHING_TRANSCRIBED,
    "trust_remote_code": "no code of a model is run",
    "vad_kwargs": _NOTHING_TRANSCRIBED,
    "vad_model": _NOTHING_TRANSCRIBED,
    "vad_model_revision": _NOTHING_TRANSCRIBED,
}

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Call:
    """What `generate` may be asked for, each time or once for all."""

    output_dir: str | os.PathLike[str] | None = None
    granularity: Granularity = "utterance"
    extract_embedding: bool = True
    fs: float = SAMPLE_RATE
    key: str | None = None
    data_type: str = "sound"
    side: str | None = None
    purpose: str | None = None
    consent: str | None = None


class AutoModel:
    """A loaded model of emotion, as FunASR's class of this name. Safe to share between threads.

    Attributes:
        model_path: where the snapshot is, as FunASR has it; empty if only what was converted of it is left.
        recognizer: what does the work.

    Examples:
        >>> AutoModel(model="lite").generate("examples/emodb_03b01Wa_angry.flac")[0]["labels"][0]
        'angry'
    """

    def __init__(
        self,
        *,
        model: str | os.PathLike[str],
        hub: str = "ms",
        device: object = None,
        precision: PrecisionChoice | None = None,
        **options: Any,
    ) -> None:
        """Load a model that is on this machine: pulled, in ModelScope's or Hugging Face's cache, or a path.

        Args:
            model: FunASR's name of it (`iic/emotion2vec_plus_large`), one that `emovox models list` prints, or the
                directory of a snapshot.
            hub: whose names those are, `ms` or `hf`, where the catalog doesn't know it.
            device: `cpu`, or `cuda`, which becomes the CPU with a warning where no GPU can be used; by default
                whatever there is.
            precision: as of `emovox.Recognizer`; by default `fp32`, whose numbers are FunASR's.
            **options: those of `generate`, which then hold unless a call says otherwise; any other of FunASR's has
                no effect, and a warning says why.

        Raises:
            NotInstalledError: it isn't on this machine; the message has the command that pulls it.
            UnknownModelError: no model of emotion has that name.
            ModelError: it is none of emotion, or can't be read or run.
            OptionsError: no such hub.
        """
        self._warned: set[str] = set()
        self._call = self._known(_Call(), options)
        name = _named(model, hub)
        path: Path | None = None
        with suppress(NotInstalledError):  # what was converted of it may still be there
            path = resolve(name)
        _refuse_transcribers(name, path)
        self.model_path = "" if path is None else str(path)
        self.recognizer = Recognizer(
            name,
            precision=precision or ("auto" if path is not None and path.is_file() else "fp32"),
            device=self._device(device, options.get("ngpu")),
            notice=_log.info,
        )
        metadata = self.recognizer.metadata
        classes = (readout for readout in metadata.readouts if not readout.gives_values)
        self._readout = metadata.emotions or next(classes, None)
        if metadata.readouts and self._readout is None:
            raise ModelError(
                f"{metadata.name} gives values, such as arousal, for which FunASR's results have no place: use "
                "emovox.Recognizer"
            )

    def generate(
        self,
        input: Any,
        input_len: object = None,
        progress_callback: Callable[[int, int], object] | None = None,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """Recognise recordings.

        Args:
            input: a path; samples as an array or tensor, (n,) or (n, channels); the bytes of a file, or of 16-bit
                samples without a header; a binary file object; a list of any of these; or the path of a list:
                `wav.scp` and `.txt` with lines of `KEY PATH` or `PATH`, `.jsonl` with `source` and `key`.
            input_len: has no effect.
            progress_callback: is called after each recording with how many are done and how many there are.
            **options: all optional:
                granularity: of `feats`: `utterance` or `frame`.
                extract_embedding: whether results have `feats`, by default True.
                output_dir: where `feats` go, too, as KEY.npy.
                fs: sample rate of arrays and of bytes without a header, Hz; by default 16000.
                key: of a recording that has no name.
                side, purpose, consent: Emovox's own, as for `emovox.Recognizer`: a policy may demand them.

        Returns:
            For each recording, in order: `key` (the file's name without its ending, the list's, or a random one),
            `labels` (K strings as the snapshot spells them), `scores` (K floats that sum to 1), and `feats`,
            float32 (D,), or (T, D) by frame. Labels and scores are empty where nothing is given: by a model of
            embeddings alone, or where the policy allows nothing but talk time, which has no `feats` either.

        Raises:
            RecordingNotFoundError: a file isn't there; nothing has been recognised then.
            AudioError: a recording can't be used: an address (nothing is fetched), or not audio. What was
                recognised before it is in `output_dir`.
            LabelsError: a list can't be read.
            OptionsError: an option has a value that means nothing.
            OutputsError: `output_dir` can't be written.
            PolicyError: something must be declared.
        """
        call = self._known(self._call, {**options, "input_len": input_len})
        if call.data_type != "sound":
            raise OptionsError(f"data_type {call.data_type!r}: only sound is recognised")
        items = list(read_items(input, rate=call.fs, key=call.key))
        embedding = call.extract_embedding or self._readout is None
        places: list[Path] = []
        if call.output_dir is not None:
            places = _places(Path(call.output_dir), [item.key for item in items])
        recognitions = self.recognizer.recognize_many(
            (item.source for item in items),
            on_error="return",
            granularity=call.granularity if embedding else "utterance",
            embedding=embedding,
            side=call.side,
            purpose=call.purpose,
            consent=call.consent,
        )
        results = []
        for number, (item, recognition) in enumerate(zip(items, recognitions, strict=True)):
            if isinstance(recognition, EmovoxError):
                raise _naming(recognition, item)
            for code in recognition.warnings:
                if code != NO_HEAD:
                    _log.warning("%s: %s", item.name, WARNINGS[code])
            labels, scores = _scores(recognition, self._readout)
            result: dict[str, Any] = {"key": item.key, "labels": labels, "scores": scores}
            if embedding and recognition.embedding is not None:
                by_frame = call.granularity == "frame"
                result["feats"] = recognition.embedding if by_frame else recognition.embedding[0]
                if places:
                    _save(places[number], result["feats"])
            results.append(result)
            if progress_callback is not None:
                progress_callback(number + 1, len(items))
        return results

    __call__ = generate  # as the first examples of emotion2vec have it: model(input=…)

    def _known(self, call: _Call, options: dict[str, Any]) -> _Call:
        """A call with those of the options that mean something; of each other one a warning, once."""
        names = {field.name for field in fields(_Call)}
        call_options = {name: value for name, value in options.items() if value is not None}
        for name in call_options.keys() - names - {"ngpu"}:
            self._warn(name, f"FunASR's option {name} has no effect here: {_WHY.get(name, 'it means nothing')}")
        return replace(call, **{name: value for name, value in call_options.items() if name in names})

    def _device(self, device: object, ngpu: object) -> Device:
        """What FunASR's word for a device means here."""
        if device is None or ngpu == 0:
            return "auto" if device is None and ngpu != 0 else "cpu"
        kind, _, index = str(device).partition(":")
        if kind == "cpu":
            return "cpu"
        if kind not in _CUDA:
            self._warn("device", f"device {str(device)!r} has no effect here: cpu and cuda are known")
            return "auto"
        if index not in {"", "0"}:
            self._warn("device", f"device {str(device)!r}: the first GPU is used: choose by CUDA_VISIBLE_DEVICES")
        try:
            choose_engine(device="cuda", engine=settings().engine)
        except ModelError as error:
            self._warn("device", f"device {str(device)!r}: the CPU is used, as by FunASR: {error}")
            return "cpu"
        return "cuda"

    def _warn(self, name: str, sentence: str) -> None:
        if name not in self._warned:
            self._warned.add(name)
            warnings.warn(sentence, stacklevel=4)


def _named(model: str | os.PathLike[str], hub: str) -> str | Path:
    """Emovox's name of a model, or its path: what is on disk goes before names, as with FunASR."""
    if hub not in _HUBS:
        raise OptionsError(f"hub {hub!r}: choose ms or hf")
    if not isinstance(model, str) or os.path.lexists(model):
        return Path(model)
    id_ = re.sub(r"^damo/(?=emotion2vec)", "iic/", model)  # what the owner was called until 2024
    with suppress(NotInstalledError):
        if id_ != model and resolve(f"ms:{model}"):
            return f"ms:{model}"
    for entry in CATALOG:
        if id_ in (entry.huggingface, entry.modelscope):
            return entry.name
    name = f"{_HUBS[hub]}:{model}" if re.fullmatch(r"[^/:]+/[^/:]+", model) else model
    if not is_name(name):
        raise UnknownModelError(
            f"no model of emotion is called {model!r}: give iic/emotion2vec_plus_large, a name that `emovox "
            "models list` prints, or the directory of a snapshot. For FunASR's other models keep its AutoModel"
        )
    return name


def _refuse_transcribers(name: str | Path, path: Path | None) -> None:
    """Refuse SenseVoiceSmall, whose results are texts in FunASR.

    Raises:
        ModelError: it is that.
    """
    named = isinstance(name, str) and name != "auto" and find(name).name == "SenseVoiceSmall"
    if named or (path is not None and SENSEVOICE.recognises(path)):
        raise ModelError(
            "FunASR gives SenseVoiceSmall's emotion as a tag in a transcript, and Emovox doesn't transcribe: use "
            'emovox.Recognizer("SenseVoiceSmall"), which gives emotions and sounds with their scores, or FunASR'
        )


def _naming(error: EmovoxError, item: Item) -> EmovoxError:
    """The error with the path or the key of its recording."""
    return type(error)(error.reason, item.name) if isinstance(error, AudioError) else error


def _scores(recognition: Recognition, readout: Readout | None) -> tuple[list[str], list[float]]:
    """Labels and scores of a recognition, as the snapshot has them; none where nothing is given."""
    if readout is None:
        return [], []
    labels = list(readout.labels)
    if readout.is_nine:
        nine = recognition.scores or {}
        scores = [nine.get(readout.emotions[label], 0.0) for label in labels]
    else:
        result = recognition.readouts.get(readout.name)
        own = {} if result is None else result.scores or {}
        scores = [own.get(label, 0.0) for label in labels]
    return (labels, scores) if any(scores) else ([], [])


def _places(directory: Path, keys: list[str]) -> list[Path]:
    """Where the embeddings go: KEY.npy, and KEY_2.npy where a key comes again.

    Raises:
        OptionsError: a key leads out of the directory.
        OutputsError: the directory can't be made.
    """
    places: dict[Path, str] = {}
    root, counts = directory.resolve(), Counter[str]()
    for key in keys:
        path, number = directory / f"{key}.npy", 1
        if "\0" in key or not path.resolve().is_relative_to(root):
            raise OptionsError(f"the key {key!r} leads out of {directory}")
        while path in places:
            counts[key] += 1
            number = counts[key] + 1
            path = directory / f"{key}_{number}.npy"
        if number > 1:
            _log.warning("the key %s comes again: its feats are in %s", key, path)
        places[path] = key
    try:
        private.make_directory(directory)
    except OSError as error:
        raise OutputsError(f"{directory} can't be made: {error.strerror or error}") from error
    return list(places)


def _save(path: Path, feats: NDArray[np.float32]) -> None:
    try:
        private.make_directory(path.parent)
        with files.replacing(path, durable=False) as file:
            np.save(file, feats)
    except OSError as error:
        raise OutputsError(f"{path} can't be written: {error.strerror or error}") from error
