"""Many recordings: a folder or a bucket in, tables out; on this machine or on a cluster."""
