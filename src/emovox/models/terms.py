"""Terms: who may use a model for what, in words, by the name of its licence.

A summary for choosing: the licence is what holds. One that isn't known here is left to be read.
"""

import re
from typing import NamedTuple


class Terms(NamedTuple):
    """Who may use a model for what."""

    english: str
    chinese: str


_FREE = Terms("anyone, for anything", "任何人，任何用途")
_CREDIT = Terms("anyone, for anything, with credit", "任何人，任何用途，须署名")
_ALIKE = Terms(
    "anyone, for anything, with credit; what is made of the model under the same licence",
    "任何人，任何用途，须署名；改作须用同一许可证",
)
_NONCOMMERCIAL = Terms(
    "research and private use, with credit; not for companies' products",
    "研究和个人使用，须署名；不得用于公司的产品",
)
# Sections 2.1, 2.2 and 3 of https://github.com/modelscope/FunASR/blob/main/MODEL_LICENSE
_FUNASR = Terms(
    "anyone who names source, authors and model; it is “for reference and learning purposes only”",
    "任何人，须注明出处、作者并保留模型名称；许可证称其“仅作为参考和学习使用”",
)
_RESPONSIBLE = Terms(
    "anyone, but for the uses that its licence forbids: read it", "任何人，但许可证禁止的用途除外：请自行阅读"
)
# As the README of https://github.com/tiantiaf0627/vox-profile-release has it.
_VOX_PROFILE = Terms(
    "research and private use; its authors exclude products, surveillance and diagnosis",
    "研究和个人使用；作者排除了商用、监控和诊断",
)
_UNKNOWN = Terms("as its licence says: read it", "以其许可证为准：请自行阅读")

# By what is left of a name in small letters, without spaces; so SPDX's identifiers and the hubs' are read alike.
_KNOWN = (
    (r"cc0(-1\.0)?|unlicense|public-domain", _FREE),
    (r"apache-?2\.0|mit|isc|bsd(-[23]-clause)?|cc-by(-[1-4]\.0)?", _CREDIT),
    (r"cc-by-sa(-[1-4]\.0)?", _ALIKE),
    (r"cc-by-nc(-(sa|nd))?(-[1-4]\.0)?", _NONCOMMERCIAL),
    (r"funasr-model-licence", _FUNASR),
    (r"(creativeml-|bigscience-|bigcode-)?open-?rail(-m|\+\+|-m\+\+)?", _RESPONSIBLE),
    (r"openrail,-no-commercial-use", _VOX_PROFILE),
)


def terms_of(licence: str) -> Terms:
    """Who may use a model for what, by its licence's name, such as `CC BY-NC-SA 4.0` or `apache-2.0`."""
    name = re.sub(r"[\s_]+", "-", licence.strip().lower())
    return next((terms for form, terms in _KNOWN if re.fullmatch(form, name)), _UNKNOWN)
