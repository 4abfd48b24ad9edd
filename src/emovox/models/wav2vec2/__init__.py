"""wav2vec 2.0 and its kin: reads the snapshots that transformers writes and builds their network."""
