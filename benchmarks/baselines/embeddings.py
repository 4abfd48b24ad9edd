"""Embeddings of corpora by the bundled model, kept."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.audio.speech import SpeechFinder
from emovox.audio.windows import cut
from emovox.models.catalog import resolve
from emovox.models.runtime.engine import Engine
from training.augment import telephone
from training.corpus import BY_NAME, read_corpus, read_tsv, read_waveform


def embedded(corpora: Path, work: Path, corpus: str, *, line: bool = False) -> dict[str, NDArray[Any]]:
    """Of whole clips and of their speech, with labels, speakers and paths; `line`: of some, by telephone."""
    file = work / f"{corpus}{'-phone' if line else ''}.npz"
    if not file.exists():
        engine = Engine(resolve("lite"), engine="onnxruntime", threads=1)
        clips = read_corpus(corpora, corpus) if corpus in BY_NAME else read_tsv(corpora / f"{corpus}.tsv")
        clips = clips[:: max(1, len(clips) // 540)] if line else clips
        whole, speech = [], []
        for clip in clips:
            waveform = read_waveform(corpora / clip.path)
            if line:
                waveform = telephone(waveform, np.random.default_rng([clip.number, 1000]))
            [output] = engine.run([waveform], frames=True)
            assert output.frames is not None  # noqa: S101  asked for
            finder = SpeechFinder()
            list(cut(iter([waveform]), hop=320, overlap=0, speech=finder))
            spoken = np.zeros(output.frame_count, np.bool_)
            for span in finder.spans:
                spoken[-(-span.start // 320) : -(-span.end // 320)] = True
            whole.append(output.embedding)
            speech.append(output.frames[spoken].mean(axis=0) if spoken.any() else output.embedding)
        np.savez(
            file,
            allow_pickle=False,
            whole=np.stack(whole),
            speech=np.stack(speech),
            labels=[clip.label for clip in clips],
            speakers=[clip.speaker for clip in clips],
            paths=[clip.path for clip in clips],
        )
    return dict(np.load(file, allow_pickle=False))
