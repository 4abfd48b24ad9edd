"""The wav2vec 2.0 and HuBERT family: reads the snapshots that transformers writes and builds their network."""
