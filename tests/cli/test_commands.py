"""At the prompt: results on stdout, one line for an error, and an exit code that says which kind it was."""

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from at_prompt import run
from click.testing import CliRunner

from ulmkit.artifacts.manifest import Manifest
from ulmkit.cli import common
from ulmkit.cli.common import Terminal, text_table
from ulmkit.cli.main import cli
from ulmkit.cli.training import clock, training_progress
from ulmkit.errors import Interrupted
from ulmkit.language.registry import get
from ulmkit.lm.loop import TrainProgress
from ulmkit.names import readable
from ulmkit.progress import Progress


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with everything built from the bundled samples, as small as it gets."""
    root = tmp_path_factory.mktemp("data")
    samples = get("fa").samples
    shares = ("--valid-share", 0.15, "--test-share", 0.1)
    assert run("corpus", "build", "fa", "--root", root, "--input", samples, "--workers", 0, "-q", *shares) == 0
    assert run("tokenizer", "train", "fa", "--root", root, "--vocab", 700, "-q") == 0
    sizes = [word for pair in ("embedding_size=16", "hidden_size=24", "layers=2") for word in ("--set", pair)]
    train = ("--preset", "tiny", "--steps", 12, "--batch-size", 8, "--device", "cpu")
    assert run("lm", "pretrain", "fa", "--root", root, "-q", *train, *sizes) == 0
    return root


def test_the_chain_leaves_what_the_plan_names(chain: Path):
    home = chain / "fa"
    for name in (
        "corpus/train/part-00000.parquet", "corpus/README.md", "corpus/manifest.json", "corpus/dropped/samples.jsonl",
        "tokenizer/spm.model", "tokenizer/vocab.json", "tokens/train.bin", "tokens/valid.docs.npy",
        "lm/pretrained/config.json", "lm/pretrained/metrics.jsonl", "lm/pretrained/best/model.safetensors",
        "lm/pretrained/last/state.json", "lm/pretrained/manifest.json",
    ):  # fmt: skip
        assert (home / name).is_file(), name
    stamps = [Manifest.read(home / stage, stage).content["normalization"] for stage in ("corpus", "tokenizer")]
    assert stamps == 2 * [get("fa").normalizer("standard").fingerprint]


def test_verify_finds_a_changed_byte_in_every_stage(chain: Path, capsys: pytest.CaptureFixture[str]):
    assert run("verify", "fa", "--root", chain) == 0
    assert capsys.readouterr().out.count("whole") == 5  # the staged units among them
    for name in ("corpus/valid/part-00000.parquet", "tokenizer/spm.model", "tokens/test.bin",
                 "lm/pretrained/best/model.safetensors"):  # fmt: skip
        path = chain / "fa" / name
        content = path.read_bytes()
        path.write_bytes(content[:50] + bytes([content[50] ^ 1]) + content[51:])
        assert run("verify", "fa", "--root", chain) == 1
        assert f"{path}: content changed" in capsys.readouterr().err
        path.write_bytes(content)


@pytest.mark.parametrize("words", [(), ("corpus",), ("lm",), ("language",)])
def test_a_group_alone_shows_its_help_line_by_line(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]):
    assert run(*words) == 2
    alone = capsys.readouterr().err
    assert run(*words, "--help") == 0
    assert alone == capsys.readouterr().out
    assert alone.startswith(" ".join(["Usage: ulmkit", *words]))


def test_evaluation_puts_the_model_beside_its_baselines(chain: Path, capsys: pytest.CaptureFixture[str]):
    assert run("lm", "evaluate", "fa", "--root", chain, "--split", "test", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert set(found["models"]) == {"unigram", "kneser-ney-3", "pretrained (best)"}
    for figures in found["models"].values():
        assert figures["bits_per_character"] > figures["bits_per_byte"] > 1
    assert found["signature"].startswith("evaluation|language:fa|split:test|")


def test_a_model_is_fine_tuned_with_a_table(chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    table = tmp_path / "comments.csv"
    rows = [f'"سفارش {n} {"خوب" if n % 2 else "سرد"} رسید",{n % 2}' for n in range(80)]
    table.write_text("\n".join(["comment,label", *rows, '" ",1', rows[0]]), encoding="utf-8")
    (tmp_path / "test.txt").write_text("سفارش ۴ سرد رسید\n", encoding="utf-8")
    words = ("lm", "finetune", "fa", "--root", chain, "--run", "comments", "--epochs", 1, "--batch-size", 4)
    words = (*words, "--device", "cpu")
    asked = ("--input", table, "--text-column", "comment", "--test", tmp_path / "test.txt")
    assert run(*words, *asked) == 2  # the test has no such column
    assert "test.txt: no column 'comment'" in capsys.readouterr().err
    assert run(*words, *asked[:4], "--test", table) == 1
    assert "82 texts, of which 0 different: nothing to learn from" in capsys.readouterr().err
    assert not (chain / "fa/lm/comments").exists()
    assert run(*words, *asked[:2], *asked[4:]) == 0
    said = capsys.readouterr()
    assert "64 to learn from, 15 held out; 1 empty, 1 repeated, 1 of the test left out" in said.out
    assert "a word" in said.out.splitlines()[1]
    assert "in the corpus" in said.out.splitlines()[1]
    assert run(*words, "--resume", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert found["texts"]["input"] == {"files": ["comments.csv"], "columns": ["comment"], "unread": [], "remarks": []}
    assert run("lm", "evaluate", "fa", "--root", chain, "--run", "comments", "--no-baselines") == 0
    capsys.readouterr()
    assert run("verify", "fa", "--root", chain) == 0
    (chain / "fa/lm/comments/tokens/train.bin").write_bytes(b"")
    assert run("verify", "fa", "--root", chain) == 1
    assert "train.bin: 0 bytes" in capsys.readouterr().err
    shutil.rmtree(chain / "fa/lm/comments")


def test_generation_repeats_for_a_seed_and_starts_with_the_prompt(chain: Path, capsys: pytest.CaptureFixture[str]):
    words = ("lm", "generate", "fa", "--root", chain, "--prompt", "كتاب‌ها", "--length", 20, "--json")
    texts = []
    for seed in (1, 1, 2):
        assert run(*words, "--seed", seed) == 0
        texts.append(json.loads(capsys.readouterr().out)["texts"])
    assert texts[0] == texts[1] != texts[2]
    assert texts[0][0].startswith("کتاب‌ها")


def test_a_checkpoint_of_another_tokenizer_is_refused(chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    root = tmp_path / "other"
    shutil.copytree(chain, root)
    assert run("tokenizer", "train", "fa", "--root", root, "--vocab", 600, "-q") == 0
    assert run("lm", "generate", "fa", "--root", root) == 1
    assert "trained with tokenizer" in capsys.readouterr().err
    assert run("lm", "pretrain", "fa", "--root", root, "--resume", "-q") != 0


def test_encode_reads_stray_bytes_and_lone_returns_as_normalize_does(
    chain: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    """Whatever the locale says that standard input is."""
    given = "سلام\n".encode() + b"\xff\xfe bad \xc3\n" + "الف\rب\n".encode()
    outputs = []
    for words in (
        ("normalize", "fa"),
        ("tokenizer", "encode", "fa", "--root", chain),
        ("tokenizer", "decode", "fa", "--root", chain),
    ):
        content = outputs[-1].encode() if words[1] == "decode" else given
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content), "ascii", "surrogateescape"))
        assert run(*words) == 0
        outputs.append(capsys.readouterr().out)
    assert outputs[0] == outputs[2]
    assert outputs[0].split("\n")[1] == "\ufffd\ufffd bad \ufffd"


def test_evaluating_a_file_without_a_text_fails_in_one_line(
    chain: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (tmp_path / "settings.xml").write_text("<settings><a/></settings>")
    words = ("tokenizer", "evaluate", "fa", "--root", chain, "-q", "--input")
    assert run(*words, tmp_path / "settings.xml") == 1
    assert "settings.xml: no text was read" in capsys.readouterr().err
    (tmp_path / "text.txt").write_text("یک متن")
    assert run(*words, tmp_path) == 0


def test_tokens_go_out_and_come_back(chain: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):
    text = "نمی‌دانم؛ ۳٫۵ کیلو 🙂 x²"
    monkeypatch.setattr("sys.stdin", io.StringIO(text + "\n"))
    assert run("tokenizer", "encode", "fa", "--root", chain) == 0
    ids = capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(ids))
    assert run("tokenizer", "decode", "fa", "--root", chain) == 0
    assert capsys.readouterr().out == get("fa").normalize(text) + "\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("1 x\n"))
    assert run("tokenizer", "decode", "fa", "--root", chain) == 2
    assert "stdin:1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (("corpus", "build", "fas"), 2, "Did you mean 'fa'?"),
        (("corpus", "build", "fa", "--input", "/nowhere/*.txt"), 2, "/nowhere/*.txt"),
        (("corpus", "build", "fa", "--bogus"), 2, "--bogus"),
        (("corpus", "build", "fa", "--valid-share", "0.9"), 2, "valid-share"),
        (("bogus",), 2, "bogus"),
        (("tokenizer", "train", "fa"), 1, "corpus build"),
        (("tokenizer", "evaluate", "fa"), 1, "tokenizer"),
        (("lm", "evaluate", "fa"), 1, "lm"),
        (("lm", "pretrain", "fa", "--preset", "tinny"), 2, "Did you mean 'tiny'?"),
        (("lm", "pretrain", "fa", "--set", "drop"), 2, "NAME=VALUE"),
        (("lm", "finetune", "fa", "--from", "none"), 2, "Give --input FILE"),
        (("lm", "finetune", "fa", "--from", "none", "--input", __file__), 1, "tokenizer train fa"),
        (("lm", "finetune", "fa", "--input", "nowhere.csv"), 2, "nowhere.csv"),
        (("lm", "finetune", "fa", "--from", "news", "--input", __file__), 2, "--from none"),
        (("verify", "fa"), 1, "corpus build fa"),
        (("demo", "xx"), 2, "no language 'xx'"),
    ],
)
def test_every_error_is_one_line(
    tmp_path: Path, words: tuple[str, ...], code: int, says: str, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
):  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run(*words) == code
    errors = capsys.readouterr().err.strip()
    assert errors.startswith("Error: ")
    assert "\n" not in errors
    assert says in errors


def test_json_says_errors_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert run("verify", "fa", "--root", tmp_path, "--json") == 1
    assert json.loads(capsys.readouterr().out)["exit_code"] == 1


def test_without_a_network_the_error_names_what_works_without(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    # the discard port of this machine: nothing listens there
    where = ("--root", tmp_path, "--mirror", "http://127.0.0.1:9")
    assert run("corpus", "build", "fa", "--source", "wikipedia", *where, "-q") == 1
    errors = capsys.readouterr().err.strip()
    assert "\n" not in errors
    assert "--input" in errors
    assert "ulmkit demo fa" in errors


def normalized(text: bytes, *words: str) -> bytes:
    done = CliRunner().invoke(cli, ["normalize", "fa", *words], input=text, catch_exceptions=False)
    assert done.exit_code == 0
    return done.stdout_bytes


def test_a_profile_that_is_not_there_is_asked_wrongly(capsys: pytest.CaptureFixture[str]):
    assert run("normalize", "fa", "--profile", "socail") == 2
    assert (
        "fa has no form 'socail'. Known: standard, match, fold, social, half_space, shadda." in capsys.readouterr().err
    )
    assert run("normalize", "fa", "--profile", "social", "--match") == 2


def test_language_show_says_what_a_profile_changes(capsys: pytest.CaptureFixture[str]):
    assert run("language", "show", "fa") == 0
    shown = capsys.readouterr().out
    assert "profile social: max_letter_run = 4; letter_run_to = 2; + sign_runs\n" in shown
    assert "profile half_space: + rules.half_space\n" in shown


def test_the_filter_normalizes_line_by_line():
    given = "كتاب  علي\n\nمي‌روم به https://example.org/a.b?x=1,5 و 2.7.19\n\u200f".encode()
    assert normalized(given).decode() == "کتاب علی\n\nمی‌روم به https://example.org/a.b?x=1,5 و 2.7.19\n\n"
    assert normalized(normalized(given)) == normalized(given)


def test_the_filter_explains_and_folds():
    assert normalized("كتاب‌ها، ۱۲".encode(), "--match").decode() == "کتابها 00\n"
    assert normalized("خییییلی 😂😂😂😂😂".encode(), "--profile", "social").decode() == "خییلی 😂😂😂\n"
    assert json.loads(normalized("ك\n".encode(), "--json")) == {"lines": ["ک"]}
    changes = json.loads(normalized("كتاب علي".encode(), "--explain", "--json"))["changes"]
    assert changes == [{"line": 1, "operation": "characters", "count": 2, "before": "كتاب علي", "after": "کتاب علی"}]
    explained = normalized("كتاب علي".encode(), "--explain").decode()
    assert "characters" in explained
    assert explained.startswith("1\t")


def test_the_filter_splits_sentences(capsys: pytest.CaptureFixture[str]):
    given = "او رفت. من ماندم؟\n\nبله!\n".encode()
    assert normalized(given, "--sentences").decode() == "او رفت.\nمن ماندم؟\nبله!\n"
    assert json.loads(normalized(given, "--sentences", "--json"))["lines"] == [["او رفت.", "من ماندم؟"], [], ["بله!"]]
    assert run("normalize", "fa", "--sentences", "--match") == 2
    assert "leave --match and --explain out" in capsys.readouterr().err


def test_bytes_that_are_no_text_do_not_stop_the_filter():
    assert normalized(b"\xff\xfe\x00\n" + "سلام".encode()).decode().endswith("سلام\n")


def test_a_reader_that_leaves_early_is_no_error():
    command = f"{sys.executable} -m ulmkit normalize fa < {__file__} | head -1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert done.stderr == ""


def test_broken_languages_are_listed_and_stop_nobody(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "zz").mkdir()
    (tmp_path / "zz" / "language.toml").write_text("[language\n")
    assert run("language", "list", "--languages", tmp_path) == 0
    listed = capsys.readouterr().out
    assert "broken" in listed
    assert "Persian" in listed
    assert run("language", "show", "fa", "--languages", tmp_path) == 0
    assert run("language", "show", "zz", "--languages", tmp_path) == 1
    assert "language.toml:1" in capsys.readouterr().err


def test_what_comes_from_outside_cannot_move_the_cursor():
    assert readable("\x1b[2J\u202eabc\u200cd") == "\\x1b[2J\\u202eabc\\u200cd"
    assert len(readable("x" * 500)) == 60


def test_tables_line_up():
    assert text_table(("a", "n"), [("xx", "1"), ("y", "100")]).splitlines() == [
        "a     n",
        "──  ───",
        "xx    1",
        "y   100",
    ]


def test_times_are_read_like_clocks():
    assert [clock(s) for s in (5, 65, 3725)] == ["0:05", "1:05", "1:02:05"]


def test_a_line_that_is_rewritten_stays_within_the_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with training_progress(Terminal(Path(), None, as_json=False, quiet=False)) as report:
        assert report is not None
        report(TrainProgress(2_100, 3_360, 4, 4.566, 4.763, 0.01, 11_159.0, 60.0, 260.0))
    first, line, last = capsys.readouterr().err.split("\r\x1b[K")
    assert (first, last) == ("", "")
    assert line.startswith("step 2,100 of 3,360, 4:20 left: loss 4.566, ")
    assert len(line) == 79
    assert line.endswith("…")


def test_what_interrupts_a_training_finds_the_line_cleared(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)

    def interrupted() -> None:
        with training_progress(Terminal(Path(), None, as_json=False, quiet=False)) as report:
            assert report is not None
            report(TrainProgress(20, 60, 4, 4.566, 4.763, 0.01, 11_159.0, 60.0, 260.0))
            raise Interrupted("by SIGINT")

    with pytest.raises(Interrupted):
        interrupted()
    assert capsys.readouterr().err.endswith("\r\x1b[K")


def command_paths(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Of every command below `group`, and of `group` itself."""
    yield path
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from command_paths(command, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(command_paths(cli)), ids=" ".join)
def test_every_help_fits_eighty_columns(path: tuple[str, ...]) -> None:
    said = CliRunner().invoke(cli, [*path, "--help"], terminal_width=80)
    assert said.exit_code == 0
    assert [line for line in said.output.splitlines() if len(line) > 80] == []


def test_without_a_terminal_progress_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(common, "LINE_SECONDS", 0.0)
    with Terminal(Path(), None, as_json=False, quiet=False).progress() as report:
        report(Progress("read", 1_500_000, 3_000_000, "bytes", "a\x1b.jsonl"))
        report(Progress("write", 5, None, "documents"))
    assert capsys.readouterr().err.splitlines() == ["read: 1.5 of 3.0 MB a\\x1b.jsonl", "write: 5 documents"]
