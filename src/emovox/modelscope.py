"""ModelScope's pipeline, for emotion, run by Emovox: a program that was written for it changes its imports.

    from emovox.modelscope import Tasks, pipeline

    recognize = pipeline(task=Tasks.emotion_recognition, model="iic/emotion2vec_plus_large")
    [result] = recognize("call.wav", granularity="utterance", extract_embedding=False)

What differs is what differs of `emovox.funasr`.
"""

import os
from collections.abc import Callable
from typing import Any

from emovox.errors import OptionsError
from emovox.funasr import AutoModel


class Tasks:
    """The tasks that `pipeline` has, of those of modelscope.utils.constant."""

    emotion_recognition = "emotion-recognition"


def pipeline(
    task: str = Tasks.emotion_recognition, model: str | os.PathLike[str] | None = None, **options: Any
) -> Callable[..., list[dict[str, Any]]]:
    """Make what recognises recordings.

    Args:
        task: `Tasks.emotion_recognition`.
        model: as of `emovox.funasr.AutoModel`.
        **options: likewise.

    Returns:
        `AutoModel.generate`, with its arguments, results and errors.

    Raises:
        OptionsError: another task, or no model.
        ModelError: as `AutoModel`.
    """
    if task != Tasks.emotion_recognition:
        raise OptionsError(
            f"task {task!r}: for others than {Tasks.emotion_recognition} keep ModelScope's pipeline"
        )
    if model is None:
        raise OptionsError("say which model: iic/emotion2vec_plus_large")
    return AutoModel(model=model, **options).generate
