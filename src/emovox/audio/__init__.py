"""Audio: from a recording to waveform blocks, windows and WAV files; nothing here knows of models."""
