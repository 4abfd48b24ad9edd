from io import BytesIO

import numpy as np
from matplotlib.figure import Figure

from emovox.library import pictures
from emovox.library.metrics import measure


def test_a_dollar_begins_no_formula() -> None:
    names = ("$\\no formula$", "b", "1 $")
    table = measure(np.eye(3), names, names=names).to_dict()
    memory = BytesIO()
    pictures.draw_confusions(memory, {"$\\heard$": table}, names=names)
    pictures.draw_reliability(memory, {"$\\heard$": table})
    assert memory.getvalue().startswith(b"\x89PNG")


def test_what_could_not_be_heard_counts_in_the_confusions_too() -> None:
    names = ("a", "b")
    table = measure(np.eye(2), names, names=names, failed=["b"]).to_dict()
    axes = Figure().subplots()
    pictures._confusion(axes, np.array(table["confusion"]), table, names)
    assert [text.get_text() for text in axes.texts] == ["100", "50"]
