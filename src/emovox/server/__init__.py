"""The service: recognition, jobs, outputs and live hearing over HTTP. Nothing but the command line imports it."""
