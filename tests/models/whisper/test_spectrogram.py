import io
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from emovox.models.onnx.graph import Graph
from emovox.models.whisper.spectrogram import log_mel, mel_filters
from emovox.silence import import_onnxruntime
from support.inference import Floats, speech
from support.transformers_model import parity


def spectrogram(signal: Floats, bands: int) -> Floats:
    steps = len(signal) // 160
    data = io.BytesIO()
    graph = Graph(data, "data")
    graph.add("Identity", log_mel(graph, "signal", bands=bands, steps=steps), output="mel")
    model = graph.finish(
        inputs=[("signal", TensorProto.FLOAT, ("rows", len(signal)))],
        outputs=[("mel", TensorProto.FLOAT, ("rows", steps, bands))],
        properties={},
    )
    content = data.getvalue()
    for tensor in model.graph.initializer:
        place = {item.key: item.value for item in tensor.external_data}
        if place:
            first = int(place["offset"])
            tensor.raw_data = content[first : first + int(place["length"])]
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT
    session = import_onnxruntime().InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    [mel] = session.run(None, {"signal": signal[np.newaxis]})
    return np.asarray(mel[0])


def test_filters_cover_all_hertz_and_have_one_area() -> None:
    for bands in (80, 128):
        filters = mel_filters(bands)
        assert filters.shape == (201, bands)
        assert (filters.max(axis=0) > 0).all()
        assert filters[0].max() == 0
        wide = filters[:, -20:].sum(axis=0) * 40
        np.testing.assert_allclose(wide, 1, atol=0.02)


@parity
@pytest.mark.parametrize("bands", [80, 128])
def test_filters_are_the_authors(bands: int) -> None:
    import transformers  # noqa: PLC0415 - the parity tests' own dependency

    extractor: Any = transformers.WhisperFeatureExtractor
    np.testing.assert_allclose(mel_filters(bands), extractor(feature_size=bands).mel_filters, atol=1e-8)


@parity
@pytest.mark.parametrize("bands", [80, 128])
@pytest.mark.parametrize("kind", ["speech", "tone", "silence", "click", "loud", "soft", "last"])
def test_spectra_are_the_authors(bands: int, kind: str) -> None:
    import transformers  # noqa: PLC0415

    signal = np.zeros(32_000, np.float32)
    if kind == "tone":  # one place far above all others
        signal += 0.9 * np.sin(np.arange(32_000) * (2 * np.pi * 437 / 16_000)).astype(np.float32)
    elif kind == "click":
        signal[777] = 1
    elif kind == "last":
        signal[-1] = 0.5
    elif kind != "silence":
        signal[:20_000] = speech(20_000) * {"speech": 1, "loud": 30, "soft": 1e-4}[kind]
    extractor: Any = transformers.WhisperFeatureExtractor
    prepare = extractor(feature_size=bands, chunk_length=2)
    expected = prepare(signal, sampling_rate=16_000, return_tensors="np").input_features[0].T
    np.testing.assert_allclose(spectrogram(signal, bands), expected, atol=2e-4 if kind == "tone" else 2e-5)
