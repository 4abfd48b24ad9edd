"""What can go wrong. Every message is one line that says what to do.

EmovoxError
├── AudioError                     the recording
│   ├── RecordingNotFoundError     no such file, or no recording in a directory
│   ├── UnreadableAudioError       empty, not audio, or damaged beyond use
│   │   └── BrokenDecoderError     decoding it killed or stalled the process that tried
│   ├── NoAudioError               a video without sound, or no sample at all
│   ├── TooShortError              under 25 ms, which is less than one frame
│   └── TooLargeError              over `max_duration` or `max_file_size`
├── ModelError                     the model
│   ├── UnknownModelError          neither in the catalog nor a path
│   ├── NotInstalledError          in the catalog, and not on disk
│   ├── PrecisionError             it can't be computed in this precision, or not here
│   └── HubError                   a model hub refuses, or is no hub
│       ├── HubUnreachableError    it can't be reached, or breaks off again and again
│       └── HubMismatchError       it serves something else than it publishes, or publishes something unsafe
├── DecoderError                   no decoding process can be started, or the disk is full
├── HeadError                      an own head: there is none of that name, or it is another model's
├── BaselineError                  a baseline: there is none of that name, or it can't be used with a model
├── LabelsError                    a list of recordings, or what can be learnt from it
├── MicrophoneError                no microphone can be heard here
├── UnknownEmotionError            not one of the nine, or not one that the model knows
├── OutputsError                   the outputs directory: unwritable, disk full
│   └── FramesError                its frames.npz is gone or damaged, or the frames are elsewhere
├── BatchError                     a batch's input or output can't be used
│   └── ClusterError               its cluster can't be reached, has no place for it, or was lost on the way
├── ExportError                    no such format, its package is missing, or the result lacks what it shows
├── ArchiveError                   the archive: a directory or embedding it can't take, or nothing to compare with
│   └── FilterError                a filter can't be read, or names what nothing in the archive is called
├── OptionsError                   an option of a recognition has a value that means nothing
├── PolicyError                    the policy forbids it, or demands to know whose voice it is
├── UseLogError                    the log of use can't be written or read
├── ServiceError                   a service that `emovox.client` asked refuses
│   └── ServiceUnreachableError    it can't be reached, breaks off, or isn't Emovox
└── SettingsError                  a setting out of range, or an unreadable config file
"""


class EmovoxError(Exception):
    """Anything that Emovox itself reports."""


class AudioError(EmovoxError):
    """A recording can't be used.

    Attributes:
        reason: what is wrong and what to do.
        name: which recording, where it has a name; the message puts it in front.
    """

    def __init__(self, reason: str, name: str | None = None) -> None:
        super().__init__(f"{name}: {reason}" if name else reason)
        self.reason = reason
        self.name = name


class RecordingNotFoundError(AudioError):
    """No such file, or a directory with no recording in it."""


class UnreadableAudioError(AudioError):
    """The bytes are not audio, or too damaged to decode 0.1 s of it."""


class BrokenDecoderError(UnreadableAudioError):
    """Decoding it killed or stalled the process that tried: it is damaged, or made to do that."""


class NoAudioError(AudioError):
    """The file is readable and has no sound in it."""


class TooShortError(AudioError):
    """Less than 25 ms, the width of one frame."""


class TooLargeError(AudioError):
    """Longer than `max_duration` or bigger than `max_file_size`."""


class ModelError(EmovoxError):
    """A model file is missing, broken, or can't run here."""


class UnknownModelError(ModelError):
    """The name is not in the catalog and is no path."""


class NotInstalledError(ModelError):
    """The catalog knows the model and it is not on disk; the message names the command that downloads it."""


class PrecisionError(ModelError):
    """The model can't be computed in a precision, or this machine can't."""


class HubError(ModelError):
    """A model hub refuses a download, or what answers is no hub."""


class HubUnreachableError(HubError):
    """A model hub can't be reached, or breaks off again and again."""


class HubMismatchError(HubError):
    """A model hub serves something else than it publishes, or publishes unsafe paths."""


class DecoderError(EmovoxError):
    """No decoding process can be started, or the disk has no room for what it decodes."""


class HeadError(EmovoxError):
    """A trained head is not there, is damaged, has no place, or belongs to another model."""


class BaselineError(EmovoxError):
    """A baseline is not there, is damaged, has no place, belongs to another model, or can't be applied."""


class LabelsError(EmovoxError):
    """A list of recordings can't be used, or nothing can be learnt from it."""


class MicrophoneError(EmovoxError):
    """No microphone can be heard: what drives it is not installed, or there is none, or it is in use."""


class UnknownEmotionError(EmovoxError, ValueError):
    """The name is not one of the nine, or not one that the model knows."""


class OutputsError(EmovoxError):
    """The outputs directory can't be read or written."""


class FramesError(OutputsError):
    """The rows of frames are asked for, and their file is gone or damaged, or it isn't known where it is."""


class BatchError(EmovoxError):
    """A batch's input or output can't be used."""


class ClusterError(BatchError):
    """A batch's cluster can't be reached, has no place for it, or was lost: the same command goes on later."""


class ExportError(EmovoxError):
    """An export can't be made: no such format, a package is missing, or the result lacks what it shows."""


class ArchiveError(EmovoxError):
    """The archive can't take a directory or an embedding, or has nothing to compare with."""


class FilterError(ArchiveError, ValueError):
    """A filter of the archive can't be read, or names what nothing there is called."""


class OptionsError(EmovoxError, ValueError):
    """An option of a recognition has a value that means nothing."""


class PolicyError(EmovoxError):
    """The policy forbids what is asked for, or demands that somebody says whose voice it is."""


class UseLogError(EmovoxError):
    """The log of use can't be written, so that what it would be about isn't done; or it can't be read."""


class ServiceError(EmovoxError):
    """A service that `emovox.client` asked refuses, or the job fails.

    Attributes:
        status: of HTTP; 0 where there was no answer.
        kind: which problem it is, as `urn:emovox:no-audio`.
    """

    def __init__(self, status: int, kind: str, detail: str) -> None:
        super().__init__(detail)
        self.status, self.kind = status, kind

    def __reduce__(self) -> tuple[object, ...]:
        """As it comes out of another process."""
        return ServiceError, (self.status, self.kind, str(self))


class ServiceUnreachableError(ServiceError):
    """A service can't be reached, breaks off, or answers as Emovox doesn't."""

    def __init__(self, detail: str) -> None:
        super().__init__(0, "about:blank", detail)

    def __reduce__(self) -> tuple[object, ...]:
        """As it comes out of another process."""
        return ServiceUnreachableError, (str(self),)


class SettingsError(EmovoxError):
    """A setting has a value it can't have."""
