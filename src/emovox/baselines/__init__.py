"""Baselines: what recordings that are alike have in common for a model, and how its readouts are moved by it."""

from typing import TYPE_CHECKING

from emovox import lazy

if TYPE_CHECKING:
    from emovox.baselines.baseline import Baseline
    from emovox.baselines.fitting import fit

__all__ = ["Baseline", "fit"]
__getattr__ = lazy.names(__name__, {"Baseline": "baseline", "fit": "fitting"})
