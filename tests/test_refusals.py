"""What the operating system denies, as we say it."""

import errno
import os
from pathlib import Path

import numpy as np
import pytest

from emovox import refusals
from emovox.errors import OutputsError
from emovox.outputs import Outputs
from support.results import recognition


def refusal(code: int) -> OSError:
    return OSError(code, os.strerror(code))


@pytest.mark.parametrize("code", [errno.ENOENT, errno.EMFILE, errno.ENFILE, errno.EACCES, errno.EROFS, errno.EIO])
def test_only_a_full_disk_is_full(code: int) -> None:
    reason = refusals.reason(refusal(code), "choose another directory")
    assert "full" not in reason
    assert os.strerror(code) in reason
    assert refusals.is_exhausted(refusal(code)) == (code in {errno.EMFILE, errno.ENFILE})


def test_a_full_disk_is() -> None:
    for error in (refusal(errno.ENOSPC), refusal(errno.EDQUOT), OSError("8 requested and 0 written")):
        assert refusals.reason(error, "") == "the disk is full; free some space"
    for error in (OSError("no errno"), OSError()):
        assert "full" not in refusals.reason(error, "")


def test_it_is_seen_behind_what_was_raised_from_it(tmp_path: Path) -> None:
    with Outputs(tmp_path).draft() as draft:
        draft.write(np.zeros(800, np.float32))
        (draft.finish_audio()).unlink()
        draft.finish_audio().parent.rmdir()  # somebody deleted it meanwhile
        with pytest.raises(OutputsError, match="No such file or directory; choose another directory") as caught:
            draft.complete(recognition())
    cause = refusals.behind(caught.value)
    assert cause is not None
    assert cause.errno == errno.ENOENT
    assert refusals.behind(ValueError()) is None
