"""A language whose words stand without spaces, from `language new` to a tokenizer, with nothing written but words."""

import json
import random
from pathlib import Path

import pytest
from at_prompt import run

from ulmkit.language.load import load_language
from ulmkit.language.spec import Language
from ulmkit.tokenizer.model import Tokenizer
from ulmkit.tokenizer.train import MAX_REQUIRED_LETTERS, required_characters

STOP_WORDS = "の は が を に で と も から まで です ます した して いる ある この その それ ない".split()  # noqa: SIM905
SENTENCES = [
    "朝の市場では、野菜を売る人が大きな声で客を呼んでいた。",
    "祖母は庭で育てた茄子を、隣の家まで届けに行った。",
    "「今日は雨が降るから、傘を持っていきなさい。」と母が言った。",
    "駅前の古い書店が、来月で店を閉めるそうだ。",
    "川の水は冷たく、子どもたちは足だけを入れて笑っていた！",
    "図書館には、町の歴史を書いた本が三十冊ほどある。",
    "なぜ空は青いのか？先生は黒板に絵を描いて説明した。",
    "夕方になると、港に小さな船が次々と戻ってくる。",
    "新しい橋ができて、島まで車で行けるようになった。",
    "彼は毎日日記を書き、寝る前にそれを読み返す……それが習慣だった。",
    "祭りの夜、太鼓の音は山の向こうまで聞こえた。",
    "このパン屋の店主は、夜明け前から生地をこねている。",
    "雪が深く積もった朝、郵便配達の人は歩いて村を回った。",
    "庭の柿の木に、今年は百個も実がなった。",
    "妹は絵が好きで、壁にも床にも絵を描いてしまう。",
    "古い時計は止まっていたが、部屋の中では誰もそれに気づかなかった。",
]
MENU = "ホーム\n会社概要\n採用情報\nお問い合わせ\nサイトマップ\n" * 12


def article(seed: int) -> str:
    """Three paragraphs of four sentences."""
    said = random.Random(seed).sample(SENTENCES, 12)
    return "\n".join("".join(said[start : start + 4]) for start in (0, 4, 8))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("languages")
    assert run("language", "new", "ja", "--into", folder, "-q") == 0
    (folder / "ja/stopwords.txt").write_text("\n".join(STOP_WORDS), encoding="utf-8")
    return folder


@pytest.fixture
def japanese(place: Path) -> Language:
    return load_language(place / "ja")


def test_sentences_end_without_a_space(japanese: Language) -> None:
    assert japanese.sentences("".join(SENTENCES[3:6])) == SENTENCES[3:6]
    assert japanese.sentences("駅だ。（昔の。）「遠い。」\n終わり。") == [
        "駅だ。",
        "（昔の。）",
        "「遠い。」",
        "終わり。",
    ]


def test_stop_words_are_sought_inside_phrases(japanese: Language) -> None:
    phrases = ["本から離れて", "机まで"]
    assert japanese.stop_words_of(phrases) == ["から", "まで"]
    assert japanese.stop_word_share(phrases) == 4 / 9
    assert japanese.stop_words_of([]) == []
    assert japanese.stop_word_share([]) == 0


def test_thousands_of_letters_are_not_pieces_however_rare(japanese: Language) -> None:
    assert len(japanese.alphabet.letters) > MAX_REQUIRED_LETTERS
    assert required_characters(japanese) == "0123456789"


def test_a_corpus_and_a_tokenizer(place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Prose stays, a menu goes, a copy with one letter changed is one, and every text comes back from its tokens."""
    texts = [*map(article, range(40)), article(3).replace("祖母", "祖父"), MENU]
    lines = [json.dumps({"id": str(i), "text": text}, ensure_ascii=False) for i, text in enumerate(texts)]
    (tmp_path / "in.jsonl").write_text("\n".join(lines), encoding="utf-8")
    common = ("--languages", place, "--root", tmp_path, "-q")
    assert run("corpus", "build", "ja", "--input", tmp_path / "in.jsonl", "--workers", 0, *common, "--json") == 0
    counts = json.loads(capsys.readouterr().out)["counts"]
    assert (counts["read"], counts["kept"]) == (42, 40)
    assert counts["dropped"] == {"few stop words": 1, "duplicate": 1}
    assert run("tokenizer", "train", "ja", "--vocab", 450, *common) == 0
    japanese = load_language(place / "ja")
    tokenizer = Tokenizer.load(tmp_path / "ja/tokenizer", japanese)
    for text in texts:
        assert tokenizer.decode(tokenizer.encode(text)) == japanese.normalize(text)


def test_words_that_nothing_parts_are_not_counted(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--sample", place / "ja/stopwords.txt", "--stop-words", 5, "--languages", place)
    assert run("language", "calibrate", "ja", *asked) == 2
    assert "no spaces between its words" in capsys.readouterr().err
