import asyncio
from pathlib import Path

import numpy as np

from emovox.audio.decoded import Decoded
from emovox.audio.waveform import Waveform
from emovox.inference.model_pool import ModelChoice, ModelPool
from emovox.inference.options import Options, Request
from emovox.inference.recognizer import Recognizer
from emovox.inference.scheduler import Scheduler
from emovox.inference.splitting import pieces, survey
from emovox.models.runtime.engine import Output


def test_recordings_and_pieces_are_heard(
    recognizer: Recognizer, examples: list[Path], speech: Waveform, tmp_path: Path
) -> None:
    (tmp_path / "x").write_bytes(speech.tobytes())
    whole = Decoded(tmp_path / "x", "x", "0" * 64, 16_000, 1, None, "flac", len(speech), ())
    (piece,) = pieces(survey(whole, recognizer.metadata, Options()), whole.path)

    async def main() -> tuple[str, list[Output]]:
        scheduler = Scheduler(ModelPool(most=1, idle=9, load=lambda _: recognizer), threads=1)
        try:
            recognition, outputs = await asyncio.gather(
                scheduler.hear(ModelChoice("x"), Request(examples[0])),
                scheduler.infer_piece(ModelChoice("x"), piece),
            )
        finally:
            await asyncio.to_thread(scheduler.close)
        assert scheduler.heard == piece.seconds
        return recognition.emotion, outputs

    emotion, (output,) = asyncio.run(main())
    assert emotion == "angry"
    assert int(np.argmax(output.logits)) == 0
