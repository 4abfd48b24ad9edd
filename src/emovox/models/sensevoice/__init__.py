"""SenseVoiceSmall, of which emotions and events are kept: reads FunASR's snapshots and builds their network."""
