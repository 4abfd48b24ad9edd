"""Emotion of the user's voice for a LiveKit agent."""

from emovox_livekit.listener import EmovoxListener

__all__ = ["EmovoxListener"]
