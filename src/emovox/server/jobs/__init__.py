"""Jobs: what was accepted, run to its end, and told of by webhooks."""
