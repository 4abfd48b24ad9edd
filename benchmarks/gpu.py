"""Speed on a CUDA card: Emovox, FunASR and transformers side by side, batches of 24 clips, fp32 and fp16, medians.

PYTHONPATH=src:tests python -m benchmarks.gpu [--device cuda|cpu] [--size published|tiny] [--clips 24]
    [--repeats 5]

Emotion2Vec+ Large in its published layout against FunASR's class, and audEERING's wav2vec 2.0 against
transformers', with random weights, which is as fast as any. Fetches nothing, and needs beside Emovox's own
requirements onnxruntime-gpu, torch with CUDA, transformers, and FunASR's module; what isn't there is said and left
out. The last column is the greatest difference of a score or value from Emovox in fp32 on the CPU.
`--device cpu --size tiny` tries the script where there is no card.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.errors import ModelError
from emovox.models.converted.clips import example_clips
from emovox.models.converted.store import StoredModel
from emovox.models.metadata import Precision
from emovox.models.runtime.engine import Engine
from emovox.models.runtime.session import Device
from emovox.models.scores import readout_scores
from emovox.models.wav2vec2.snapshot import SPEECH
from support import snapshots, wav2vec2_snapshots

Waveform = NDArray[np.float32]
Numbers = NDArray[np.float64]
Run = Callable[[list[Waveform]], Numbers]
"""From clips to their scores or values, (clips, K)."""
PRECISIONS: tuple[Precision, ...] = ("fp32", "fp16")


def main() -> None:
    """Read the command line, measure, print tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    parser.add_argument("--size", choices=["published", "tiny"], default="published")
    parser.add_argument("--clips", type=int, default=24, help="in a batch, of 2 to 6 s each")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    clips = draw(options.clips)
    seconds = sum(map(len, clips)) / 16_000
    print(
        f"{name_of(options.device)}: {len(clips)} clips, {seconds:.0f} s, medians of {options.repeats}", flush=True
    )
    tiny = options.size == "tiny"
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["EMOVOX_CACHE"] = f"{scratch}/cache"
        for of in (of_funasr, of_transformers):
            title, folder, theirs = of(Path(scratch), options.device, tiny)
            stored = StoredModel(folder, name="random", revision="random", licence="none")
            measure(title, stored, theirs, clips, options.device, options.repeats)


def draw(count: int) -> list[Waveform]:
    """Clips of 2 to 6 seconds of speech, always the same."""
    speech = np.tile(np.concatenate(example_clips()), 2)
    random = np.random.default_rng(0)
    spans = random.integers(2 * 16_000, 6 * 16_000, count)
    starts = random.integers(0, len(speech) - 6 * 16_000, count)
    return [speech[start : start + span] for start, span in zip(starts, spans, strict=True)]


def name_of(device: str) -> str:
    """What the device is called."""
    if device == "cpu":
        return "CPU"
    import torch  # noqa: PLC0415  only where there is a card

    return f"{torch.cuda.get_device_name(0)}, CUDA {torch.version.cuda}, torch {torch.__version__}"


def measure(
    title: str, stored: StoredModel, theirs: dict[str, Run], clips: list[Waveform], device: Device, repeats: int
) -> None:
    """Measure one model and print its table."""
    runs: dict[str, Run] = {}
    for precision in PRECISIONS:
        try:
            path = stored.file(precision)
            runs[f"Emovox {precision}"] = ours(
                Engine(path, precision=precision, device=device, engine="onnxruntime")
            )
        except ModelError as error:
            print(f"left out: Emovox {precision}: {error}", flush=True)
    reference = ours(Engine(stored.file("fp32"), device="cpu", engine="onnxruntime"))(clips)
    runs |= theirs
    times: dict[str, list[float]] = {name: [] for name in runs}
    errors = {}
    for turn in range(repeats + 1):
        for name, run in runs.items():
            started = time.perf_counter()
            numbers = run(clips)
            if turn:  # the first turn warms up
                times[name].append(time.perf_counter() - started)
            errors[name] = float(np.abs(numbers - reference).max())
    seconds = sum(map(len, clips)) / 16_000
    print(f"\n| {title} | s a batch | clips a second | times real time | differs by |\n|" + "---|" * 5)
    for name, values in times.items():
        median = statistics.median(values)
        cells = f"{median:.3f} | {len(clips) / median:.1f} | {seconds / median:.0f} | {errors[name]:.5f}"
        print(f"| {name} | {cells} |", flush=True)


def ours(runner: Engine) -> Run:
    """An engine, which is given the whole batch."""
    [readout] = runner.metadata.readouts

    def run(clips: list[Waveform]) -> Numbers:
        outputs = runner.run(clips)
        return np.stack([readout_scores(readout, runner.logits(readout, output)) for output in outputs])

    return run


def of_funasr(scratch: Path, device: str, tiny: bool) -> tuple[str, Path, dict[str, Run]]:
    """Emotion2Vec+ Large: its name, a snapshot with random weights, and FunASR's class on the device."""
    config = snapshots.tiny() if tiny else snapshots.large()
    folder = snapshots.write(scratch / "emotion2vec", config)
    try:
        import torch  # noqa: PLC0415  not needed for the rest
        from funasr.models.emotion2vec.model import Emotion2vec  # noqa: PLC0415
    except ImportError as error:
        print(f"left out: FunASR: {error}", flush=True)
        return "Emotion2Vec+ Large", folder, {}
    model = Emotion2vec(model_conf=config, vocab_size=len(snapshots.TOKENS)).eval()
    state = torch.load(folder / "model.pt", weights_only=False)  # written here
    model.load_state_dict(state.get("model", state), strict=False)
    model.to(device)

    def run(clips: list[Waveform], half: bool) -> Numbers:
        rows = []
        with torch.inference_mode(), torch.autocast(device, torch.float16, enabled=half):
            for clip in clips:  # as FunASR's `inference` does: a batch is a loop
                source = torch.from_numpy(clip).to(device)
                source = torch.nn.functional.layer_norm(source, source.shape)
                frames = model.extract_features(source.view(1, -1), padding_mask=None)["x"]
                rows.append(torch.softmax(model.proj(frames.mean(dim=1)).float(), dim=-1)[0])
        return np.asarray(torch.stack(rows).cpu().numpy(), np.float64)

    return "Emotion2Vec+ Large", folder, _both("FunASR", run)


def of_transformers(scratch: Path, device: str, tiny: bool) -> tuple[str, Path, dict[str, Run]]:
    """AudEERING's wav2vec 2.0: its name, a snapshot with random weights, and transformers' class on the device."""
    build = wav2vec2_snapshots.tiny if tiny else wav2vec2_snapshots.configure
    changes = wav2vec2_snapshots.REGRESSION if tiny else wav2vec2_snapshots.AUDEERING
    config = build(changes, wav2vec2_snapshots.DIMENSIONS, SPEECH)
    folder = scratch / "wav2vec2"
    title = "wav2vec 2.0, 12 layers, three values"
    try:
        import torch  # noqa: PLC0415  not needed for the rest
        import transformers  # noqa: PLC0415

        from support import transformers_model  # noqa: PLC0415
    except ImportError as error:
        print(f"left out: transformers: {error}", flush=True)
        return title, wav2vec2_snapshots.write(folder, config), {}
    model: Any = transformers_model.build(config)
    transformers_model.save(model, folder)
    model.to(device)
    extractor: Any = transformers.Wav2Vec2FeatureExtractor
    prepare = extractor(do_normalize=True, return_attention_mask=True)

    def run(clips: list[Waveform], half: bool) -> Numbers:
        inputs = prepare(clips, sampling_rate=16_000, padding=True, return_tensors="pt").to(device)
        mask = inputs.attention_mask
        with torch.inference_mode(), torch.autocast(device, torch.float16, enabled=half):
            frames = model.base_model(inputs.input_values, attention_mask=mask)[0]
            # Their card's class takes no mask, and has the padding in its means; here they are over what is valid.
            valid = model._get_feature_vector_attention_mask(frames.shape[1], mask)[..., None]
            values = model.classifier((frames * valid).sum(dim=1) / valid.sum(dim=1))
        return np.asarray(values.float().cpu().numpy(), np.float64)

    return title, folder, _both("transformers", run)


def _both(name: str, run: Callable[[list[Waveform], bool], Numbers]) -> dict[str, Run]:
    """A contender in both precisions."""
    return {
        f"{name} fp32": lambda clips: run(clips, False),
        f"{name} fp16 (autocast)": lambda clips: run(clips, True),
    }


if __name__ == "__main__":
    main()
