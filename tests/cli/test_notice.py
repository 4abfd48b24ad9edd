from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]


def test_a_notice_names_the_model_and_what_is_missing(run: Run) -> None:
    code, out, err = run("notice", "--language", "de", "--operator", "Acme", "--contact", "x", "--model", "lite")
    assert (code, "Modell lite 5." in out, "Acme" in out) == (0, True, True)
    assert err == "Warning: it doesn't say what --days would\n"
    code, out, err = run("notice", "--aloud", "--model", "lite")
    assert (code, err, out.startswith("During this call")) == (0, "", True)
