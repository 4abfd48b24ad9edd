"""The site's navigation and settings, in either language."""

from website.pages import ROOT, sources

_SECTIONS: tuple[tuple[str, str, tuple[tuple[str, str, str], ...]], ...] = (
    ("Start", "开始", (
        ("Emovox", "Emovox", "index.md"),
        ("For analysts", "写给分析人员", "start/analyst.md"),
        ("For researchers", "写给研究人员", "start/researcher.md"),
        ("For makers", "写给创作者", "start/maker.md"),
        ("For developers", "写给开发者", "start/developer.md"),
        ("Questions", "常见问题", "faq.md"),
        ("Figures", "数字", "figures.md"),
    )),
    ("Tasks", "任务", (
        ("Over time", "随时间变化", "time.md"),
        ("The summary", "小结", "summary.md"),
        ("Words", "文字", "transcription.md"),
        ("Exports", "导出", "exports.md"),
        ("Live", "实时", "live.md"),
        ("Batches", "批处理", "batches.md"),
        ("From tables to plots", "从表格到图", "tables.md"),
        ("The library", "资料库", "library.md"),
        ("Baselines", "基线", "baselines.md"),
        ("Your own classes", "自己的类别", "heads.md"),
        ("Labelling", "标注", "labelling.md"),
        ("Evaluation", "评估", "evaluation.md"),
        ("The service", "服务", "service.md"),
        ("Deployment", "部署", "deployment.md"),
        ("Assistants", "助手", "assistants.md"),
        ("Voice agents", "语音智能体", "agents.md"),
        ("Coming from FunASR", "从 FunASR 过来", "funasr.md"),
    )),
    ("Models", "模型", (
        ("Models", "模型", "models.md"),
        ("Accuracy", "准确度", "accuracy.md"),
        ("lite", "lite", "models/lite.md"),
        ("lite-free", "lite-free", "models/lite-free.md"),
        ("wav2vec 2.0, HuBERT, WavLM", "wav2vec 2.0、HuBERT、WavLM", "models/wav2vec2.md"),
        ("Whisper", "Whisper", "models/whisper.md"),
        ("Vox-Profile", "Vox-Profile", "models/voxprofile.md"),
        ("Odyssey 2024", "Odyssey 2024", "models/odyssey.md"),
        ("SpeechBrain", "SpeechBrain", "models/speechbrain.md"),
        ("SenseVoiceSmall", "SenseVoiceSmall", "models/sensevoice.md"),
    )),
    ("Reference", "参考", (
        ("Commands", "命令", "reference/commands.md"),
        ("HTTP API", "HTTP API", "reference/http.md"),
        ("Python", "Python", "reference/python.md"),
        ("Exit codes", "退出码", "exit-codes.md"),
        ("Plug-ins", "插件", "plugins.md"),
        ("Versions", "版本", "versions.md"),
        ("Upgrading", "升级", "upgrading.md"),
        ("Changes", "变更", "changelog.md"),
    )),
    ("Responsible use", "负责任地使用", (("Responsible use", "负责任地使用", "responsible-use.md"),)),
    ("Working on it", "参与开发", (
        ("Contributing", "参与贡献", "contributing.md"),
        ("Architecture", "架构", "architecture.md"),
        ("Releasing", "发布", "releasing.md"),
        ("Security", "安全", "security.md"),
        ("Training", "训练", "training.md"),
        ("Examples", "示例", "examples.md"),
    )),
)  # fmt: skip

_WORDS = {
    "en": {"LANGUAGE": "en", "DARK": "Dark", "LIGHT": "Light", "DESCRIPTION": "Hear emotion in speech"},
    "zh-CN": {"LANGUAGE": "zh", "DARK": "深色", "LIGHT": "浅色", "DESCRIPTION": "听出话里的情绪"},
}


def settings(language: str) -> str:
    """The text of zensical.toml."""
    generated = {"reference/commands.md", "reference/http.md", "reference/python.md"}
    listed = {place for _, _, members in _SECTIONS for _, _, place in members}
    if missing := (set(sources(language)) | generated) ^ listed:
        raise SystemExit(f"not in website/navigation.py, or not there: {', '.join(sorted(missing))}")
    chinese = language == "zh-CN"
    nav = [{section[chinese]: [{page[chinese]: page[2]} for page in section[2]]} for section in _SECTIONS]
    text = (ROOT / "website" / "zensical.toml").read_text(encoding="utf-8")
    words = {"NAV": _toml(nav), "SOURCE": str(ROOT / "src"), **_WORDS[language]}
    for name, word in words.items():
        text = text.replace(name, word)
    return text


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{key}" = {_toml(part)}' for key, part in value.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    return f'"{value}"'
