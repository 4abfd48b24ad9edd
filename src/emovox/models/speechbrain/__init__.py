"""SpeechBrain's wav2vec 2.0 with a linear layer: reads its snapshots and builds their network."""
