"""Converted models: from a snapshot to a file under the contract, tried on this machine and verified."""
