"""The models that have a name of their own: the bundled one, and those that a pull brings."""

from pathlib import Path

from emovox.models.entry import CatalogModel, Licence
from emovox.models.layout import SPEECHBRAIN, TRANSFORMERS

LARGE = "emotion2vec_plus_large"
BUNDLED = Path(__file__).with_name("bundled")
"""Where the bundled models are: NAME.onnx, and earlier revisions of it as NAME-REVISION.onnx."""

# The cards say `license: other`, `license_name: model-license` and link to FunASR's repository, where this lies:
# https://huggingface.co/emotion2vec/emotion2vec_plus_large/blob/main/README.md
_FUNASR = Licence(
    "FunASR model licence",
    "https://github.com/modelscope/FunASR/blob/main/MODEL_LICENSE",
    chinese="FunASR 模型许可证",
)

# As config.json names the classes of SUPERB's four.
_SUPERB = (("neu", "neutral"), ("hap", "happy"), ("ang", "angry"), ("sad", "sad"))


def _vox_profile(id_: str) -> Licence:
    """That of Vox-Profile's models.

    Their README "advises the use under the RAIL license", and names as out of scope clinical uses, surveillance,
    what invades privacy, and commercial use; the cards say OpenRAIL. Both by copies and quotations of others: the
    originals could not be reached.
    """
    return Licence("OpenRAIL, no commercial use", f"https://huggingface.co/{id_}", chinese="OpenRAIL，不得商用")


# As the authors' examples name the classes of Vox-Profile's models.
_VOXPROFILE = (
    ("Anger", "angry"),
    ("Contempt", "other"),  # an emotion, and none of the nine by name
    ("Disgust", "disgusted"),
    ("Fear", "fearful"),
    ("Happiness", "happy"),
    ("Neutral", "neutral"),
    ("Sadness", "sad"),
    ("Surprise", "surprised"),
    ("Other", "other"),
)

CATALOG = (
    CatalogModel(
        name="lite",
        title="bundled: three blocks of Whisper base, trained on acted speech in three languages; nine emotions",
        licence=Licence("CC BY-NC-SA 4.0", "https://creativecommons.org/licenses/by-nc-sa/4.0/"),
        file=BUNDLED / "lite.onnx",
        chinese="内置：Whisper base 的前三层，用三种语言的表演语音学会九种情感",
    ),
    # Sizes: https://huggingface.co/emotion2vec/emotion2vec_plus_large/tree/main and so on; the others' pages
    # could not be reached. Parameters: by the published settings, 162.1 and 93.2 million; a checkpoint holds three
    # numbers for each (the weight and two of its optimiser), which is what the sizes come to.
    CatalogModel(
        name=LARGE,
        title="nine emotions, 162 million parameters, tuned on 42,526 hours",
        licence=_FUNASR,
        download_size=1_950_000_000,
        published="angry",
        huggingface="emotion2vec/emotion2vec_plus_large",
        modelscope="iic/emotion2vec_plus_large",
        chinese="九种情感，用 42,526 小时语音微调",
    ),
    CatalogModel(
        name="emotion2vec_plus_base",
        title="nine emotions, 93 million parameters, tuned on 4,788 hours",
        licence=_FUNASR,
        download_size=1_120_000_000,
        huggingface="emotion2vec/emotion2vec_plus_base",
        modelscope="iic/emotion2vec_plus_base",
        chinese="九种情感，用 4,788 小时语音微调",
    ),
    CatalogModel(
        name="emotion2vec_plus_seed",
        title="nine emotions, tuned on 201 hours of academic recordings, those of EmoBox",
        licence=_FUNASR,
        huggingface="emotion2vec/emotion2vec_plus_seed",
        modelscope="iic/emotion2vec_plus_seed",
        chinese="九种情感，用 EmoBox 的 201 小时学术录音微调",
        corpora=("EmoBox",),  # as its card says
    ),
    # Only on ModelScope: https://huggingface.co/emotion2vec/models lists the other four. The licence is that of
    # its card, by way of a copy: https://huggingface.co/thegenerativegeneration/emotion2vec_base_finetuned
    CatalogModel(
        name="emotion2vec_base_finetuned",
        title="nine emotions: the first release, of January 2024",
        licence=Licence("Apache-2.0", "https://www.modelscope.cn/models/iic/emotion2vec_base_finetuned"),
        modelscope="iic/emotion2vec_base_finetuned",
        chinese="九种情感：2024 年 1 月的首个版本",
    ),
    CatalogModel(
        name="emotion2vec_base",
        title="embeddings only: no emotions without a head of your own",
        licence=_FUNASR,
        download_size=1_130_000_000,
        huggingface="emotion2vec/emotion2vec_base",
        modelscope="iic/emotion2vec_base",
        chinese="只给出特征向量：没有自己训练的分类头就没有情感",
        embeddings_only=True,
    ),
    # Size, licence and languages: https://huggingface.co/FunAudioLLM/SenseVoiceSmall. It does not say of what
    # speech the emotions are.
    CatalogModel(
        name="SenseVoiceSmall",
        title="nine emotions, and sounds such as laughter; 234 million parameters; Chinese, Cantonese, English, "
        "Japanese, Korean; no transcript",
        licence=_FUNASR,
        download_size=936_000_000,
        huggingface="FunAudioLLM/SenseVoiceSmall",
        modelscope="iic/SenseVoiceSmall",
        chinese="九种情感，以及笑声、音乐等声音；2.34 亿参数，普通话、粤语、英语、日语、韩语；不做转写",
    ),
    # Sizes: https://huggingface.co/superb/wav2vec2-base-superb-er/tree/main and so on; four bytes each.
    # None: the page wasn't seen. Licences and corpora are those of the cards; who hands out a corpus may have
    # terms of its own.
    CatalogModel(
        name="wav2vec2-base-superb-er",
        title="neutral, happy, angry, sad; 95 million parameters, trained on IEMOCAP: acted English",
        licence=Licence("Apache-2.0", "https://huggingface.co/superb/wav2vec2-base-superb-er"),
        download_size=378_000_000,
        huggingface="superb/wav2vec2-base-superb-er",
        chinese="中性、快乐、愤怒、悲伤；9500 万参数，用 IEMOCAP（英语表演语音）训练",
        layout=TRANSFORMERS,
        labels=_SUPERB,
        corpora=("IEMOCAP",),
    ),
    CatalogModel(
        name="hubert-large-superb-er",
        title="neutral, happy, angry, sad; 316 million parameters, trained on IEMOCAP: acted English",
        licence=Licence("Apache-2.0", "https://huggingface.co/superb/hubert-large-superb-er"),
        download_size=1_260_000_000,
        huggingface="superb/hubert-large-superb-er",
        chinese="中性、快乐、愤怒、悲伤；3.16 亿参数，用 IEMOCAP（英语表演语音）训练",
        layout=TRANSFORMERS,
        labels=_SUPERB,
        corpora=("IEMOCAP",),
    ),
    CatalogModel(
        name="hubert-base-superb-er",
        title="neutral, happy, angry, sad; HuBERT base, trained on IEMOCAP: acted English",
        licence=Licence("Apache-2.0", "https://huggingface.co/superb/hubert-base-superb-er"),
        huggingface="superb/hubert-base-superb-er",
        chinese="中性、快乐、愤怒、悲伤；HuBERT base，用 IEMOCAP（英语表演语音）训练",
        layout=None,
        labels=_SUPERB,
        corpora=("IEMOCAP",),
    ),
    CatalogModel(
        name="wav2vec2-large-superb-er",
        title="neutral, happy, angry, sad; wav2vec 2.0 large, trained on IEMOCAP: acted English",
        licence=Licence("Apache-2.0", "https://huggingface.co/superb/wav2vec2-large-superb-er"),
        huggingface="superb/wav2vec2-large-superb-er",
        chinese="中性、快乐、愤怒、悲伤；wav2vec 2.0 large，用 IEMOCAP（英语表演语音）训练",
        layout=None,
        labels=_SUPERB,
        corpora=("IEMOCAP",),
    ),
    CatalogModel(
        name="emotion-recognition-wav2vec2-IEMOCAP",
        title="neutral, angry, happy, sad; 94 million parameters, trained on IEMOCAP: acted English",
        licence=Licence("Apache-2.0", "https://huggingface.co/speechbrain/emotion-recognition-wav2vec2-IEMOCAP"),
        download_size=378_000_000,
        huggingface="speechbrain/emotion-recognition-wav2vec2-IEMOCAP",
        chinese="中性、愤怒、快乐、悲伤；9400 万参数，用 IEMOCAP（英语表演语音）训练",
        layout=SPEECHBRAIN,
        labels=_SUPERB,
        corpora=("IEMOCAP",),
    ),
    CatalogModel(
        name="wav2vec2-large-robust-12-ft-emotion-msp-dim",
        title="arousal, dominance, valence; 165 million parameters, trained on MSP-Podcast: podcasts in English",
        licence=Licence(
            "CC BY-NC-SA 4.0", "https://huggingface.co/audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim"
        ),
        download_size=661_000_000,
        huggingface="audeering/wav2vec2-large-robust-12-ft-emotion-msp-dim",
        chinese="唤醒度、支配度、效价；1.65 亿参数，用 MSP-Podcast（英语播客）训练",
        layout=TRANSFORMERS,
        corpora=("MSP-Podcast",),
    ),
    CatalogModel(
        name="wav2vec2-lg-xlsr-en-speech-emotion-recognition",
        title="eight emotions, calm among them; 317 million parameters, trained on RAVDESS: acted English",
        licence=Licence(
            "Apache-2.0", "https://huggingface.co/ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition"
        ),
        download_size=1_270_000_000,
        huggingface="ehcalabres/wav2vec2-lg-xlsr-en-speech-emotion-recognition",
        chinese="八种情感，含平静；3.17 亿参数，用 RAVDESS（英语表演语音）训练",
        layout=TRANSFORMERS,
        labels=(("calm", "neutral"), ("disgust", "disgusted")),
        corpora=("RAVDESS",),
    ),
    CatalogModel(
        name="wav2vec-english-speech-emotion-recognition",
        title="seven emotions; wav2vec 2.0 large, trained on SAVEE, RAVDESS and TESS: acted English",
        licence=Licence("Apache-2.0", "https://huggingface.co/r-f/wav2vec-english-speech-emotion-recognition"),
        download_size=1_270_000_000,
        huggingface="r-f/wav2vec-english-speech-emotion-recognition",
        chinese="七种情感；wav2vec 2.0 large，用 SAVEE、RAVDESS、TESS（英语表演语音）训练",
        layout=None,
        labels=(("disgust", "disgusted"), ("fear", "fearful"), ("surprise", "surprised")),
        corpora=("SAVEE", "RAVDESS", "TESS"),
    ),
    CatalogModel(
        name="SER-Odyssey-Baseline-WavLM-Multi-Attributes",
        title="arousal, dominance, valence; 319 million parameters, trained on MSP-Podcast: podcasts in English",
        licence=Licence("MIT", "https://huggingface.co/3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes"),
        download_size=1_270_000_000,
        huggingface="3loi/SER-Odyssey-Baseline-WavLM-Multi-Attributes",
        chinese="唤醒度、支配度、效价；3.19 亿参数，用 MSP-Podcast（英语播客）训练",
        layout=TRANSFORMERS,
        corpora=("MSP-Podcast",),
    ),
    CatalogModel(
        name="SER-Odyssey-Baseline-WavLM-Categorical",
        title="eight emotions, with contempt; 319 million parameters, trained on MSP-Podcast: podcasts in English",
        licence=Licence("MIT", "https://huggingface.co/3loi/SER-Odyssey-Baseline-WavLM-Categorical"),
        download_size=1_270_000_000,
        huggingface="3loi/SER-Odyssey-Baseline-WavLM-Categorical",
        chinese="八种情感，含轻蔑；3.19 亿参数，用 MSP-Podcast（英语播客）训练",
        layout=TRANSFORMERS,
        labels=(
            ("Surprise", "surprised"),
            ("Fear", "fearful"),
            ("Disgust", "disgusted"),
            ("Contempt", "other"),  # an emotion, and none of the nine by name
        ),
        corpora=("MSP-Podcast",),
    ),
    # What they give and what they were trained on: https://github.com/tiantiaf0627/vox-profile-release, README.md.
    CatalogModel(
        name="whisper-large-v3-msp-podcast-emotion",
        title="nine classes; arousal, valence, dominance; trained on MSP-Podcast: podcasts in English",
        licence=_vox_profile("tiantiaf/whisper-large-v3-msp-podcast-emotion"),
        huggingface="tiantiaf/whisper-large-v3-msp-podcast-emotion",
        chinese="九个类别，以及唤醒度、效价、支配度；Whisper large v3，用 MSP-Podcast（英语播客）训练",
        layout=None,
        labels=_VOXPROFILE,
        corpora=("MSP-Podcast",),
    ),
    CatalogModel(
        name="whisper-large-v3-msp-podcast-emotion-dim",
        title="arousal, valence, dominance; Whisper large v3, trained on MSP-Podcast: podcasts in English",
        licence=_vox_profile("tiantiaf/whisper-large-v3-msp-podcast-emotion-dim"),
        huggingface="tiantiaf/whisper-large-v3-msp-podcast-emotion-dim",
        chinese="唤醒度、效价、支配度；Whisper large v3，用 MSP-Podcast（英语播客）训练",
        layout=None,
        corpora=("MSP-Podcast",),
    ),
    CatalogModel(
        name="wavlm-large-categorical-emotion",
        title="nine classes; arousal, valence, dominance; trained on MSP-Podcast: podcasts in English",
        licence=_vox_profile("tiantiaf/wavlm-large-categorical-emotion"),
        huggingface="tiantiaf/wavlm-large-categorical-emotion",
        chinese="九个类别，以及唤醒度、效价、支配度；WavLM large，用 MSP-Podcast（英语播客）训练",
        layout=None,
        labels=_VOXPROFILE,
        corpora=("MSP-Podcast",),
    ),
    CatalogModel(
        name="wavlm-large-msp-podcast-emotion-dim",
        title="arousal, valence, dominance; WavLM large, trained on MSP-Podcast: podcasts in English",
        licence=_vox_profile("tiantiaf/wavlm-large-msp-podcast-emotion-dim"),
        huggingface="tiantiaf/wavlm-large-msp-podcast-emotion-dim",
        chinese="唤醒度、效价、支配度；WavLM large，用 MSP-Podcast（英语播客）训练",
        layout=None,
        corpora=("MSP-Podcast",),
    ),
)
