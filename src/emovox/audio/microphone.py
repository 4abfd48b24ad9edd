"""The microphone, through PortAudio: its blocks of sound, and the list of microphones."""

from queue import Empty, SimpleQueue
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emovox.errors import MicrophoneError
from emovox.packages import install

WAIT = 0.1  # seconds


class Microphone:
    """An open microphone; closing it ends the recording.

    Attributes:
        name: of the device.
        rate: samples a second, the device's own.
        overflows: how often the system dropped sound because it wasn't read in time.
    """

    def __init__(self, device: str | None = None) -> None:
        """Open one and start to listen.

        Args:
            device: its number, or a part of its name; by default the system's own choice.

        Raises:
            MicrophoneError: there is none, or it can't be opened.
        """
        sounddevice = _driver()
        self.overflows = 0
        self._blocks: SimpleQueue[NDArray[np.float32]] = SimpleQueue()
        index = int(device) if device is not None and device.isdecimal() else device
        try:
            facts = sounddevice.query_devices(index, "input")
            self.name, self.rate = str(facts["name"]), float(facts["default_samplerate"])
            self._stream = sounddevice.InputStream(
                device=index,
                samplerate=self.rate,
                channels=_channels(sounddevice, index, self.rate, int(facts["max_input_channels"])),
                dtype="float32",
                callback=self._take,
            )
            self._stream.start()
        except (sounddevice.PortAudioError, ValueError) as error:  # ValueError: no such name, or several
            raise MicrophoneError(_why(sounddevice, device, error)) from error

    def read(self) -> NDArray[np.float32] | None:
        """All sound since the last call, float32 (n, channels), full scale ±1; n may be 0.

        Waits up to a tenth of a second for some.

        Returns:
            The samples; None once the device has stopped, for example because it was unplugged.
        """
        active = bool(self._stream.active)  # checked first: the last samples must not be lost
        blocks = []
        try:
            blocks.append(self._blocks.get(timeout=WAIT))
            while True:
                blocks.append(self._blocks.get_nowait())
        except Empty:
            pass
        if blocks:
            return np.concatenate(blocks)
        return np.empty((0, 1), np.float32) if active else None

    def close(self) -> None:
        """Stop listening."""
        self._stream.close()

    def _take(self, block: NDArray[np.float32], _frames: int, _time: object, status: Any) -> None:
        """Called by PortAudio's own thread, which must not wait; the block's memory belongs to it."""
        self.overflows += bool(status.input_overflow)
        self._blocks.put(block.copy())


def microphones() -> list[str]:
    """The microphones, each as `number: name`; the system's default has a star after it.

    Raises:
        MicrophoneError: they can't be listed.
    """
    sounddevice = _driver()
    try:
        default = sounddevice.default.device[0]
        return [
            f"{number}: {facts['name']}{' *' if number == default else ''}"
            for number, facts in enumerate(sounddevice.query_devices())
            if facts["max_input_channels"] > 0
        ]
    except sounddevice.PortAudioError as error:
        raise MicrophoneError(f"the microphones can't be listed: {_line(error)}") from error


def _driver() -> ModuleType:
    try:
        import sounddevice  # noqa: PLC0415  an extra
    except ImportError as error:
        raise MicrophoneError(f"listening to a microphone needs sounddevice: {install('sounddevice')}") from error
    except OSError as error:  # sounddevice is installed, PortAudio isn't
        raise MicrophoneError(
            f"listening to a microphone needs the PortAudio library ({_line(error)}): "
            "on Debian and Ubuntu, sudo apt install libportaudio2"
        ) from error
    driver: ModuleType = sounddevice
    return driver


def _channels(sounddevice: ModuleType, device: int | str | None, rate: float, most: int) -> int:
    """The number of channels to open: one, which most devices support; some only all of theirs."""
    try:
        sounddevice.check_input_settings(device=device, channels=1, dtype="float32", samplerate=rate)
    except sounddevice.PortAudioError:
        return most
    return 1


def _why(sounddevice: ModuleType, device: str | None, error: Exception) -> str:
    try:
        names = microphones()
    except MicrophoneError:
        names = []
    if not names:
        return "no microphone found"
    if device is None:
        return f"the microphone can't be opened: {_line(error)}; choose another with --device: {'; '.join(names)}"
    return f"the microphone {device!r} can't be opened: {_line(error)}; available: {'; '.join(names)}"


def _line(error: Exception) -> str:
    return " ".join(str(error).split())
