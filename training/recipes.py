"""Ways to fit the network that were tried in the sixth round, by name."""

from dataclasses import dataclass, replace

from training.neutral import NEUTRAL
from training.sampling import Options, Stage


@dataclass(frozen=True)
class Recipe:
    """A fit, and the constants of neutral's logit, before a temperature, that are tried with it."""

    options: Options
    constants: tuple[float, ...] = (0.0, 0.5, 1.0)
    first: Options | None = None  # of a fit that goes before
    share: float = 1.0  # how far the weights go from that fit's to this one's


_UNITS = Options(stages=Options().stages[:1])
_WIDE = replace(_UNITS.stages[0], batch=96)

_TUNED = replace(Options().stages[1], steps=250)  # half of what the bundled model had
_FURTHER = Options(stages=(Stage(steps=240, batch=64, frames=36, rate=3e-4, block_rate=6e-5),), warming=20)

_TUNED_5 = replace(_UNITS, stages=(*_UNITS.stages, _TUNED))

RECIPES = {
    "5.2": Recipe(_UNITS, (0.0, round(NEUTRAL * 0.639, 2))),  # 0.639: the temperature of these fits
    "placed": Recipe(replace(_UNITS, placed=0.4)),
    "everyday unplaced": Recipe(replace(_UNITS, everyday=1)),
    "everyday": Recipe(replace(_UNITS, placed=0.4, everyday=1)),
    "everyday double": Recipe(replace(_UNITS, placed=0.4, everyday=2)),
    "relative": Recipe(replace(_UNITS, stages=(_WIDE,), relative=0.67)),
    "relative everyday": Recipe(replace(_UNITS, stages=(_WIDE,), placed=0.4, everyday=1, relative=0.67)),
    "relative everyday, voices": Recipe(
        replace(_UNITS, stages=(_WIDE,), placed=0.4, everyday=1, relative=0.67, shift=1.4)
    ),
    "5.2 tuned": Recipe(_TUNED_5, (0.0, 0.5, 0.75, 0.96)),
    "relative everyday tuned": Recipe(
        replace(_UNITS, stages=(_WIDE, replace(_TUNED, batch=64)), placed=0.4, everyday=1, relative=0.5)
    ),
    "further": Recipe(replace(_FURTHER, placed=0.4, everyday=1)),
    "further relative": Recipe(replace(_FURTHER, placed=0.4, everyday=1, relative=0.5)),
}
_THEN = Recipe(
    replace(_FURTHER, stages=(replace(_FURTHER.stages[0], steps=200),), placed=0.4, everyday=1, relative=0.5),
    (0.0, 0.25, 0.5, 0.75, 0.96),
    _TUNED_5,
)
RECIPES["5.2 tuned, then further"] = _THEN
RECIPES |= {f"5.2 tuned, {share:g} further": replace(_THEN, share=share) for share in (0.3, 0.5, 0.7)}
