"""The public names, pinned; and what importing them costs."""

import re
import subprocess
import sys

import emovox
from emovox import errors


def test_public_names() -> None:
    assert emovox.__all__ == [
        "EMOTIONS", "ArchiveError", "AudioError", "Baseline", "BaselineError", "BatchError",
        "BrokenDecoderError", "ClusterError", "DecoderError", "Emotion", "EmotionChanged",
        "EmovoxError", "ExportError", "FilterError", "Frames", "FramesError", "Head",
        "HeadError", "HubError", "HubMismatchError",
        "HubUnreachableError", "LabelsError", "Live", "LiveUpdate", "MicrophoneError",
        "ModelError", "NoAudioError", "NotInstalledError", "OptionsError",
        "Outputs", "OutputsError", "PolicyError", "PrecisionError", "Recognition",
        "Recognizer", "RecordingNotFoundError", "ServiceError", "ServiceUnreachableError",
        "SettingsError", "TooLargeError", "TooShortError", "UnknownEmotionError",
        "UnknownModelError", "UnreadableAudioError", "UseLogError", "__version__",
    ]  # fmt: skip
    assert dir(emovox) == sorted(emovox.__all__)
    assert all(getattr(emovox, name) is not None for name in emovox.__all__)


def test_every_error_is_public() -> None:
    kinds = [value for value in vars(errors).values() if isinstance(value, type)]
    assert all(issubclass(kind, errors.EmovoxError) for kind in kinds)
    assert {kind.__name__ for kind in kinds} <= set(emovox.__all__)
    drawn = set(re.findall(r"\w+Error", errors.__doc__ or ""))
    assert drawn == {kind.__name__ for kind in kinds}


def test_importing_loads_nothing() -> None:
    code = "import sys, emovox; print(*sorted(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.split()
    assert not {"numpy", "onnxruntime", "av", "click", "rich", "pydantic", "soxr"} & set(loaded)


def test_the_command_needs_no_extra() -> None:
    extras = ["alembic", "fastapi", "matplotlib", "numkong", "openvino", "pyarrow", "ray", "scipy", "sqlalchemy"]
    code = f"import sys; sys.modules.update(dict.fromkeys({extras}))\nimport emovox.cli; emovox.Recognizer('lite')"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_nothing_installed_needs_torch() -> None:
    code = (
        "import sys; sys.modules['torch'] = None\n"
        "import emovox, emovox.cli; emovox.Recognizer('lite')\n"
        "assert not [name for name in sys.modules if name.startswith(('torch.', 'transformers', 'funasr'))]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
