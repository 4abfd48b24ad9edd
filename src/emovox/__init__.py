"""Emovox hears emotion in speech."""
