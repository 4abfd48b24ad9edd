"""What the tables of accuracy say, in English and Chinese."""

from typing import Any

TITLES = {
    "emodb": "EmoDB",
    "ravdess": "RAVDESS",
    "nemo": "nEMO",
    "emogator": "EmoGator",
    "arabic_commands": "Arabic Speech Commands",
    "picovoice_commands": "Picovoice speech-to-intent",
    "picovoice_wakewords": "Picovoice wake words",
    "mycroft_precise": "Mycroft Precise",
    "fsdd": "Free Spoken Digits",
    "esc10": "ESC-10",
}
KINDS = {
    "emodb": ("German, acted", "德语，表演"),
    "ravdess": ("English, acted", "英语，表演"),
    "nemo": ("Polish, acted", "波兰语，表演"),
    "emospeech_cmd": ("Hindi and English keywords, on phones", "印地语和英语关键词，手机录制"),
    "emogator": ("cries and laughs without words, on request", "应要求发出的无词叫声和笑声"),
    "arabic_commands": ("Arabic keywords", "阿拉伯语关键词"),
    "picovoice_commands": ("orders in English", "英语指令"),
    "picovoice_wakewords": ("English wake words", "英语唤醒词"),
    "mycroft_precise": ("wake words and others, English and Spanish", "英语和西班牙语唤醒词等"),
    "fsdd": ("English digits, telephone band", "英语数字，电话频带"),
    "esc10": ("noises", "环境声"),
}

Words = dict[str, Any]
WORDS: dict[str, Words] = {
    "en": {
        "measured": "Measured {days} with Emovox {emovox}, {engine}, Python {python}, {machine}: {models}.",
        "and": "; ",
        "semicolon": "; ",
        "corpora": "The corpora",
        "corpora columns": ["corpus", "what it is", "clips", "speakers", "classes"],
        "fewer": " ({classes} classes, {clips} clips)",
        "of classes": "Unweighted recall",
        "columns": [
            "corpus", "model", "trained on it? (fits without its speakers; without it)", "as it is",
            "relative to the corpus", "relative to each speaker",
        ],
        "marks": "In brackets 95 %, by whole speakers; † by single clips. ?: who speaks isn't known.",
        "seen": "**yes**",
        "unseen": "no",
        "unstated": "not stated",
        "none fitted": "none was fitted",
        "of": "{clips} of {size}",
        "left out": "Fits without a corpus, relative to it",
        "left out is": "Other networks than `lite`, of its kind and with neutral's constant, each fitted without "
        "the corpus and in fewer steps. All nine classes compete, and EmoDB is without its boredom. Relative to "
        "100 clips of the corpus, half of them neutral.",
        "left out columns": ["corpus left out", "as it is", "relative to the corpus"],
        "of one class": "Speech and sounds of one class",
        "one class columns": [
            "list", "model", "trained on it?", "taken for its class", "most often else",
        ],
        "EmoBox": "EmoBox's folds",
        "EmoBox columns": [
            "corpus", "model", "trained on it?", "clips", "mean over folds", "all together",
            "folds that share speakers",
        ],
        "no EmoBox": "Not measured: EmoBox's lists and the corpora they name were not at hand.",
        "not known": "speakers not known",
        "one fold": "one fold",
        "not measured": "Not measured here",
        "weights": "Their weights were not at hand. Pull them and run the command above.",
        "not measured columns": ["model", "what brings it"],
        "embeddings only": " (embeddings only: needs a head)",
        "refused": "Could not be compared:",
    },
    "zh": {
        "measured": "{days} 用 Emovox {emovox}、{engine}、Python {python}（{machine}）测得：{models}。",
        "and": "；",
        "semicolon": "；",
        "corpora": "语料库",
        "corpora columns": ["语料库", "是什么", "条数", "说话人", "类别"],
        "fewer": "（{classes} 个类别，{clips} 条）",
        "of classes": "未加权召回率",
        "columns": [
            "语料库", "模型", "用它训练过吗？（不含其说话人的拟合；不含它的拟合）", "直接识别", "相对于语料库",
            "相对于各说话人",
        ],
        "marks": "括号里是 95 % 区间，按整个说话人抽样；† 按单条录音抽样。?：说话人不明。",
        "seen": "**是**",
        "unseen": "否",
        "unstated": "没有说明",
        "none fitted": "没有做过",
        "of": "{size} 条中的 {clips} 条",
        "left out": "不含某语料库的拟合，相对于该语料库",
        "left out is": "这些不是 `lite` 本身，而是同类的其他网络，含中性的常数，各自不用该语料库、"
        "以较少的步数拟合。九个类别全部参与竞争，EmoDB 不计厌倦。“相对于语料库”指相对于其中 100 条，一半为中性。",
        "left out columns": ["不用的语料库", "直接识别", "相对于语料库"],
        "of one class": "只有一个类别的语音和声音",
        "one class columns": [
            "清单", "模型", "用它训练过吗？", "判为该类的比例", "其次判为",
        ],
        "EmoBox": "EmoBox 的各折",
        "EmoBox columns": [
            "语料库", "模型", "用它训练过吗？", "条数", "各折均值", "合在一起", "有相同说话人的折数",
        ],
        "no EmoBox": "没有测：手头没有 EmoBox 的清单和其中的语料库。",
        "not known": "说话人不明",
        "one fold": "只有一折",
        "not measured": "这里没有测的",
        "weights": "手头没有它们的权重。下载后运行上面的命令即可。",
        "not measured columns": ["模型", "下载命令"],
        "embeddings only": "（只给特征向量，须自备分类头）",
        "refused": "无法比较的：",
    },
}  # fmt: skip
