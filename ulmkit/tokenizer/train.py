"""Which pieces a language's text is made of: SentencePiece, trained on a sample balanced over the sources.

SentencePiece sees counted words, not text: pieces never cross a space, so nothing is lost, no paragraph is too
long, and the result does not depend on the order of documents. The same corpus and settings give the same model
file, byte for byte. Looking for first candidates SentencePiece writes each word out as often as it occurs: about
30 bytes of memory a character of the sample.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO, Any

import xxhash

from ulmkit.artifacts.atomic import atomic_write, temporary_beside, write_json
from ulmkit.artifacts.layout import SPLITS
from ulmkit.artifacts.manifest import Manifest, package_versions, signature
from ulmkit.artifacts.shards import corpus_digest, corpus_read, finished_corpus, read_batches, shard_paths
from ulmkit.artifacts.stage import Stage, differences, stage
from ulmkit.errors import ArtifactError, UlmkitError, UsageError, VocabularyError, system_error
from ulmkit.language.sections import TokenizerSettings
from ulmkit.language.spec import Language
from ulmkit.progress import Progress, Report, silent
from ulmkit.tokenizer import isolated
from ulmkit.tokenizer.card import CARD, tokenizer_card
from ulmkit.tokenizer.elsewhere import Elsewhere, write_elsewhere
from ulmkit.tokenizer.grid import on_grid
from ulmkit.tokenizer.marks import Marks
from ulmkit.tokenizer.model import BOS, EOS, FIRST_PIECE, MODEL, NEWLINE, PAD, UNK, VOCABULARY, Tokenizer

RECIPE = 2  # raised when the same corpus and settings would give another model
THREADS = 4  # the vocabulary depends on it, so it is the same on every machine
MAX_REQUIRED_LETTERS = 1_500  # all syllables of Ethiopic and Yi, not those of Hangul
MAX_WORD = 1_000  # characters; what is longer is no word, and is cut
CUT = "\x1f"  # no piece crosses it while training; white space to Python, so that no word holds it
RESERVED = re.compile("[\u2581\u2585\x00]")  # SentencePiece's own marks: a word that holds one teaches nothing
BESIDE_DIGIT = re.compile(r"(?<=\d)(?=.)|(?<=.)(?=\d)", re.DOTALL)  # \d: the digits of every script
SAMPLE_SEED = 0x756C6D  # another selection than any other hash of the same text
NORMAL_FORM_SAMPLE = 200  # documents


@dataclass(frozen=True)
class TokenizerReport:
    """What training made. `changed` says why it was needed where a tokenizer stood there before."""

    folder: Path
    manifest: Mapping[str, Any]
    unchanged: bool = False
    changed: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def vocabulary(self) -> int:
        return int(self.manifest["settings"]["vocabulary"])

    @property
    def elsewhere(self) -> Elsewhere:
        return Elsewhere(**self.manifest["elsewhere"])

    def summary(self) -> str:
        """A few lines for people."""
        settings, sample = self.manifest["settings"], self.manifest["sample"]
        if self.unchanged:
            return f"{self.folder}: unchanged, {self.vocabulary:,} pieces."
        lines = [f"{self.vocabulary:,} pieces ({settings['model']}), {self.seconds:.1f} s, {self.folder}"]
        if self.changed:
            lines.append(f"trained again: {', '.join(self.changed)}")
        taken = sum(entry["characters"] for entry in sample.values())
        lines.append(f"from {taken:,} characters, {self.manifest['words']:,} different words:")
        for source, entry in sorted(sample.items(), key=lambda item: -item[1]["characters"]):
            share = entry["characters"] / max(entry["of_characters"], 1)
            lines.append(f"  {source}: {entry['characters']:,} characters, {share:.0%} of what there is")
        lines.append(self.elsewhere.summary())
        return "\n".join(lines)

    def to_json(self) -> dict[str, Any]:
        return dict(self.manifest) | {
            "unchanged": self.unchanged,
            "changed": list(self.changed),
            "seconds": round(self.seconds, 3),
        }


def train_tokenizer(
    language: Language,
    corpus: Path,
    folder: Path,
    *,
    vocabulary: int | None = None,
    model: str | None = None,
    split_by_script: bool | None = None,
    sample_characters: int | None = None,
    force: bool = False,
    report: Report = silent,
) -> TokenizerReport:
    """Train a tokenizer of exactly `vocabulary` pieces on the train split of `corpus` and leave it in `folder`.

    What is None comes from the language's `[tokenizer]`. Where the same tokenizer stands in `folder` already,
    nothing is done unless `force`.

    Raises `UsageError` for a vocabulary larger than the corpus carries (it names the largest) or too small for its
    characters, and `ArtifactError` for a corpus that is missing, empty or not in normal form.
    """
    asked = replace(
        language.tokenizer,
        vocabulary=language.tokenizer.vocabulary if vocabulary is None else vocabulary,
        model=language.tokenizer.model if model is None else model,  # type: ignore[arg-type]
        split_by_script=language.tokenizer.split_by_script if split_by_script is None else split_by_script,
        sample_characters=language.tokenizer.sample_characters if sample_characters is None else sample_characters,
    )
    _check_settings(asked)
    started = time.monotonic()
    finished_corpus(corpus)
    with stage(folder, "tokenizer", doing="training a tokenizer") as work:
        with corpus_read(corpus) as built:
            inputs = _inputs(language, built, asked)
            standing = work.standing()
            changed = tuple(differences(standing.content.get("inputs", {}), inputs)) if standing else ()
            if standing and not changed and not force:
                return TokenizerReport(folder, standing.content, unchanged=True)
            check_normal_form(language, built)
            words, sample = count_words(shard_paths(built, "train"), asked.sample_characters, report)
        if not words:
            raise ArtifactError(f"{corpus}: the train split holds no words. Build the corpus from more input.")
        trained = _train(asked, words, inputs["required"], Marks(inputs["marks"]), work.new, report)
        tokenizer = Tokenizer(
            trained,
            normalization=inputs["normalization"],
            normalize=language.normalize,
            where=str(folder / MODEL),
        )
        if tokenizer.vocabulary != asked.vocabulary:
            raise UlmkitError(
                f"{folder}: SentencePiece made {tokenizer.vocabulary:,} pieces instead of {asked.vocabulary:,}. "
                "Ask for fewer."
            )
        tokenizer.check_round_trips(where=f"{folder}: the tokenizer just trained")
        with corpus_read(corpus) as built:
            elsewhere = write_elsewhere(tokenizer, asked.model, work.new, held_out_texts(built, report))
        manifest = _finish(work, tokenizer, language, inputs, elsewhere, {"sample": sample, "words": len(words)})
    return TokenizerReport(folder, manifest.content, changed=changed, seconds=time.monotonic() - started)


def _inputs(language: Language, corpus: Manifest, asked: TokenizerSettings) -> dict[str, Any]:
    """All that shapes the tokenizer: equal inputs, the same model file."""
    return {
        "recipe": RECIPE,
        "corpus": corpus_digest(corpus, ["train"]),
        "normalization": language.normalizer("standard").fingerprint,
        "required": required_characters(language),
        "marks": Marks.of(language).characters,
        "settings": {
            "vocabulary": asked.vocabulary,
            "model": asked.model,
            "split_by_script": asked.split_by_script,
            "split_digits": asked.split_digits,
            "character_coverage": asked.character_coverage,
            "sample_characters": asked.sample_characters,
            "threads": THREADS,
        },
        "versions": package_versions(["sentencepiece"]),
    }


def learn_pieces(language: Language, texts: Iterable[str], *, vocabulary: int, report: Report = silent) -> Tokenizer:
    """A tokenizer of `texts`, which are in a normal form and taken as they are; nothing is left on disk.

    Raises `UsageError` for a vocabulary that the texts cannot carry.
    """
    asked = replace(language.tokenizer, vocabulary=vocabulary)
    _check_settings(asked)
    words: Counter[str] = Counter()
    for text in texts:
        words.update(text.split())
    with tempfile.TemporaryDirectory(prefix="ulmkit-pieces-") as place:
        model = _train(asked, words, required_characters(language), Marks.of(language), Path(place), report)
    return Tokenizer(model, normalization="none")


def check_normal_form(language: Language, corpus: Manifest) -> None:
    """Raise `ArtifactError` for a corpus that was not written with the normalizer `language` has now.

    A corpus that was built here says which it was. Shards from elsewhere are looked at: one in twenty of the first
    documents may differ before they count as another's.
    """
    then, now = corpus.normalization, language.normalizer("standard").fingerprint
    if then not in (None, now):
        raise ArtifactError(
            f"{corpus.folder}: written with normalization {then}, {language.code} now has {now}. "
            f"Build the corpus again, or use {language.code} as it was."
        )
    if then == now:
        return
    for batch in read_batches(shard_paths(corpus, "train"), ["id", "text"], NORMAL_FORM_SAMPLE):
        rows = batch.to_pylist()
        other = [row["id"] for row in rows if language.normalize(row["text"]) != row["text"]]
        if len(other) > len(rows) / 20:
            raise ArtifactError(
                f"the corpus is not in the normal form {language.code} has now (document {other[0]} and "
                f"{len(other) - 1:,} more of the first {len(rows):,}). Build the corpus again."
            )
        return


def required_characters(language: Language) -> str:
    """Characters that are pieces however rare they are: the alphabet's letters, its digits and its joiners.

    Not the letters where they are thousands, as of Han or Hangul: those that texts lack would take the pieces' place.
    """
    alphabet = language.alphabet
    letters = alphabet.letters if len(alphabet.letters) <= MAX_REQUIRED_LETTERS else ""
    return "".join(sorted({c for c in letters + alphabet.digits + alphabet.joiners if not c.isspace()}))


def balanced_shares(sizes: Mapping[str, int], budget: int) -> dict[str, float]:
    """Which share of each source to take so that all together give `budget` and none gives more than it must.

    Small sources are taken whole, large ones down to one common size: `{"news": 10, "verse": 90}` with a budget of
    40 is all of the news and a third of the verse.
    """
    shares: dict[str, float] = {}
    left = budget
    for place, (source, size) in enumerate(sorted(sizes.items(), key=lambda item: (item[1], item[0]))):
        level = left / (len(sizes) - place)
        shares[source] = min(1.0, level / size) if size else 1.0
        left -= round(size * shares[source])
    return shares


def held_out_texts(corpus: Manifest, report: Report = silent) -> Iterator[tuple[str, str]]:
    """The id and the text of every document of valid and test."""
    paths = [path for split in SPLITS[1:] for path in shard_paths(corpus, split)]
    done = 0
    for batch in read_batches(paths, ["id", "text"]):
        columns = batch.to_pydict()
        yield from zip(columns["id"], columns["text"], strict=True)
        done += batch.num_rows
        report(Progress("compare", done, None, "held-out documents"))


def count_words(
    paths: list[Path], budget: int, report: Report = silent
) -> tuple[Counter[str], dict[str, dict[str, int]]]:
    """How often each word occurs in a balanced sample of about `budget` characters, and what was taken from where.

    A document is in by the hash of its text, so the sample depends neither on order nor on how shards are cut.
    """
    sizes: Counter[str] = Counter()
    for batch in read_batches(paths, ["source", "characters"]):
        for source, characters in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            sizes[source] += characters
    limits = {source: int(share * 2**64) for source, share in balanced_shares(sizes, budget).items()}
    words: Counter[str] = Counter()
    sample = {source: {"documents": 0, "characters": 0, "of_characters": size} for source, size in sizes.items()}
    done = 0
    for batch in read_batches(paths, ["source", "text"]):
        for source, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            done += len(text)
            if xxhash.xxh3_64_intdigest(text.encode(), SAMPLE_SEED) < limits[source]:
                words.update(text.split())
                sample[source]["documents"] += 1
                sample[source]["characters"] += len(text)
        report(Progress("count", done, sizes.total(), "characters"))
    return words, dict(sorted(sample.items()))


def training_rows(words: Mapping[str, int], *, split_digits: bool, marks: Marks) -> Iterator[str]:
    """`word<TAB>count` lines in a fixed order, with cuts where no piece may cross."""
    for word, count in sorted(words.items(), key=lambda item: (-item[1], item[0])):
        if RESERVED.search(word):
            continue
        for start in range(0, len(word), MAX_WORD):
            part = marks.apart(word[start : start + MAX_WORD], CUT)
            # SentencePiece's own split_digits knows ASCII only
            yield f"{BESIDE_DIGIT.sub(CUT, part) if split_digits else part}\t{count}"


def _check_settings(asked: TokenizerSettings) -> None:
    if asked.model not in ("unigram", "bpe"):
        raise UsageError(f"no tokenizer model '{asked.model}'. Known: unigram, bpe.")
    if asked.vocabulary <= FIRST_PIECE:
        raise UsageError(
            f"a vocabulary of {asked.vocabulary:,} leaves no room: {FIRST_PIECE} ids are fixed. Ask for more."
        )
    if asked.sample_characters < 1:
        raise UsageError(f"a sample of {asked.sample_characters:,} characters is none. Ask for more.")


def _options(asked: TokenizerSettings, required: str) -> dict[str, Any]:
    """What SentencePiece is told; every default that matters is written out."""
    return {
        "input_format": "tsv",
        "model_type": asked.model,
        "vocab_size": asked.vocabulary,
        "hard_vocab_limit": True,
        "normalization_rule_name": "identity",  # the default turns U+200C into a space
        "remove_extra_whitespaces": False,
        "add_dummy_prefix": True,
        "byte_fallback": True,
        "character_coverage": asked.character_coverage,
        "required_chars": required,
        "split_by_unicode_script": asked.split_by_script,
        "split_by_number": False,  # ASCII digits only; the cuts do it for all
        "split_digits": False,
        "pretokenization_delimiter": CUT,
        "max_sentence_length": 16 * MAX_WORD,  # bytes; longer lines would be left out without a word
        "pad_id": PAD,
        "unk_id": UNK,
        "bos_id": BOS,
        "eos_id": EOS,
        "user_defined_symbols": ["\n"],
        "num_threads": THREADS,
        "minloglevel": 0,  # its log is where progress shows
    }


def _train(
    asked: TokenizerSettings, words: Mapping[str, int], required: str, marks: Marks, folder: Path, report: Report
) -> bytes:
    """The serialized model, trained in a process of its own; the scores of a unigram model add up exactly."""
    place = temporary_beside(folder / MODEL)
    command = [
        sys.executable,
        "-P",  # the folder of the program is not a place to import from
        str(Path(isolated.__file__)),
        json.dumps(_options(asked, required)),
        str(place),
    ]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    assert process.stdin is not None
    assert process.stderr is not None
    rows = training_rows(words, split_digits=asked.split_digits, marks=marks)
    feeder = threading.Thread(target=_feed, args=(process.stdin, rows), daemon=True)
    try:
        feeder.start()
        last = _watch(process.stderr, report)
        status = process.wait()
        feeder.join()
        if status == 0:
            model = place.read_bytes()
            return on_grid(model) if asked.model == "unigram" else model
    finally:
        process.kill()  # an interrupt must not leave it running; a finished one does not mind
        process.wait()
        process.stderr.close()
        place.unlink(missing_ok=True)
    raise explain_failure(status, last, asked, folder)


def _feed(pipe: IO[bytes], rows: Iterable[str]) -> None:
    try:
        with pipe:
            for row in rows:
                pipe.write(row.encode())
                pipe.write(b"\n")
    except (BrokenPipeError, ValueError):  # it has ended early and says why on stderr
        pass


def _watch(log: IO[bytes], report: Report) -> str:
    """Read SentencePiece's log to its end, report its rounds, and return its last line."""
    last, rounds = "", 0
    for line in log:
        text = line.decode("utf-8", "replace").strip()
        if text:
            last = text
        if "EM sub_iter" in text or "Added: freq" in text:
            rounds += 1
            size = re.search(r"size=(\d+)", text)
            report(Progress("train", rounds, None, "rounds", f"{int(size[1]):,} pieces" if size else ""))
    return last


def explain_failure(status: int, last: str, asked: TokenizerSettings, folder: Path) -> UlmkitError:
    """What SentencePiece's last words mean for who asked."""
    if too_many := re.search(r"Vocabulary size too high .* <= (\d+)", last):
        return VocabularyError(
            f"a vocabulary of {asked.vocabulary:,} is more than this corpus carries: {int(too_many[1]):,} at most. "
            f"Ask for --vocab {too_many[1]} or less, or build a larger corpus.",
            int(too_many[1]),
        )
    if too_few := re.search(r"smaller than required_chars\. \d+ vs (\d+)", last):
        return UsageError(
            f"a vocabulary of {asked.vocabulary:,} has no room for the {int(too_few[1]) - FIRST_PIECE:,} characters of "
            f"this corpus and {FIRST_PIECE} fixed ids. Ask for --vocab {too_few[1]} at the very least."
        )
    if refused := re.search(r"\[Errno (\d+)\]", last):  # the system's, of writing the model
        number = int(refused[1])
        return ArtifactError(system_error(OSError(number, os.strerror(number)), folder))
    if last.startswith(isolated.FAILED):
        return UlmkitError(f"SentencePiece could not train: {last.removeprefix(isolated.FAILED)}.")
    if status == -9:
        return UlmkitError("SentencePiece was killed, most likely for memory. Lower sample_characters, or free memory.")
    return UlmkitError(f"SentencePiece ended with status {status}: {last or 'no word of why'}.")


def _finish(
    work: Stage,
    tokenizer: Tokenizer,
    language: Language,
    inputs: Mapping[str, Any],
    elsewhere: Elsewhere,
    counted: Mapping[str, Any],
) -> Manifest:
    """Write model, vocabulary, README and manifest."""
    with atomic_write(work.new / MODEL) as file:
        file.write(tokenizer.model)
    ids = {"pad": PAD, "unk": UNK, "bos": BOS, "eos": EOS, "newline": NEWLINE}
    pieces = [list(entry) for entry in zip(tokenizer.inventory, tokenizer.scores, strict=True)]
    write_json(work.new / VOCABULARY, {"ids": ids, "pieces": pieces})
    settings = inputs["settings"]
    with atomic_write(work.new / CARD) as file:
        file.write(tokenizer_card(tokenizer, language, settings["model"], elsewhere).encode())
    manifest = {
        "language": language.code,
        "language_fingerprint": language.fingerprint,
        "normalization": inputs["normalization"],
        "fingerprint": tokenizer.fingerprint,
        "settings": settings,
        "inputs": inputs,
        "ids": ids,
        **counted,
        "elsewhere": asdict(elsewhere),
        "versions": package_versions(["sentencepiece", "xxhash", "pyarrow"]),
        "signature": signature(
            "tokenizer",
            language=language.code,
            normalization=inputs["normalization"],
            corpus=inputs["corpus"],
            model=settings["model"],
            vocabulary=settings["vocabulary"],
            split_by_script=settings["split_by_script"],
            threads=THREADS,
            fingerprint=tokenizer.fingerprint,
        ),
    }
    return work.finish(manifest)
