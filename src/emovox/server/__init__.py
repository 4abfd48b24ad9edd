"""The service: recognition, jobs, outputs and live recognition over HTTP. Only the command line imports it."""
