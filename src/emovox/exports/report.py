"""The report: what a recording comes to, on one page to hand on, which prints well and needs no network."""

import base64
from collections.abc import Iterator, Sequence
from html import escape
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from emovox.emotions import BY_NAME
from emovox.exports import palette, timeline
from emovox.exports.verdict import one_line, relative_to, title, two_decimals, withheld
from emovox.exports.warned import warned
from emovox.inference.recognition import Recognition
from emovox.inference.sentence import clock, label, part_name
from emovox.inference.summary import SpeechSummary
from emovox.models import sheet

_STYLE = """
body { font: 15px/1.55 system-ui, "PingFang SC", "Microsoft YaHei", "Noto Sans CJK SC", sans-serif; color: #1c1b22;
  background: #fff; max-width: 62rem; margin: 2rem auto; padding: 0 1.2rem }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .2rem 0 } h2 { font-size: 1.05rem; margin: 1.8rem 0 .4rem }
p { margin: .3rem 0 } .faint { color: #5f5d6b } .sentence { font-size: 1.15rem }
.shares { display: flex; gap: 1px; height: 14px; margin: 1rem 0 .4rem; border-radius: 7px; overflow: hidden }
.unsure { background: repeating-linear-gradient(-45deg, #85829a 0 2px, #fff 2px 5px) }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: 0; list-style: none }
.legend i { display: inline-block; width: 10px; height: 10px; border-radius: 3px; margin-right: .4rem }
.pair { display: flex; flex-wrap: wrap; gap: 0 4rem }
table { border-collapse: collapse; font-variant-numeric: tabular-nums }
td, th { text-align: left; padding: .25rem 1.4rem .25rem 0; border-bottom: 1px solid #e4e2ec; font-weight: 400 }
th { color: #5f5d6b } figure { margin: 0; overflow-x: auto } img { width: 100%; min-width: 40rem; height: auto }
.notice { border-top: 1px solid #e4e2ec; padding-top: .8rem; margin-top: 2rem; font-size: .87rem; color: #5f5d6b }
@page { margin: 14mm }
@media print { body { margin: 0; padding: 0; max-width: none; font-size: 10pt } * { print-color-adjust: exact }
  h2, table, figure, .notice { break-inside: avoid } h2 { margin-top: 1rem; break-after: avoid }
  td, th { padding-top: .12rem; padding-bottom: .12rem } .notice { margin-top: 1rem }
  img { width: auto; min-width: 0; max-width: 100%; max-height: 92mm } }
"""
_WORDS = {
    "en": {
        "peaks": "Where to listen",
        "time": "time",
        "what": "what",
        "height": "score",
        "arc": "How it goes",
        "share": "of the speech",
        "picture": "Second by second",
        "unsure": "unsure",
        "model": "The model",
        "by": "{} {}, computed in {}, with Emovox {}",
        "speech": "{} of speech in {}",
        "spoke": "Spoke for {}. Nothing else was inferred.",
        "recognized": "recognised {}",
        "channel": "channel {}",
        "declared": "What was declared",
        "side": "whose voice it is: {}",
        "purpose": "purpose: {}",
        "consent": "consent: {}",
        "ethics": "approval of the study: {}",
        "exception": "exception: {}",
        "policy": "policy: {}",
        "warnings": "To be aware of",
        "limits": "What this can’t say",
        "limit": "The scores say how a voice sounds to a model that learned from recordings which people "
        "labelled, mostly actors. They don’t say what somebody feels, means or will do, and a high score is no "
        "high accuracy. Another language, microphone or accent, a cold or noise change them.",
        "notice": "An automatic estimate of how a voice sounds. Nobody should be judged by it alone, and whoever "
        "is recorded should know of it. In the European Union it may not be used to infer the emotions of people "
        "at work or in education (Regulation (EU) 2024/1689, Article 5(1)(f)), but for medical or safety reasons.",
    },
    "zh": {
        "peaks": "值得去听的地方",
        "time": "时间",
        "what": "情感",
        "height": "得分",
        "arc": "走向",
        "share": "占语音",
        "picture": "逐秒变化",
        "unsure": "不确定",
        "model": "模型",
        "by": "{} {}，以 {} 计算，Emovox {}",
        "speech": "{1} 中有语音 {0}",
        "spoke": "说话时长 {}，未作其他推断。",
        "recognized": "识别于 {}",
        "channel": "声道 {}",
        "declared": "事先说明",
        "side": "说话人身份：{}",
        "purpose": "目的：{}",
        "consent": "同意书：{}",
        "ethics": "研究批准文号：{}",
        "exception": "例外：{}",
        "policy": "策略：{}",
        "warnings": "请注意",
        "limits": "它不能说明什么",
        "limit": "得分表示一段声音在模型听来如何。模型学习的是由人标注、多由演员表演的录音。"
        "得分并不说明一个人的感受、意图或将要做的事，得分高也不等于准确。"
        "换一种语言、话筒或口音，感冒或有噪声，得分都会不同。",
        "notice": "这是对声音听起来如何的自动估计，不应单凭它来评判任何人，被录音的人应当知情。"
        "在欧盟，除医疗或安全原因外，不得用它推断工作或受教育中的人的情感"
        "（条例 (EU) 2024/1689 第 5 条第 1 款 (f) 项）。",
    },
}


def pieces(recognition: Recognition, sound: Path, language: str) -> Iterator[str]:
    """The page, piece by piece; all text in it is escaped, and the picture is there if it can be drawn.

    Args:
        recognition: with its segments.
        sound: its waveform, for the picture; it needn't exist.
        language: `en` or `zh`.

    Raises:
        OutputsError: the sound is there, but can't be read.
    """
    words, recording, summary = _WORDS[language], recognition.recording, recognition.summary
    name = one_line(recording.name or "")
    headline = withheld(recognition, language) or title(recognition, language)[0]
    yield (
        f'<!doctype html>\n<html lang="{"zh-CN" if language == "zh" else "en"}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(name)}: {escape(headline)}</title><style>{_STYLE}</style></head>\n<body>\n"
    )
    facts = [name, words["speech"].format(clock(recording.speech or 0), clock(recording.duration))]
    if recording.channel is not None:
        facts.append(words["channel"].format(recording.channel))
    facts.append(words["recognized"].format(recognition.timestamp))
    yield f"<p class=faint>{escape(' · '.join(facts))}</p>\n<h1>{escape(headline)}</h1>\n"
    if not recognition.is_inferred:
        yield f"<p class=sentence>{escape(words['spoke'].format(clock(recording.speech or 0)))}</p>\n"
    if summary is not None:
        yield f"<p class=sentence>{escape(summary.sentence.in_language(language))}</p>\n"
        yield from _of_summary(summary, words, language)
    if find_spec("matplotlib"):
        memory = BytesIO()
        timeline.write(recognition, sound, memory, kind="png", language=language)
        data = base64.b64encode(memory.getvalue()).decode("ascii")
        alternative = escape(headline, quote=True)
        yield f"<h2>{words['picture']}</h2>\n"
        yield f'<figure tabindex="0"><img alt="{alternative}" src="data:image/png;base64,{data}"></figure>\n'
    model = recognition.model
    by = words["by"].format(model.name, model.revision, model.precision, recognition.emovox)
    relative = relative_to(recognition, language)
    declared = [words[name].format(one_line(text)) for name, text in _declared(recognition)]
    if declared:
        yield f"<h2>{words['declared']}</h2>\n<p>{escape(' · '.join(declared))}</p>\n"
    yield f"<h2>{words['model']}</h2>\n<p>{escape(' · '.join(filter(None, [by, relative])))}</p>\n"
    for sentence in sheet.short(model.name, model.revision, language):
        yield f"<p>{escape(sentence)}</p>\n"
    if recognition.warnings:
        yield f"<h2>{words['warnings']}</h2>\n<ul>\n"
        for code in recognition.warnings:
            yield f"<li>{escape(code)}: {escape(warned(code, language))}</li>\n"
        yield "</ul>\n"
    yield f"<h2>{words['limits']}</h2>\n<p>{words['limit']}</p>\n<p class=notice>{words['notice']}</p>\n"
    yield "</body></html>\n"


def _declared(recognition: Recognition) -> Iterator[tuple[str, str]]:
    """What was said of the recording beforehand, and the policy that it was recognised under."""
    recording, policy = recognition.recording, recognition.policy
    texts = {"side": recording.side, "purpose": recording.purpose, "consent": recording.consent}
    if policy is not None:
        texts |= {"policy": policy.profile, "ethics": policy.ethics, "exception": policy.exception}
    yield from ((name, text) for name, text in texts.items() if text is not None)


def _of_summary(summary: SpeechSummary, words: dict[str, str], language: str) -> Iterator[str]:
    """Shares as a bar with a legend, the arc and the peaks as tables."""
    names = list(summary.scores)
    shares = [
        (label(name, language), share, f"background:{BY_NAME[name].colour}")
        if name in BY_NAME
        else (label(name, language), share, f"background:{palette.colour(names.index(name))}")
        for name, share in summary.shares.items()
    ]
    shares += [(words["unsure"], summary.unsure, "")] if summary.unsure else []
    if shares:
        yield "<div class=shares>"
        for _, share, style in shares:
            yield f'<i class="{"" if style else "unsure"}" style="width:{100 * share:.2f}%;{style}"></i>'
        yield "</div>\n<ul class=legend>"
        for name, share, style in shares:
            swatch = f'<i class="{"" if style else "unsure"}" style="{style}"></i>'
            yield f"<li>{swatch}{escape(name)} {100 * share:.0f} %</li>"
        yield "</ul>\n"
    yield "<div class=pair>\n"
    if len(summary.arc) > 1:
        rows = [
            (
                f"{clock(part.start)} – {clock(part.end)}",
                part_name(part, language),
                f"{100 * part.share:.0f} %",
            )
            for part in summary.arc
        ]
        yield from _table(words["arc"], (words["time"], words["what"], words["share"]), rows)
    if summary.peaks:
        peaks = [
            (
                clock(peak.start),
                label(peak.name, language),
                two_decimals(peak.value) if peak.value is not None else f"{100 * (peak.confidence or 0):.0f} %",
            )
            for peak in summary.peaks
        ]
        yield from _table(words["peaks"], (words["time"], words["what"], words["height"]), peaks)
    yield "</div>\n"


def _table(heading: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"<section><h2>{heading}</h2>\n<table>\n"
    for kind, row in [("th", head), *(("td", row) for row in rows)]:
        yield f"<tr>{''.join(f'<{kind}>{escape(cell)}</{kind}>' for cell in row)}</tr>\n"
    yield "</table></section>\n"
