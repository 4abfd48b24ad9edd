"""Ways to fit the network that were tried in the sixth round, by name."""

from dataclasses import dataclass, replace

from training.neutral import NEUTRAL
from training.sampling import Options


@dataclass(frozen=True)
class Recipe:
    """A fit, and the constants of neutral's logit, before a temperature, that are tried with it."""

    options: Options
    constants: tuple[float, ...] = (0.0, 0.5, 1.0)


_UNITS = Options(stages=Options().stages[:1])
TUNED_CONSTANT = 0.96  # of neutral, before the temperature, as the bundled model has it
_WIDE = replace(_UNITS.stages[0], batch=96)

_TUNED = replace(Options().stages[1], steps=250)  # half of what the bundled model had

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
    "5.2 tuned": Recipe(replace(_UNITS, stages=(*_UNITS.stages, _TUNED)), (0.0, 0.5, 0.75, TUNED_CONSTANT)),
}
