"""The Emotion2Vec family: reads its snapshots and builds its network as a graph."""
