"""The configuration of a batch: what it is to do."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from emovox.baselines.baseline import Baseline
from emovox.inference.options import Options
from emovox.models.loading import PrecisionChoice
from emovox.models.runtime.session import Device
from emovox.policy import Policy, policy

LONGEST = 900.0  # seconds; a longer recording is shared out


@dataclass(frozen=True)
class BatchConfig:
    """What a batch is to do.

    Attributes:
        source: a directory, a glob, a manifest or a recording; as a path or an address.
        out: a directory, as a path or an address.
        column: of the manifest.
        model: a name or path.
        mapping: which of the nine labels of the model are, by label.
        precision: of the arithmetic.
        device: where the model runs.
        options: of the recognition.
        split_channels: recognise each channel separately.
        outputs_dirs: also make an outputs directory for each recording, in `out`/outputs.
        formats: exports in these.
        archive: also add these to the archive of `out`/outputs.
        labels: language of the exports.
        retry_failed: retry the recordings that earlier runs noted in the table of errors.
        longest: seconds; a longer recording is shared out among the workers.
        sound: whether outputs directories keep processed_audio.wav.
        policy: decides of whose voice anything is inferred.
    """

    source: str
    out: str
    column: str | None = None
    model: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    precision: PrecisionChoice = "auto"
    device: Device = "auto"
    options: Options = field(default_factory=Options)
    split_channels: bool = False
    outputs_dirs: bool = False
    formats: tuple[str, ...] = ()
    archive: bool = False
    labels: str = "en"
    retry_failed: bool = False
    longest: float = LONGEST
    sound: bool = True
    policy: Policy = field(default_factory=policy)

    def facts(self) -> dict[str, Any]:
        """What must not change from one run to the next, as plain data."""
        head = self.options.head
        channel_options = replace(self.options, channel=1) if self.split_channels else self.options
        baseline = self.options.baseline
        plain = replace(self.options, channel=None, head=None, baseline=None, expect=None)
        options = asdict(replace(plain, speech_only=channel_options.by_speech))
        return {
            "options": {
                **options,
                "head": head and {"name": head.name, "created_at": str(head.training.created_at)},
                "baseline": {"name": baseline.name, "checksum": baseline.checksum}
                if isinstance(baseline, Baseline)
                else baseline,
                "expect": self.options.expect and dict(self.options.expect),
            },
            "map": dict(self.mapping),
            "channels": "split" if self.split_channels else "mix",
            "outputs_dirs": self.outputs_dirs,
            "formats": list(self.formats),
            "archive": self.archive,
            "policy": self.policy.facts(),
            "sound": self.sound,
        }


def changed(before: dict[str, Any], facts: dict[str, Any]) -> Iterator[str]:
    """What differs, in words: `model`, `options (embedding)`."""
    for key, value in facts.items():
        old = before.get(key)
        if old == value:
            continue
        if isinstance(old, dict) and isinstance(value, dict):
            names = (name for name in {**old, **value} if old.get(name) != value.get(name))
            yield f"{key} ({', '.join(names)})"
        else:
            yield key
