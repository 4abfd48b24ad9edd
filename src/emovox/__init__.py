"""Emovox hears emotion in speech.

    import emovox

    recognizer = emovox.Recognizer()
    recognition = recognizer.recognize("call.mp3")
    recognition.emotion, recognition.confidence, recognition.scores

Importing this package loads nothing: each name below is loaded when it is first used.
"""

from importlib import import_module

TYPE_CHECKING = (
    False  # as type checkers know it; `typing` takes longer to load than all that the program needs here
)
if TYPE_CHECKING:
    from emovox.emotions import EMOTIONS, Emotion
    from emovox.errors import (
        ArchiveError,
        AudioError,
        BatchError,
        BrokenDecoderError,
        ClusterError,
        DecoderError,
        EmovoxError,
        ExportError,
        HeadError,
        HubError,
        HubMismatchError,
        HubUnreachableError,
        LabelsError,
        MicrophoneError,
        ModelError,
        NoAudioError,
        NotInstalledError,
        OptionsError,
        OutputsError,
        PrecisionError,
        RecordingNotFoundError,
        ServiceError,
        ServiceUnreachableError,
        SettingsError,
        TooLargeError,
        TooShortError,
        UnknownEmotionError,
        UnknownModelError,
        UnreadableAudioError,
    )
    from emovox.models.head import Head
    from emovox.outputs import Outputs
    from emovox.recognition.live import EmotionChanged, Heard, Live
    from emovox.recognition.recognition import Frames, Recognition
    from emovox.recognition.recognizer import Recognizer
    from emovox.version import __version__

_HOME = {
    "EMOTIONS": "emotions",
    "ArchiveError": "errors",
    "AudioError": "errors",
    "BatchError": "errors",
    "BrokenDecoderError": "errors",
    "ClusterError": "errors",
    "DecoderError": "errors",
    "Emotion": "emotions",
    "EmotionChanged": "recognition.live",
    "EmovoxError": "errors",
    "ExportError": "errors",
    "Frames": "recognition.recognition",
    "Head": "models.head",
    "HeadError": "errors",
    "Heard": "recognition.live",
    "HubError": "errors",
    "HubMismatchError": "errors",
    "HubUnreachableError": "errors",
    "LabelsError": "errors",
    "Live": "recognition.live",
    "MicrophoneError": "errors",
    "ModelError": "errors",
    "NoAudioError": "errors",
    "NotInstalledError": "errors",
    "OptionsError": "errors",
    "Outputs": "outputs",
    "OutputsError": "errors",
    "PrecisionError": "errors",
    "Recognition": "recognition.recognition",
    "Recognizer": "recognition.recognizer",
    "RecordingNotFoundError": "errors",
    "ServiceError": "errors",
    "ServiceUnreachableError": "errors",
    "SettingsError": "errors",
    "TooLargeError": "errors",
    "TooShortError": "errors",
    "UnknownEmotionError": "errors",
    "UnknownModelError": "errors",
    "UnreadableAudioError": "errors",
    "__version__": "version",
}

__all__ = [
    "EMOTIONS",
    "ArchiveError",
    "AudioError",
    "BatchError",
    "BrokenDecoderError",
    "ClusterError",
    "DecoderError",
    "Emotion",
    "EmotionChanged",
    "EmovoxError",
    "ExportError",
    "Frames",
    "Head",
    "HeadError",
    "Heard",
    "HubError",
    "HubMismatchError",
    "HubUnreachableError",
    "LabelsError",
    "Live",
    "MicrophoneError",
    "ModelError",
    "NoAudioError",
    "NotInstalledError",
    "OptionsError",
    "Outputs",
    "OutputsError",
    "PrecisionError",
    "Recognition",
    "Recognizer",
    "RecordingNotFoundError",
    "ServiceError",
    "ServiceUnreachableError",
    "SettingsError",
    "TooLargeError",
    "TooShortError",
    "UnknownEmotionError",
    "UnknownModelError",
    "UnreadableAudioError",
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
