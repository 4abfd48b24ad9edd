"""Notices: what people are told before emotions are inferred from their voices."""
