"""Vox-Profile's models of emotion, on Whisper's or WavLM's encoder, as tiantiaf publishes them."""
