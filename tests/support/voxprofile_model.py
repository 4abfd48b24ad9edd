"""The authors' models of Vox-Profile, over transformers' own Whisper and WavLM.

Written anew after the classes WhisperWrapper and WavLMWrapper of
https://github.com/tiantiaf0627/vox-profile-release and the layers of https://github.com/microsoft/LoRA: the same
parts under the same names, in the same arithmetic. Needs what tests/requirements-parity.txt says.
"""

from typing import Any, cast

import numpy as np
import numpy.typing as npt

from support import voxprofile_snapshots as snapshots

Floats = npt.NDArray[np.float32]


def build(config: dict[str, Any], state: dict[str, npt.NDArray[Any]]) -> Any:
    """Return their model with the weights of a checkpoint."""
    import torch  # noqa: PLC0415 - the parity tests' own dependency
    import transformers  # noqa: PLC0415

    torch.set_num_threads(2)
    settings, width = snapshots.encoder(config), config["hidden_dim"]
    whisper = "d_model" in settings

    class Adapted(torch.nn.Linear):
        def __init__(self, layer: Any, rank: int) -> None:
            super().__init__(layer.in_features, layer.out_features)
            self.lora_A = torch.nn.Parameter(torch.zeros(rank, layer.in_features))
            self.lora_B = torch.nn.Parameter(torch.zeros(layer.out_features, rank))

        def forward(self, x: Any) -> Any:
            return super().forward(x) + (x @ self.lora_A.T @ self.lora_B.T) * (1 / len(self.lora_A))

    def head(outputs: int, *after: Any) -> Any:
        return torch.nn.Sequential(
            torch.nn.Linear(width, width), torch.nn.ReLU(), torch.nn.Linear(width, outputs), *after
        )

    class Model(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            if whisper:
                heads = settings["encoder_attention_heads"]
                small: dict[str, Any] = {"decoder_layers": 1, "decoder_attention_heads": heads, "vocab_size": 60}
                options: Any = transformers.WhisperConfig(**settings, **small, decoder_ffn_dim=8, pad_token_id=0)
                self.backbone_model: Any = transformers.WhisperModel(options)
                self.embed_positions = torch.nn.Parameter(torch.zeros(750, settings["d_model"]))
                inputs, layers = settings["d_model"], settings["encoder_layers"]
            else:
                options = transformers.WavLMConfig(
                    **{name: value for name, value in settings.items() if name != "model_type"}
                )
                options.tie_last_hidden_states = True  # as up to transformers 4.57
                self.backbone_model = transformers.WavLMModel(options)
                inputs, layers = settings["hidden_size"], settings["num_hidden_layers"]
            if config["finetune_method"] == "lora":
                for name in snapshots.adapted(config):
                    home, _, part = name.rpartition(".")
                    parent = self.get_submodule(home)
                    setattr(parent, part, Adapted(getattr(parent, part), config["lora_rank"]))
            self.model_seq = torch.nn.Sequential(
                torch.nn.Conv1d(inputs, width, 1),
                torch.nn.ReLU(),
                torch.nn.Dropout(0.1),
                torch.nn.Conv1d(width, width, 1),
                torch.nn.ReLU(),
                torch.nn.Dropout(0.1),
                torch.nn.Conv1d(width, width, 1),
            )
            self.weights = torch.nn.Parameter(torch.zeros(layers + config["use_conv_output"]))
            if "emotion_layer.0.weight" in state:
                self.emotion_layer = head(config["output_class_num"])
                self.detailed_out_layer = head(17)
            for name in ("arousal", "valence", "dominance"):
                setattr(self, f"{name}_layer", head(1, torch.nn.Sigmoid()))

        def encode(self, waveform: Floats) -> Any:
            if whisper:
                kind = cast("Any", transformers.WhisperFeatureExtractor)
                prepare = kind(feature_size=settings["num_mel_bins"], chunk_length=15)
                features = prepare(waveform, return_tensors="pt", sampling_rate=16_000, max_length=15 * 16_000)
                encoder = self.backbone_model.encoder
                encoder.embed_positions = encoder.embed_positions.from_pretrained(self.embed_positions[:750])
                hidden = encoder(features.input_features, output_hidden_states=True).hidden_states
                return torch.stack(hidden)[-1]
            x = torch.from_numpy(waveform)[None]
            if config["pretrain_model"] == "wavlm_large":
                kind = cast("Any", transformers.Wav2Vec2FeatureExtractor)
                x = kind(do_normalize=True)(waveform, sampling_rate=16_000, return_tensors="pt").input_values
            hidden = torch.stack(self.backbone_model(x, output_hidden_states=True).hidden_states)
            hidden = hidden if config["use_conv_output"] else hidden[1:]
            return (torch.softmax(self.weights, dim=-1)[:, None, None, None] * hidden).sum(dim=0)

        def forward(self, waveform: Floats) -> Any:
            x = self.model_seq(self.encode(waveform).transpose(1, 2)).transpose(1, 2)
            length = (len(waveform) // 160 - 1) // 2 + 1 if whisper else x.shape[1]
            features = x[0, :length]
            mean = features.mean(dim=0)
            classes = getattr(self, "emotion_layer", None)
            values = torch.cat(
                [getattr(self, f"{name}_layer")(mean) for name in ("arousal", "valence", "dominance")]
            )
            return features, None if classes is None else torch.softmax(classes(mean), dim=-1), values

    model = Model().eval()
    renamed = {
        name.replace("conv.weight_g", "conv.parametrizations.weight.original0").replace(
            "conv.weight_v", "conv.parametrizations.weight.original1"
        ): torch.from_numpy(value)
        for name, value in state.items()
    }
    missing, unexpected = model.load_state_dict(renamed, strict=False)
    assert not unexpected
    assert all("decoder." in name or name.endswith("masked_spec_embed") for name in missing), missing
    return model


def infer(model: Any, waveform: Floats) -> tuple[Floats, Floats | None, Floats]:
    """Compute the frames (T, D) of a recording, the scores of its classes if it has any, and its three values."""
    import torch  # noqa: PLC0415

    with torch.no_grad():
        frames, scores, values = model(waveform)
    return frames.numpy(), None if scores is None else scores.numpy(), values.numpy()
