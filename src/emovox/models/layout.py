"""Layouts: which files make a snapshot, as its publishers lay it out in a folder."""

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Layout:
    """One way of laying out a snapshot.

    Attributes:
        config: the file without which there is none.
        describing: files that decide, beside the weights, what is computed.
        others: files to bring along: what people read, and what it can be verified with.
        weights: patterns of the file of weights, or of an index of several; the first that a file has the form of
            decides.
    """

    config: str
    describing: frozenset[str]
    others: frozenset[str]
    weights: tuple[re.Pattern[str], ...]

    def weights_among(self, names: Iterable[str]) -> list[str]:
        """The files of weights among the files of a folder; more than one: nobody can tell which."""
        names = sorted(names)
        for pattern in self.weights:
            if matching := [name for name in names if pattern.fullmatch(name)]:
                return matching
        return []


FUNASR = Layout(
    config="config.yaml",
    describing=frozenset({"config.yaml", "tokens.txt", "tokens.json", "am.mvn"}),
    others=frozenset({"configuration.json", "README.md", "example/test.wav"}),
    # emotion2vec_base has emotion2vec_base.pt, and says so in configuration.json.
    weights=(re.compile(r"model\.pt"), re.compile(r"[^/]+\.pt")),
)

TRANSFORMERS = Layout(
    config="config.json",
    describing=frozenset({"config.json", "preprocessor_config.json", "emovox-labels.json"}),
    others=frozenset({"README.md"}),
    # In the order in which transformers looks for them.
    weights=tuple(
        re.compile(re.escape(name + ending))
        for name in ("model.safetensors", "pytorch_model.bin")
        for ending in ("", ".index.json")
    ),
)

SPEECHBRAIN = Layout(
    config="hyperparams.yaml",
    describing=frozenset(
        {"hyperparams.yaml", "label_encoder.txt", "model.ckpt", "config.json", "emovox-labels.json"}
    ),
    others=frozenset({"README.md"}),
    weights=(re.compile(r"wav2vec2\.ckpt"),),
)

LAYOUTS = (TRANSFORMERS, FUNASR, SPEECHBRAIN)
"""In the order in which a repository is looked through: one of transformers may have an optimizer.pt, too."""
