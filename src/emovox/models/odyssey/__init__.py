"""The baselines of the Odyssey 2024 challenge: WavLM with attentive statistics, as 3loi publishes them."""
