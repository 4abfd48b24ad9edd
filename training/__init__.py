"""How the bundled model is made, from corpora to ONNX. Nothing here is part of the installed product."""
