"""Emovox hears emotion in speech.

    import emovox

    recognizer = emovox.Recognizer()
    recognition = recognizer.recognize("call.mp3")
    recognition.emotion, recognition.confidence, recognition.scores

Importing this package loads nothing: each name below is loaded when it is first used.
"""

from emovox import lazy

# As type checkers know it; `typing` takes longer to load than all that the program needs here.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from emovox.baselines.baseline import Baseline
    from emovox.emotions import EMOTIONS, Emotion
    from emovox.errors import (
        ArchiveError,
        AudioError,
        BaselineError,
        BatchError,
        BrokenDecoderError,
        ClusterError,
        DecoderError,
        EmovoxError,
        ExportError,
        FilterError,
        FramesError,
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
        PolicyError,
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
        UseLogError,
    )
    from emovox.inference.frames import Frames
    from emovox.inference.live import EmotionChanged, Live, LiveUpdate
    from emovox.inference.recognition import Recognition
    from emovox.inference.recognizer import Recognizer
    from emovox.models.head import Head
    from emovox.outputs import Outputs
    from emovox.version import __version__

_HOME = {
    "EMOTIONS": "emotions",
    "ArchiveError": "errors",
    "AudioError": "errors",
    "Baseline": "baselines.baseline",
    "BaselineError": "errors",
    "BatchError": "errors",
    "BrokenDecoderError": "errors",
    "ClusterError": "errors",
    "DecoderError": "errors",
    "Emotion": "emotions",
    "EmotionChanged": "inference.live",
    "EmovoxError": "errors",
    "ExportError": "errors",
    "FilterError": "errors",
    "Frames": "inference.frames",
    "FramesError": "errors",
    "Head": "models.head",
    "HeadError": "errors",
    "HubError": "errors",
    "HubMismatchError": "errors",
    "HubUnreachableError": "errors",
    "LabelsError": "errors",
    "Live": "inference.live",
    "LiveUpdate": "inference.live",
    "MicrophoneError": "errors",
    "ModelError": "errors",
    "NoAudioError": "errors",
    "NotInstalledError": "errors",
    "OptionsError": "errors",
    "Outputs": "outputs",
    "OutputsError": "errors",
    "PolicyError": "errors",
    "PrecisionError": "errors",
    "Recognition": "inference.recognition",
    "Recognizer": "inference.recognizer",
    "RecordingNotFoundError": "errors",
    "ServiceError": "errors",
    "ServiceUnreachableError": "errors",
    "SettingsError": "errors",
    "TooLargeError": "errors",
    "TooShortError": "errors",
    "UnknownEmotionError": "errors",
    "UnknownModelError": "errors",
    "UnreadableAudioError": "errors",
    "UseLogError": "errors",
    "__version__": "version",
}

__all__ = [
    "EMOTIONS",
    "ArchiveError",
    "AudioError",
    "Baseline",
    "BaselineError",
    "BatchError",
    "BrokenDecoderError",
    "ClusterError",
    "DecoderError",
    "Emotion",
    "EmotionChanged",
    "EmovoxError",
    "ExportError",
    "FilterError",
    "Frames",
    "FramesError",
    "Head",
    "HeadError",
    "HubError",
    "HubMismatchError",
    "HubUnreachableError",
    "LabelsError",
    "Live",
    "LiveUpdate",
    "MicrophoneError",
    "ModelError",
    "NoAudioError",
    "NotInstalledError",
    "OptionsError",
    "Outputs",
    "OutputsError",
    "PolicyError",
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
    "UseLogError",
    "__version__",
]


__getattr__ = lazy.names(__name__, _HOME)


def __dir__() -> list[str]:
    return __all__
