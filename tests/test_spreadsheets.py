import csv
import io

from hypothesis import given
from hypothesis import strategies as st

from emovox.spreadsheets import inert, writer


@given(st.text())
def test_no_text_is_a_formula(text: str) -> None:
    cell = inert(text)
    assert isinstance(cell, str)
    assert cell in {text, f"'{text}"}
    if cell.startswith(("=", "@", "\t", "\r")):
        raise AssertionError(cell)
    if cell.startswith(("+", "-")):
        float(cell)


def test_numbers_stay() -> None:
    assert [inert(cell) for cell in (-1.5, "-1.5", "+7", "-1+2", "", None)] == [
        -1.5,
        "-1.5",
        "+7",
        "'-1+2",
        "",
        None,
    ]


def test_rows() -> None:
    text = io.StringIO()
    writer(text)(["=1", 'a"b', -2])
    assert list(csv.reader(io.StringIO(text.getvalue()))) == [["'=1", 'a"b', "-2"]]
    assert text.getvalue().endswith("\n")
