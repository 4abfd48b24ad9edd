"""Emovox hears emotion in speech.

    import emovox

    recognizer = emovox.Recognizer()
    recognition = recognizer.recognize("call.mp3")
    recognition.emotion, recognition.confidence, recognition.scores

Importing this package loads nothing: each name below is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from emovox.emotions import EMOTIONS, Emotion
    from emovox.errors import AudioError, EmovoxError, HeadError, ModelError, OutputsError, UnknownEmotionError
    from emovox.models.head import Head
    from emovox.outputs import Outputs
    from emovox.recognition.live import EmotionChanged, Heard, Live
    from emovox.recognition.recognition import Frames, Recognition
    from emovox.recognition.recognizer import Recognizer
    from emovox.version import __version__

_HOME = {
    "EMOTIONS": "emotions",
    "AudioError": "errors",
    "Emotion": "emotions",
    "EmotionChanged": "recognition.live",
    "EmovoxError": "errors",
    "Frames": "recognition.recognition",
    "Head": "models.head",
    "HeadError": "errors",
    "Heard": "recognition.live",
    "Live": "recognition.live",
    "ModelError": "errors",
    "Outputs": "outputs",
    "OutputsError": "errors",
    "Recognition": "recognition.recognition",
    "Recognizer": "recognition.recognizer",
    "UnknownEmotionError": "errors",
    "__version__": "version",
}

__all__ = [
    "EMOTIONS",
    "AudioError",
    "Emotion",
    "EmotionChanged",
    "EmovoxError",
    "Frames",
    "Head",
    "HeadError",
    "Heard",
    "Live",
    "ModelError",
    "Outputs",
    "OutputsError",
    "Recognition",
    "Recognizer",
    "UnknownEmotionError",
    "__version__",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'emovox' has no attribute {name!r}")
    value = getattr(import_module(f"emovox.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
