"""A function of a foreign rules.py that hangs, raises or returns no text is stopped and named."""

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from ulmkit.artifacts.layout import Layout
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.corpus.chain import MAX_FAILURES, Chain
from ulmkit.document import KEEP, RawDocument
from ulmkit.errors import Interrupted, LanguageError, RuleError
from ulmkit.formats import inputs as reading
from ulmkit.formats.inputs import named_inputs
from ulmkit.language.load import load_language
from ulmkit.language.spec import Language
from ulmkit.text import rules as own_rules
from ulmkit.text.rules import Rules, guarded

TOML = """[language]
code = "xx"
iso639_3 = "xxx"
name = "Example"
native_name = "Example"
script = "Latn"

[normalization]
train = ["rules.odd"]

[filters]
min_characters = 5
min_words = 1
min_line_punctuation = 0.0
max_short_lines = 1.0
min_sentence_ends = 0.0
"""
COMPUTES = "took more than 0.2 s of the processor"
HEAD = "import re\nimport time\n\n\n"
# what the rule does with a text that says "odd", line of the error, what is said
FAULTS = {
    "loops": ('while "odd" in text: pass', 6, COMPUTES),
    "sleeps": ('if "odd" in text: time.sleep(60)', 6, "took more than 0.4 s on"),
    "swallows": ('while "odd" in text:\n        try: pass\n        except Exception: pass', None, COMPUTES),
    "backtracks": ('re.match(r"(a+)+$", "a" * 60 + "b" if "odd" in text else "")', 6, COMPUTES),
    "raises": ('if "odd" in text: raise ValueError("no odd")', 6, "raised ValueError (no odd)"),
    "exits": ('if "odd" in text: raise SystemExit(3)', 6, "raised SystemExit (3)"),
    "recurses": ('odd(text) if "odd" in text else 0', 6, "raised RecursionError"),
    "bytes": ('if "odd" in text: return text.encode()', 5, "returned bytes, not a string,"),
    "none": ('if "odd" in text: return None', 5, "returned NoneType, not a string,"),
}


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own_rules, "RULE_SECONDS", 0.2)
    monkeypatch.setattr(own_rules, "WAITING", 600)  # a machine that stands still for a moment fails no test

    def language(body: str) -> Language:
        folder = tmp_path / "languages" / "xx"
        folder.mkdir(parents=True)
        (folder / "language.toml").write_text(TOML, encoding="utf-8")
        (folder / "rules.py").write_text(f"{HEAD}def odd(text):\n    {body}\n    return text\n", encoding="utf-8")
        return load_language(folder)

    return language


@pytest.mark.parametrize("name", FAULTS)
def test_what_a_rule_does_wrong_is_named_with_its_line(make, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    body, line, said = FAULTS[name]
    language = make(body)
    assert language.normalize("even") == "even"
    with monkeypatch.context() as patch:
        if name == "sleeps":
            patch.setattr(own_rules, "WAITING", 2)
        with pytest.raises(RuleError) as caught:
            language.normalize("an odd text")
    assert said in str(caught.value)
    assert str(caught.value).startswith(f"languages/xx/rules.py:{line or ''}")
    assert str(caught.value).endswith("on a text of 11 characters.")
    assert language.normalize("even") == "even"


@pytest.mark.slow
def test_a_rule_is_not_blamed_for_a_program_that_stood_still(make, monkeypatch: pytest.MonkeyPatch) -> None:
    """^Z while a rule runs, for longer than it may wait, and then `fg`."""
    monkeypatch.setattr(own_rules, "WAITING", 20)  # of 0.2 s
    stop = "os.kill(os.getpid(), signal.SIGSTOP)"
    later = 'os.system(f"(sleep 6; kill -CONT {os.getpid()}) &")'
    language = make(f'import os, signal\n    if "odd" in text: {later}, {stop}')
    assert language.normalize("an odd text") == "an odd text"


@pytest.mark.parametrize("name", ["loops", "raises"])
def test_a_build_sets_the_document_aside_with_the_reason_and_goes_on(make, name: str) -> None:
    chain = Chain(make(FAULTS[name][0]), near_duplicates=False)
    texts = ["an even text, one of many", "an odd text, one of few", "a last one that is even"]
    part = chain([RawDocument(f"{n}", text, "text", "s") for n, text in enumerate(texts)])
    assert [row["id"] for row in part.rows] == ["0", "2"]
    assert part.tally.dropped == {"rule failed": 1}
    assert "rule 'odd'" in part.samples[0]["detail"]


@pytest.mark.parametrize("workers", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_a_rule_that_fails_on_most_documents_ends_the_build(
    make, tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Counted over the build: neither a file nor one of two workers has more than may fail."""
    monkeypatch.setattr(reading, "UNIT_BYTES", 1)
    language = make(FAULTS["raises"][0])
    files = tmp_path / "in"
    files.mkdir()
    for number in range(4):
        lines = [json.dumps({"text": f"an odd text, number {n} of {number}"}) for n in range(MAX_FAILURES // 2)]
        (files / f"{number}.jsonl").write_text("\n".join(lines))
    options = BuildOptions(workers=workers, near_duplicates=False)
    with pytest.raises(LanguageError, match=r"rule 'odd' raised .* failed on 30 of the first 30 documents") as caught:
        build_corpus(language, Layout(tmp_path, "xx"), named_inputs([str(files)]), options=options)
    assert not isinstance(caught.value, RuleError)


def test_the_timer_and_its_handler_are_as_they_were(make) -> None:
    before = signal.getsignal(signal.SIGALRM)
    with pytest.raises(RuleError):
        make(FAULTS["loops"][0]).normalize("odd")
    assert signal.getsignal(signal.SIGALRM) is before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_somebody_elses_timer_is_left_alone(make) -> None:
    language = make("pass")
    signal.setitimer(signal.ITIMER_REAL, 500.0)
    try:
        assert language.normalize("odd") == "odd"
        assert signal.getitimer(signal.ITIMER_REAL)[0] > 400
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def test_another_thread_runs_rules_without_a_limit(make) -> None:
    language, made = make("time.sleep(0.3)"), []
    thread = threading.Thread(target=lambda: made.append(language.normalize("even")))
    thread.start()
    thread.join()
    assert made == ["even"]


def test_a_bundled_rule_costs_no_timer() -> None:
    from ulmkit.language import places, registry

    assert not registry.get("fa").normalizer("standard").settings.rules.limited
    assert load_language(places.find("fa"), limited=True).normalizer("standard").settings.rules.limited


@pytest.mark.parametrize("seconds", [60.0, 0.1])
def test_what_a_rule_loads_first_has_a_limit_of_its_own(
    make: Callable[[str], Language], monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    """Longer than a rule may run on a text; once."""
    monkeypatch.setattr(own_rules, "PREPARE_SECONDS", seconds)
    work = "while not loaded and time.thread_time() < began + 0.4:\n        pass"
    load = f"loaded = []\n\n\ndef load():\n    began = time.thread_time()\n    {work}\n    loaded.append(1)\n"
    language = make(f"return text * len(loaded)\n\n\n{load}\n\nodd.prepare = load\n\n\ndef other(text):")
    if seconds < 1:
        with pytest.raises(RuleError, match=r"took more than 0\.1 s of the processor"):
            language.normalize("odd")
    else:
        assert language.normalize("odd").startswith("odd")


BACKTRACKS = "(?:a+)+b"
ENDLESS_PATTERNS = {
    "boilerplate": f'boilerplate = ["{BACKTRACKS}"]',
    "pii": f'[[pii]]\nname = "x"\nmask = "[x]"\nhints = ["a"]\npattern = "{BACKTRACKS}"',
    "check": '[[pii]]\nname = "x"\nmask = "[x]"\nhints = ["a"]\npattern = "aaa"\ncheck = "rules.hangs"',
    "raises": '[[pii]]\nname = "x"\nmask = "[x]"\nhints = ["a"]\npattern = "aaa"\ncheck = "rules.raises"',
}
CHECKS = "def hangs(found):\n    while True: pass\n\n\ndef raises(found):\n    raise ValueError('no')\n"


def pattern_folder(tmp_path: Path, settings: str) -> Language:
    folder = tmp_path / "xx"
    folder.mkdir()
    (folder / "language.toml").write_text(TOML.replace('"rules.odd"', "") + settings, encoding="utf-8")
    (folder / "rules.py").write_text(CHECKS, encoding="utf-8")
    return load_language(folder)


@pytest.mark.parametrize("kind", ENDLESS_PATTERNS)
def test_a_document_on_which_a_pattern_does_not_end_is_set_aside(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others go on, in this process as in a worker."""
    monkeypatch.setattr(own_rules, "RULE_SECONDS", 0.2)
    monkeypatch.setattr("ulmkit.corpus.chain.identify", lambda *_: KEEP)
    language = pattern_folder(tmp_path, ENDLESS_PATTERNS[kind])
    documents = [
        RawDocument("1", "a" * 60 + " ends so.", "plain", "s"),
        RawDocument("2", "One of them says nothing twice over, and so it has to stay here.", "plain", "s"),
    ]
    part = Chain(language, near_duplicates=False)(documents)
    assert [row["id"] for row in part.rows] == ["2"]
    assert dict(part.tally.dropped) == {"rule failed": 1}
    assert "raised ValueError" in part.samples[0]["detail"] or "took more than " in part.samples[0]["detail"]


@pytest.mark.parametrize("key", ["no_break", "break_after", "word_patterns"])
def test_a_pattern_of_sentences_or_words_has_a_limit(tmp_path: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_rules, "RULE_SECONDS", 0.2)
    language = pattern_folder(tmp_path, f'[segmentation]\n{key} = ["{BACKTRACKS}"]')
    ask = language.words if key == "word_patterns" else language.sentences
    with pytest.raises(RuleError, match=r"\[segmentation\]: a pattern took more than 0.2"):
        ask("Tere. " + "a" * 60 + " ends. So.")


def test_a_pattern_that_does_not_end_on_its_mask_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(own_rules, "RULE_SECONDS", 0.2)
    with pytest.raises(LanguageError, match=r"language.toml:\d+: pattern: .* took more than 0.2"):
        pattern_folder(tmp_path, ENDLESS_PATTERNS["pii"].replace("[x]", "a" * 60))


def test_a_signal_while_rules_are_loaded_or_run_is_no_fault_of_theirs():
    """SIGTERM becomes `Interrupted`, which neither our own nor a rule's `except Exception` may swallow."""
    stop = b"from ulmkit.errors import Interrupted\ndef stop(text=''):\n    raise Interrupted('Stopped.', 15)\n"
    with pytest.raises(Interrupted):
        Rules("rules.py", stop + b"try:\n    stop()\nexcept Exception:\n    pass\n").function("rules.stop", "operation")
    rules = Rules("rules.py", stop)
    with pytest.raises(Interrupted):
        guarded(rules.function("rules.stop", "operation"), rules)("text")
