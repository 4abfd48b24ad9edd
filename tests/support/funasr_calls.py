"""Calls of FunASR or ModelScope, and of ours: what both are given, and that they give the same."""

import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from support import snapshots

TOKENIZER: dict[str, Any] = {
    "tokenizer": "CharTokenizer",
    "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
}
QUIET = {"disable_update": True, "disable_pbar": True}
RANDOM_KEY = "rand_key_[A-Za-z0-9]{13}"
_ONE_KEY = {"list of arrays", "path and array"}  # theirs is one for all arrays, and that of the path before

Samples = NDArray[np.float32]
Inputs = dict[str, Callable[[], Any]]
Generate = Callable[..., list[dict[str, Any]]]


def every_input(home: Path, examples: list[Path], speech: Samples) -> Inputs:
    """What FunASR takes, made anew each time."""
    import av  # noqa: PLC0415

    wav = home / "one two.wav"
    with av.open(str(wav), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=16_000, layout="mono")
        samples = (speech[:24_000] * 32768).astype(np.int16)[np.newaxis]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = 16_000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    (home / "wav.scp").write_text(f"a {wav}\nb\t{examples[1]}\n", encoding="utf-8")
    (home / "bare.txt").write_text(f"{examples[1]}\n{examples[2]}\n", encoding="utf-8")
    rows = [{"key": "a", "source": str(examples[0])}, {"source": str(wav)}]
    (home / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    integers = (speech[:16_000] * 32768).astype("<i2")
    return {
        "path": lambda: str(examples[0]),
        "path with blanks": lambda: str(wav),
        "list of paths": lambda: [str(examples[0]), str(wav)],
        "tuple of paths": lambda: (str(examples[0]), str(wav)),
        "array": speech.copy,
        "array of one row": speech[np.newaxis].copy,
        "array in the range of 16 bits": lambda: integers.astype(np.float32),
        "list of arrays": lambda: [speech[:20_000].copy(), speech[:9000].copy()],
        "path and array": lambda: [str(examples[0]), speech.copy()],
        "bytes of a file": wav.read_bytes,
        "bytes without a header": integers.tobytes,
        "file object": lambda: io.BytesIO(wav.read_bytes()),
        "file object at its end": lambda: _at_its_end(wav),
        "wav.scp": lambda: str(home / "wav.scp"),
        "bare.txt": lambda: str(home / "bare.txt"),
        "rows.jsonl": lambda: str(home / "rows.jsonl"),
    }


def _at_its_end(path: Path) -> io.BytesIO:
    stream = io.BytesIO(path.read_bytes())
    stream.seek(0, io.SEEK_END)
    return stream


def keys(results: list[dict[str, Any]]) -> list[str]:
    return [re.sub(f"^{RANDOM_KEY}$", "random", result["key"]) for result in results]


def files(directory: Path) -> list[str]:
    return sorted(re.sub(RANDOM_KEY, "random", path.name) for path in directory.iterdir())


def write_snapshot(folder: Path, tokens: tuple[str, ...]) -> Path:
    """A snapshot with random weights that torch has written, for theirs and ours."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency

    snapshots.describe(folder, snapshots.tiny(), tokens=tokens, **TOKENIZER if tokens else {})
    state = snapshots.random_state(snapshots.tiny(), classes=len(tokens))
    torch.save({name: torch.from_numpy(array) for name, array in state.items()}, folder / "model.pt")
    return folder


def same_results(
    theirs: Generate, ours: Generate, inputs: Inputs, place: Path, options: dict[str, Any], *, feats: bool
) -> None:
    """Both give the same and write the same of every input."""
    for kind, make in inputs.items():
        folders = [place / kind / "theirs", place / kind / "ours"]
        wanted = theirs(make(), output_dir=str(folders[0]), **options)
        given = ours(make(), output_dir=str(folders[1]), **options)
        if kind in _ONE_KEY:
            assert wanted[1]["key"] == wanted[0]["key"] != given[1]["key"]
            wanted[1]["key"] = given[1]["key"]
        assert keys(given) == keys(wanted), kind
        for result, other in zip(given, wanted, strict=True):
            assert list(result) == list(other), kind
            assert result["labels"] == other["labels"]
            assert {type(score) for score in result["scores"]} <= {float}
            np.testing.assert_allclose(result["scores"], other["scores"], atol=1e-5)
            assert ("feats" in result) == feats
            if feats:
                assert result["feats"].dtype == other["feats"].dtype
                assert result["feats"].shape == other["feats"].shape
                np.testing.assert_allclose(result["feats"], other["feats"], atol=1e-4)
        assert len(files(folders[1])) == len({item["key"] for item in given if feats}), kind
        if kind in _ONE_KEY:
            continue
        assert files(folders[1]) == files(folders[0]), kind
        for result, other in zip(given, wanted, strict=True):
            if feats:
                mine, its = (
                    np.load(folder / f"{item['key']}.npy")
                    for folder, item in zip(folders[::-1], (result, other), strict=True)
                )
                assert mine.dtype == its.dtype
                np.testing.assert_allclose(mine, its, atol=1e-4)
