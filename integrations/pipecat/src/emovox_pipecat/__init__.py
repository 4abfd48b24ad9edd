"""Emotion of the user's voice in a Pipecat pipeline."""

from emovox.silence import import_onnxruntime
from emovox_pipecat.processor import EmovoxProcessor, UserEmotionFrame, UserTurnEmotionFrame

import_onnxruntime()  # before Pipecat's VAD imports it: so it reports nothing to its makers

__all__ = ["EmovoxProcessor", "UserEmotionFrame", "UserTurnEmotionFrame"]
