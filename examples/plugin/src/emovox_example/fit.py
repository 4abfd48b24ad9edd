"""Makes a snapshot of the family `bands` from a list of labels: python -m emovox_example.fit labels.csv folder."""

import json
import struct
import sys
from pathlib import Path

import numpy as np

import emovox
from emovox.labels import read_labels

BANDS, PENALTY, SHARPNESS = 32, 10.0, 6.0


def fit(path: Path, folder: Path) -> None:
    """Fit a ridge regression of the classes on the mean loudness in each band, and write it."""
    rows = read_labels(path)
    labels = sorted({row.label for row in rows})
    write(folder, labels, np.zeros((len(labels), BANDS)), np.zeros(len(labels)))
    recognizer = emovox.Recognizer(folder, precision="fp32")  # its embeddings need no weights
    x = np.array([recognizer.recognize(row.path, embedding=True).embedding[0] for row in rows], np.float64)
    y = np.array([[row.label == label for label in labels] for row in rows], np.float64) - 1 / len(labels)
    mean, deviation = x.mean(axis=0), x.std(axis=0) + 1e-6
    x = (x - mean) / deviation
    weight = SHARPNESS * np.linalg.solve(x.T @ x + PENALTY * np.eye(BANDS), x.T @ y).T / deviation
    write(folder, labels, weight, -weight @ mean)


def write(folder: Path, labels: list[str], weight: np.ndarray, bias: np.ndarray) -> None:
    """Write a snapshot: its settings, and the weights as safetensors, a header in JSON before the numbers."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "bands.json").write_text(json.dumps({"bands": weight.shape[1], "labels": labels}))
    header, data = {}, b""
    for name, values in {"emotion.weight": weight, "emotion.bias": bias}.items():
        numbers = values.astype("<f4").tobytes()
        header[name] = {
            "dtype": "F32", "shape": list(values.shape), "data_offsets": [len(data), len(data) + len(numbers)],
        }
        data += numbers
    text = json.dumps(header).encode()
    (folder / "bands.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)


if __name__ == "__main__":
    fit(Path(sys.argv[1]), Path(sys.argv[2]))
