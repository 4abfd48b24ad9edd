from pathlib import Path

import pytest

from emovox.errors import UnknownModelError
from emovox.models.repository import Repository, folder_of, licence_of

LONG = "a" * 90


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("hf:superb/hubert-large-superb-er", "hf--superb--hubert-large-superb-er"),
        ("hf:a/b@main", "hf--a--b--main"),
        ("hf:a/b@refs/pr/1", "hf--a--b--refs%2Fpr%2F1"),
        ("hf:a/b@v1--2", "hf--a--b--v1--2"),
        ("ms:iic/emotion2vec_base.v1", "ms--iic--emotion2vec_base.v1"),
    ],
)
def test_a_name_has_a_folder_of_its_own_and_back(name: str, folder: str) -> None:
    repository = Repository.parse(name)
    assert (repository.name, repository.folder, folder_of(name)) == (name, folder, folder)
    assert Repository.of_folder(folder) == repository


@pytest.mark.parametrize(
    "name",
    [
        "hf:", "hf:a", "hf:a/", "hf:/b", "hf:a/b/c", "hf:../b", "hf:a/..", "hf:.a/b", "hf:a/b.", "hf:a/-b",
        "hf:a--b/c", "hf:a/b--c", "hf:a/b@", "hf:a/b@/x", "hf:a/b@x/", "hf:a/b@x y", "hf:a/b@x\n", "hf:a\\c/b",
        "hf:a/b c", "hf:ä/b", "hf:a/b\n", "hf:a/b\0", "HF:a/b", "gh:a/b", f"hf:{LONG}/{LONG}", "hf:a/b@..",
        f"hf:a/b@{'/x' * 20}", f"hf:a/b@{LONG * 2}", f"hf:a/b@x{'/x' * 40}", "hf:a/b@.hidden",
    ],
)  # fmt: skip
def test_what_is_no_name(name: str) -> None:
    with pytest.raises(UnknownModelError, match="write hf:OWNER/NAME") as caught:
        Repository.parse(name)
    assert str(caught.value).isprintable()


@pytest.mark.parametrize(
    "folder",
    ["lite", "emotion2vec_plus_large", "hf--a", "hf--a--", "gh--a--b", "hf--a--b--x/y", "hf--a--b--%2e%2e"],
)
def test_what_is_no_folder(folder: str) -> None:
    assert Repository.of_folder(folder) is None


def test_other_names_are_their_own_folders() -> None:
    for name in ("lite", "mine", "hf:mine"):  # the last is what a user's directory may be called
        assert folder_of(name) == name


@pytest.mark.parametrize(
    ("card", "licence"),
    [
        ("---\nlanguage: en\nlicense: cc-by-nc-sa-4.0\n---\nlicense: mit\n", "cc-by-nc-sa-4.0"),
        ("---\r\nlicense: 'mit'  # free\r\n---\r\n", "mit"),
        ("\ufeff---\nlicense: other\nlicense_name: model-license\n---\n", "other, model-license"),
        ("---\nlicense:\n- apache-2.0\n- mit\ntags: []\n---\n", "apache-2.0, mit"),
        ("---\nlicense: [apache-2.0, mit]\n---\n", "apache-2.0, mit"),
        ("---\nlicense:\n---\n", None),
        ("---\nmodel:\n  license: mit\n---\n", None),
        ("---\nlicense: mit\n", None),
        ("license: mit\n", None),
        ("---\nlicense: \x1b[2Jmit\n---\n", None),
        ("", None),
    ],
)
def test_the_licence_of_a_card(card: str, licence: str | None, tmp_path: Path) -> None:
    assert licence_of(tmp_path) is None
    (tmp_path / "README.md").write_text(card, encoding="utf-8", newline="")
    assert licence_of(tmp_path) == licence
