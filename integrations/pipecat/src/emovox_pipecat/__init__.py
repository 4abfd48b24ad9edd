"""Emotion of the user's voice in a Pipecat pipeline."""

from emovox_pipecat.processor import EmovoxProcessor, UserEmotionFrame, UserTurnEmotionFrame

__all__ = ["EmovoxProcessor", "UserEmotionFrame", "UserTurnEmotionFrame"]
