"""Hubs: snapshots from Hugging Face and ModelScope. All of Emovox that goes online by itself."""
