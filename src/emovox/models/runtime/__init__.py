"""The runtime: the engine, and its sessions on ONNX Runtime and OpenVINO."""
