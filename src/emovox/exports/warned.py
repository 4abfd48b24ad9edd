"""What warnings mean, in two languages."""

from emovox.inference.recognition import WARNINGS

CHINESE = {
    "silence": "只有静音：情感为未知",
    "quiet": "音量很小：请检查麦克风音量",
    "clipped": "削波失真：许多采样达到满幅，声音会变形",
    "short": "短于 1 秒：可供判断的内容很少",
    "truncated": "声音比文件头所写的短：已使用能解码的部分",
    "damaged": "部分内容无法解码，已略去",
    "channels_cancel": "各声道相互抵消：只采用了最响的一个声道",
    "silent_track": "主音轨是静音：已改用另一条音轨",
    "no_speech": "似乎没有人说话：结果反映的是噪声或音乐；只计语音时为未知",
    "mostly_silence": "语音不到三分之一，其余部分也计入了结果（--speech-only 可只根据语音判断）",
    "no_head": "此模型只给出特征向量，不判断情感",
    "baseline_far": "与基线所用的录音差别较大：相对于它的结果可能还不如不用基线",
    "baseline_short": "语音太少，无法相对于自身来听：没有移动任何得分",
    "unsure": "模型没有把握：置信度这么低的结论常常出错，不宜依赖",
    "abstained": "模型没有把握，而策略要求没有把握时什么都不给出",
    "words_beyond_end": "有的文字行在录音结束之后才开始：文字是否属于另一段录音？",
    "words_without_speech": "大多数文字行的时间内没有语音：文字是否属于另一段录音？",
    "not_inferred": "策略只允许统计这一方的说话时长：没有运行模型",
}


def warned(code: str, language: str) -> str:
    """The meaning of a warning in `en` or `zh`; empty: this version doesn't know it."""
    return CHINESE.get(code, "") if language == "zh" else WARNINGS.get(code, "")
