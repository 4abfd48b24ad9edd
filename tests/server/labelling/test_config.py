from pathlib import Path

import pytest

from emovox.emotions import NAMES
from emovox.errors import LabelsError
from emovox.server.labelling.config import read_config

AUDIO = '<Audio name="sound" value="$audio"/>'


def test_labels_and_choices_about_recordings() -> None:
    stretches, whole = read_config(
        f"""<View><Header value="Anger"/>{AUDIO}<Text name="text" value="$text"/>
        <Labels name="emotion" toName="sound"><Label value="Anger" background="red"/><Label value="中性"/></Labels>
        <Choices name="whole" toName="sound"><Choice value="Joy" alias="happy"/><Choice value="Sad"/></Choices>
        <Choices name="each" toName="sound" perRegion="true"><Choice value="Sad"/></Choices>
        <Choices name="topic" toName="text"><Choice value="Sad"/></Choices>
        <Labels name="none" toName="sound"/></View>"""
    )
    assert (stretches.name, stretches.kind, stretches.to_name, stretches.key) == (
        "emotion",
        "Labels",
        "sound",
        "audio",
    )
    assert stretches.meanings(NAMES) == {"angry": "Anger", "neutral": "中性"}
    assert (whole.name, whole.kind) == ("whole", "Choices")
    assert whole.meanings(NAMES) == {"happy": "happy", "sad": "Sad"}
    assert whole.meanings(("HAPPY", "loud")) == {"HAPPY": "happy"}


@pytest.mark.parametrize("page", ["labelling.md", "labelling.zh-CN.md"])
def test_the_example_of_the_docs(page: str) -> None:
    text = (Path(__file__).parents[3] / "docs" / page).read_text(encoding="utf-8")
    [control] = read_config(text[text.index("    <View>") : text.index("</View>") + 7])
    assert control.meanings(NAMES).keys() == {*NAMES} - {"unknown"}


def test_predicted_values_come_first_and_nothing_is_guessed() -> None:
    [control] = read_config(
        f"""<View>{AUDIO}<Labels name="a" toName="sound"><Label value="Bad" predicted_values="angry, sad"/>
        <Label value="Joy"/><Label value="Excited"/><Label value="Loud"/></Labels></View>"""
    )
    assert control.meanings(NAMES) == {"angry": "Bad", "sad": "Bad"}  # two labels mean happy
    assert control.meanings(("calm", "loud")) == {"loud": "Loud"}


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ("<View>", "not valid XML"),
        ('<!DOCTYPE v [<!ENTITY a "b">]><View/>', "document type"),
        (f"<View>{AUDIO}</View>", "needs <Labels> or <Choices>"),
        ('<View><Labels name="a" toName="sound"><Label value="Sad"/></Labels></View>', "needs <Labels>"),
        (f"<View>{AUDIO}{'<a/>' * 2**18}</View>", "too long"),
    ],
)
def test_what_is_no_config(config: str, words: str) -> None:
    with pytest.raises(LabelsError, match=words):
        read_config(config)
