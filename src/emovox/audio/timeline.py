"""The timeline: where decoded sound is in its recording, and how much silence comes before it."""

GAP = 0.1  # seconds; what encoders leave out or add at the seams is less
JUMP = 5.0  # seconds; no stream is silent for so long unless others go on beside it
BACK = 1.0  # seconds; no clock goes back so far


class Timeline:
    """Places each frame after the last one, by its own time stamp.

    Attributes:
        given: seconds placed so far, silence included.
        reached: where the last frame ended by its time stamp, in seconds from the beginning.
        jumped: whether the clock jumped before the last frame, as it does where two captures were joined.
    """

    def __init__(self, began: float, ends: float, *, jumps: bool) -> None:
        """Begin.

        Args:
            began: what the clock shows at the beginning of the recording, seconds.
            ends: seconds of the whole, beyond which a time is damage.
            jumps: whether the clock may jump, as that of a broadcast does; then `ends` means nothing.
        """
        self.given = 0.0
        self.reached = 0.0
        self.jumped = False
        self._origin, self._ends, self._jumps = began, ends, jumps
        self._clock = began  # how far it went without a jump
        self._end: float | None = None

    def see(self, time: float | None) -> None:
        """Take the time of something else in the recording, a picture: the clock runs on without sound."""
        if time is not None and 0 <= time - self._clock <= JUMP:
            self._clock = time

    def place(self, time: float | None, seconds: float) -> float:
        """Place a frame.

        Args:
            time: what the clock shows at its beginning; None: it goes on where the last one ended.
            seconds: its length.

        Returns:
            Seconds of silence before it.
        """
        missing = 0.0
        self.jumped = False
        if time is not None:
            if self._is_jump(time):
                self.jumped = True
                self._origin = time - self.given
                self._clock = time
            missing = time - self._origin - self.given
            if missing <= GAP or not (self._jumps or self.given + missing <= self._ends):
                missing = 0.0
            self._end = time
        self.given += missing
        self.given += seconds
        if self._end is not None:
            self._end += seconds
            self._clock = max(self._clock, self._end)
            self.reached = self._end - self._origin
        return missing

    def _is_jump(self, time: float) -> bool:
        if self._end is not None and time < self._end - BACK:
            return True
        return self._jumps and time - self._clock > JUMP
