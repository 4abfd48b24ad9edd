"""Jobs: recordings that were accepted, run to the end and reported by webhooks."""
