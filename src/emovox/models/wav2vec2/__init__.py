"""wav2vec 2.0, HuBERT and WavLM: reads the snapshots that transformers writes and builds their network."""
