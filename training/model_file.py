"""The model file of a network that was fitted: its graph, and what it says of itself."""

from dataclasses import replace

import onnx

from emovox.emotions import NAMES
from emovox.models.metadata import Metadata
from emovox.models.readout import EMOTION, Calibration, Readout
from training import graph
from training.builder import Precision
from training.material import MERGE, TAPS, Material
from training.network import Network


def to_model(
    network: Network,
    material: Material,
    *,
    temperature: float,
    neutral: float,
    precision: Precision = "fp16",
    calibration: Calibration | None = None,
    **facts: str | tuple[str, ...],
) -> onnx.ModelProto:
    """The model of a network; without reference means. Labels that the material has no example of are left out.

    Args:
        network: fitted.
        material: with the encoder that its blocks follow.
        temperature: folded into the head.
        neutral: constant on neutral's logit, after the temperature.
        precision: of stored weights.
        calibration: of confidences, after both.
        facts: of the metadata: name, revision, licence, source, corpora.
    """
    known = {clip.label for clip in material.clips}
    rows = [row for row, name in enumerate(NAMES) if name in known]
    labels = tuple(NAMES[row] for row in rows)
    usual = network.usual.detach().numpy() / temperature
    prior = {NAMES[row]: float(usual[row]) for row in rows if usual[row]}
    prior["neutral"] = prior.get("neutral", 0.0) + neutral
    readout = Readout(
        name=EMOTION,
        kind="linear",
        activation="softmax",
        labels=labels,
        emotions={name: name for name in labels},
        prior=prior,
        calibration=calibration,
    )
    adaptor = network.to_adaptor(temperature, neutral)
    head = {"head_weight": adaptor.head_weight[rows], "head_bias": adaptor.head_bias[rows]}
    metadata = Metadata(
        precision="int8" if precision == "int8" else "fp32",
        source_sha256=material.sha256,
        readouts=(readout,),
        hop=graph.HOP,
        first_centre=graph.FIRST_CENTRE,
        minimum_samples=graph.MINIMUM_SAMPLES,
        embedding_size=adaptor.head_weight.shape[1],
        **facts,
    )
    encoder = graph.Encoder(network.to_variables(material.encoder.variables), MERGE, TAPS[-1:])
    return graph.build(encoder, replace(adaptor, **head), precision, metadata.to_properties())
