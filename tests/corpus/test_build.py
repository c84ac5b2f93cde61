"""From files to shards: what stays, what goes and why, and that it is the same every time."""

import gzip
import json
import os
import random
import signal
import subprocess
import sys
import time
import zipfile
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from altered_language import with_normalizers
from corpus_text import articles

from ulmkit.artifacts.layout import SPLITS, Layout
from ulmkit.artifacts.manifest import verify_folder
from ulmkit.artifacts.shards import finished_corpus, read_batches, shard_paths
from ulmkit.cli.corpus import unread_table
from ulmkit.corpus import build as building
from ulmkit.corpus import staging
from ulmkit.corpus.build import BuildOptions, build_corpus
from ulmkit.corpus.chain import Chain
from ulmkit.corpus.tally import read_samples
from ulmkit.errors import ArtifactError, BusyError, InputError, UsageError
from ulmkit.formats import inputs as reading
from ulmkit.formats.inputs import in_units, named_inputs
from ulmkit.language.registry import get

PERSIAN = get("fa")
HERE = BuildOptions(valid_share=0.2, test_share=0.2, workers=0)


def write_lines(path: Path, texts: list[str], **fields: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "".join(json.dumps({"text": text} | fields, ensure_ascii=False) + "\n" for text in texts), encoding="utf-8"
    )
    return path


def build(tmp_path: Path, *patterns: Path, options: BuildOptions = HERE, root: str = "data") -> dict:
    inputs = named_inputs([str(pattern) for pattern in patterns])
    return build_corpus(PERSIAN, Layout(tmp_path / root, "fa"), inputs, options=options)


def rows(tmp_path: Path, root: str = "data") -> dict[str, dict]:
    corpus = Layout(tmp_path / root, "fa").corpus
    return {
        row["id"]: row | {"split": split}
        for split in SPLITS
        for batch in read_batches(shard_paths(finished_corpus(corpus), split))
        for row in batch.to_pylist()
    }


def hashes(manifest: dict) -> dict:
    return {split: entry["logical_hashes"] for split, entry in manifest["splits"].items()}


def test_documents_come_out_normalized_and_counted(tmp_path: Path):
    texts = articles(30)
    source = write_lines(tmp_path / "news.jsonl", [*texts, "کوتاه", texts[0]], url="https://example.org/?a=1,5")
    manifest = build(tmp_path, source)
    found = rows(tmp_path)
    assert len(found) == 30
    assert {row["text"] for row in found.values()} == {PERSIAN.normalize(text) for text in texts}
    counts = manifest["counts"]
    assert counts["read"] == 32
    assert counts["dropped"] == {"too short": 1, "duplicate": 1}
    assert counts["sources"] == {"news": {"read": 32, "kept": 30, "dropped": 1, "duplicate": 1}}
    splits = manifest["splits"].values()
    assert counts["kept"] == sum(split["documents"] for split in splits) == 30
    assert counts["characters_kept"] == sum(split["characters"] for split in splits)
    assert +Counter(counts["joiners"]["kept"]) == sum((Counter(split["joiners"]) for split in splits), Counter())
    assert sum(entry["documents"] for entry in manifest["splits"].values()) == 30
    assert counts["joiners"]["extracted"]["U+200C"] == counts["joiners"]["normalized"]["U+200C"] > 30
    row = found["news/news.jsonl#1"]
    assert row["url"] == "https://example.org/?a=1,5"
    assert (row["cluster_size"], row["language"], row["source"]) == (2, "fa", "news")
    assert verify_folder(Layout(tmp_path / "data", "fa").corpus, "corpus") == []


def test_near_copies_share_a_cluster_and_leave_the_longest(tmp_path: Path):
    texts = articles(40)
    copies = [text + " این جمله در پایان افزوده شد." for text in texts]
    manifest = build(tmp_path, write_lines(tmp_path / "a.jsonl", texts), write_lines(tmp_path / "b.jsonl", copies))
    found = rows(tmp_path)
    assert len(found) == 40
    assert {row["source"] for row in found.values()} == {"b"}
    assert {row["cluster_size"] for row in found.values()} == {2}
    assert manifest["counts"]["dropped"]["duplicate"] == 40


def test_an_article_keeps_its_split_as_the_corpus_grows(tmp_path: Path):
    texts = articles(60)
    small = write_lines(tmp_path / "a.jsonl", texts[:30])
    build(tmp_path, small)
    before = {key: row["split"] for key, row in rows(tmp_path).items()}
    build(tmp_path, small, write_lines(tmp_path / "b.jsonl", texts[30:]))
    after = {key: row["split"] for key, row in rows(tmp_path).items()}
    assert len(set(before.values())) == 3
    assert before == {key: after[key] for key in before}
    assert len(after) == 60


@pytest.mark.parametrize("options", [replace(HERE, workers=2), HERE])
def test_the_result_does_not_depend_on_workers_order_or_place(tmp_path: Path, options: BuildOptions):
    texts = articles(40)
    one = tmp_path / "x" / "deep"
    first = [write_lines(one / f"{name}.jsonl", texts[i::3]) for i, name in enumerate("abc")]
    other = [write_lines(tmp_path / "y" / f"{name}.jsonl", texts[i::3]) for i, name in enumerate("abc")]
    expected = build(tmp_path, *first, root="one")
    found = build(tmp_path, *reversed(other), options=options, root="two")
    assert hashes(found) == hashes(expected)
    assert found["signature"] == expected["signature"]


def test_an_equal_build_is_skipped_and_a_damaged_one_made_again(tmp_path: Path):
    source = write_lines(tmp_path / "a.jsonl", articles(20))
    first = build(tmp_path, source)
    assert build(tmp_path, source)["unchanged"]
    shard = Layout(tmp_path / "data", "fa").corpus / "train" / "part-00000.parquet"
    shard.write_bytes(shard.read_bytes()[:-1])
    again = build(tmp_path, source)
    assert "unchanged" not in again
    assert hashes(again) == hashes(first)


def test_only_new_files_are_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    big = [write_lines(tmp_path / f"{name}.jsonl", articles(12, seed)) for seed, name in enumerate("ab")]
    build(tmp_path, big[0])
    read = []
    original = staging.read_input
    monkeypatch.setattr(
        staging, "read_input", lambda item, *a, **k: (read.append(item.key), original(item, *a, **k))[1]
    )
    build(tmp_path, *big)
    assert read == ["b.jsonl"]


def test_other_languages_are_turned_away(tmp_path: Path):
    english = "The committee met on Tuesday and decided to postpone the vote until the end of the month. " * 4
    arabic = "قال الوزير إن الحكومة سوف تعمل على تحسين الخدمات في جميع المدن والقرى خلال العام المقبل. " * 4
    pashto = "د افغانستان د ښوونې او روزنې وزارت وايي چې په تېر کال کې يې په ټول هېواد کې نوي ښوونځي جوړ کړي دي. " * 4
    source = write_lines(tmp_path / "a.jsonl", [english, arabic, pashto, *articles(5)])
    manifest = build(tmp_path, source)
    dropped = manifest["counts"]["dropped"]
    assert dropped.get("other language", 0) + dropped.get("close language", 0) == 3
    assert len(rows(tmp_path)) == 5


def test_small_files_share_a_unit_and_large_ones_do_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "UNIT_BYTES", 1000)
    for name, size in (("a", 400), ("b", 400), ("c", 400), ("d", 5000), ("e", 10)):
        (tmp_path / "in").mkdir(exist_ok=True)
        (tmp_path / "in" / name).write_bytes(b"x" * size)
    found = [[item.key for item in unit] for unit in in_units(named_inputs([str(tmp_path / "in")]))]
    assert found == [["a", "b"], ["c"], ["d"], ["e"]]


def test_files_of_one_name_are_told_apart(tmp_path: Path):
    for folder in ("x", "y"):
        write_lines(tmp_path / folder / "a.jsonl", articles(3, seed=ord(folder)))
    manifest = build(tmp_path, tmp_path / "x" / "a.jsonl", tmp_path / "y" / "a.jsonl")
    assert manifest["counts"]["read"] == 6
    assert {key.split("#")[0] for key in rows(tmp_path)} == {"a/x/a.jsonl", "a/y/a.jsonl"}


def test_a_file_given_twice_is_read_once(tmp_path: Path):
    source = write_lines(tmp_path / "in" / "a.jsonl", articles(3))
    assert len(named_inputs([str(source), str(source), str(source.parent)])) == 1


@pytest.mark.parametrize("bad", ["raise", pytest.param("die", marks=pytest.mark.slow)])
def test_a_page_that_kills_its_worker_is_set_aside(tmp_path: Path, bad: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(building, "Chain", {"raise": Fragile, "die": Mortal}[bad])
    source = write_lines(tmp_path / "a.jsonl", [*articles(8), "بمب " * 100])
    manifest = build(tmp_path, source, options=replace(HERE, workers=1))
    assert manifest["counts"]["dropped"] == {"crash" if bad == "die" else "error": 1}
    assert len(rows(tmp_path)) == 8


class Fragile(Chain):
    def judged(self, article, tally):
        if "بمب" in article.text:
            self.explode()
        return super().judged(article, tally)

    def explode(self):
        raise RuntimeError("بمب")


class Mortal(Fragile):
    def explode(self):
        os.kill(os.getpid(), signal.SIGKILL)


def test_losing_joiners_fails_the_build(tmp_path: Path):
    careless = with_normalizers(PERSIAN, standard=Careless())
    inputs = named_inputs([str(write_lines(tmp_path / "a.jsonl", articles(30)))])
    with pytest.raises(ArtifactError, match=r"U\+200C in words: normalization lost"):
        build_corpus(careless, Layout(tmp_path / "data", "fa"), inputs, options=HERE)


class Careless:
    def __call__(self, text: str) -> str:
        return PERSIAN.normalize(text).replace("\u200c", "")


def test_wrong_questions_get_one_line(tmp_path: Path):
    source = write_lines(tmp_path / "a.jsonl", ["کوتاه"])
    with pytest.raises(ArtifactError, match="No document is left of 1 read"):
        build(tmp_path, source)
    assert not (Layout(tmp_path / "data", "fa").corpus / "manifest.json").exists()
    with pytest.raises(UsageError, match="no such file"):
        named_inputs([str(tmp_path / "nowhere*")])
    with pytest.raises(UsageError, match="together they must leave"):
        build(tmp_path, source, options=replace(HERE, valid_share=0.6, test_share=0.5))
    empty = tmp_path / "empty.jsonl"
    empty.touch()
    with pytest.raises(ArtifactError, match="No document is left of 0 read"):
        build(tmp_path, empty)


def test_a_language_that_declares_no_personal_data_masks_none(tmp_path: Path):
    bare = replace(PERSIAN, pii=())
    inputs = named_inputs([str(write_lines(tmp_path / "a.jsonl", articles(3)))])
    with pytest.raises(UsageError, match=r"fa declares no kinds of personal data to mask: add \[\[pii\]\]"):
        build_corpus(bare, Layout(tmp_path, "fa"), inputs, options=replace(HERE, pii="mask"))


def test_a_build_that_keeps_nothing_shows_the_first_that_went(tmp_path: Path):
    source = write_lines(tmp_path / "a.jsonl", ["کوتاه است"])
    with pytest.raises(ArtifactError, match=r"The first: a/a\.jsonl#1: too short, 9 < \d+\."):
        build(tmp_path, source)


def test_a_build_that_keeps_nothing_leaves_what_went_and_names_the_limit_that_took_most(tmp_path: Path):
    source = write_lines(tmp_path / "a.jsonl", ["کوتاه است", "این هم", *articles(1)])
    limits = {"min_characters": 100_000}
    with pytest.raises(ArtifactError, match=r"\(3 of 3 too short\)\. min_characters is 100000: .* --filter min_char"):
        build(tmp_path, source, options=replace(HERE, filters=limits))
    corpus = Layout(tmp_path / "data", "fa").corpus
    assert len(read_samples(corpus / "dropped" / "samples.jsonl")) == 3
    manifest = build(tmp_path, source)
    assert manifest["counts"]["kept"] == 1
    with pytest.raises(ArtifactError, match=r"What went: .*work/dropped"):
        build(tmp_path, source, options=replace(HERE, filters=limits))
    assert Layout(tmp_path / "data", "fa").corpus.joinpath("manifest.json").exists()  # what stood still stands


def test_a_limit_for_one_build_is_recorded(tmp_path: Path):
    source = write_lines(tmp_path / "a.jsonl", [text[:150].rpartition(" ")[0] + "." for text in articles(12)])
    limits = {"min_characters": 50, "min_words": 5}
    manifest = build(tmp_path, source, options=replace(HERE, filters=limits))
    assert (manifest["counts"]["kept"], manifest["options"]["filters"]) == (12, limits)
    assert manifest["filters"]["min_words"] == {"limit": 5, "drops": ["too few words"], "from": "told for this build"}


def test_a_source_that_one_limit_took_nearly_whole_is_named(tmp_path: Path):
    comments = write_lines(tmp_path / "comments.jsonl", [text[:60] for text in articles(19)] + articles(1, seed=5))
    news = write_lines(tmp_path / "news.jsonl", articles(5, seed=9))
    (note,) = build(tmp_path, comments, news)["notes"]
    assert note.startswith(
        "comments: 19 of 20 documents went as too short. min_characters is 200: change it for one run"
    )


def test_a_corpus_of_few_documents_has_each_split_or_says_that_it_has_not(tmp_path: Path):
    shares = BuildOptions(workers=0)
    manifest = build(tmp_path, write_lines(tmp_path / "a.jsonl", articles(6)), options=shares)
    assert sorted(split["documents"] for split in manifest["splits"].values()) == [1, 1, 4]
    assert manifest["notes"] == []
    manifest = build(tmp_path, write_lines(tmp_path / "b.jsonl", articles(1, seed=2)), options=shares, root="one")
    assert [note for note in manifest["notes"] if "--valid-share 0" in note or "--test-share 0" in note]
    corpus = Layout(tmp_path / "one", "fa").corpus
    assert len(list(corpus.glob("*/*.parquet"))) == 1
    assert (corpus / "README.md").read_text(encoding="utf-8").count("  - split:") == 1


def test_where_all_is_taken_for_another_language_it_is_named(tmp_path: Path):
    words = "The committee meets every Thursday in the town hall, and whoever wants to speak writes a letter first. "
    source = write_lines(tmp_path / "a.jsonl", [words * 4])
    said = r"of 1 read \(1 other language\)\. Taken for en: where that is wrong, give this language the label"
    with pytest.raises(ArtifactError, match=said):
        build(tmp_path, source)


def test_a_file_that_went_away_is_named(tmp_path: Path):
    source = write_lines(tmp_path / "a.jsonl", articles(3))
    inputs = named_inputs([str(source)])
    source.unlink()
    with pytest.raises(InputError, match=r"a\.jsonl: cannot be read"):
        build_corpus(PERSIAN, Layout(tmp_path / "data", "fa"), inputs, options=HERE)


def test_a_file_closed_to_us_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The refusal is the system's, made here by hand because root is refused nothing."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    source = write_lines(tmp_path / "a.jsonl", articles(3))
    monkeypatch.setattr(reading, "open_regular", refuse)
    with pytest.raises(InputError, match=r"a\.jsonl: cannot be read \(Permission denied\)"):
        build(tmp_path, source)


@pytest.mark.slow
def test_a_full_disk_is_one_line_and_the_build_goes_on_after_it(tmp_path: Path):
    """A limit on file size stands for the disk: the write that crosses it fails as on a full one."""
    source = write_lines(tmp_path / "a.jsonl", articles(300))
    expected = hashes(build(tmp_path, source, root="reference"))
    code = (
        "import resource, signal, sys\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n"
        "from ulmkit.cli.main import main; main(sys.argv[1:])"
    )
    arguments = ["corpus", "build", "fa", "--root", str(tmp_path / "data"), "--input", str(source), "--workers", "0",
                 "--valid-share", "0.2", "--test-share", "0.2"]  # fmt: skip
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("Error")]
    assert "no space left" in line
    assert not Layout(tmp_path / "data", "fa").corpus.exists()
    assert not list((tmp_path / "data").rglob("*.part"))
    assert hashes(build(tmp_path, source)) == expected


def start(root: Path, source: Path, output: int = subprocess.DEVNULL) -> subprocess.Popen:
    command = [sys.executable, "-m", "ulmkit", "corpus", "build", "fa", "--root", str(root), "--input", str(source),
               "--valid-share", "0.2", "--test-share", "0.2", "--workers", "1", "-q"]  # fmt: skip
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=output,
        text=True,
        start_new_session=True,
        # a shell that runs the suite in the background has interrupts ignored, and children inherit that
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler) and None,
    )


def test_two_builds_at_once_refuse_each_other(tmp_path: Path):
    from ulmkit.artifacts.atomic import lock

    source = write_lines(tmp_path / "a.jsonl", articles(5))
    with lock(tmp_path / "data" / "fa" / "work" / "corpus", "corpus build"):
        with pytest.raises(BusyError, match=f"pid {os.getpid()}"):
            build(tmp_path, source)
        other = start(tmp_path / "data", source, subprocess.PIPE)
        assert f"pid {os.getpid()}" in other.communicate()[1]
        assert other.returncode == 1


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_build_and_names_the_command_that_resumes(tmp_path: Path, number: signal.Signals):
    folder = tmp_path / "in"
    first = write_lines(folder / "0.jsonl", articles(600))
    for i in range(1, 400):  # minutes of work, so that the build cannot be through before the signal reaches it
        (folder / f"{i}.jsonl").hardlink_to(first)
    running = start(tmp_path / "data", folder, subprocess.PIPE)
    while not list((tmp_path / "data").rglob("*.part")) and running.poll() is None:
        time.sleep(0.05)
    running.send_signal(number)
    _, errors = running.communicate(timeout=1_500)
    assert running.returncode == 128 + number, errors
    (line,) = errors.strip().splitlines()  # after Ctrl-C a new line is begun: a terminal has written ^C on this one
    assert line.startswith("Stopped: ")
    assert "Go on with: ulmkit corpus build fa" in line


KILLS = int(os.environ.get("ULMKIT_BUILD_KILLS", "1"))  # `make faults` sets more


@pytest.mark.slow
def test_builds_killed_at_random_moments_end_equal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """SIGKILL to the whole process group, again and again until a build gets through."""
    folder = tmp_path / "in"
    for i in range(4):
        write_lines(folder / f"{i}.jsonl", articles(120, seed=i))
    started = time.monotonic()
    reference = start(tmp_path / "reference", folder)
    assert reference.wait() == 0
    took = time.monotonic() - started
    expected = json.loads((tmp_path / "reference/fa/corpus/manifest.json").read_text())
    draw = random.Random(int(os.environ.get("ULMKIT_SEED", "1")))
    equal = 0
    for number in range(KILLS):
        root = tmp_path / f"killed{number}"
        moments = []
        while True:
            running = start(root, folder)
            moment = draw.uniform(0.1, took * 1.05)
            try:
                assert running.wait(timeout=moment) == 0
                break
            except subprocess.TimeoutExpired:
                os.killpg(running.pid, signal.SIGKILL)
                running.wait()
                moments.append(moment)
                if len(moments) == 3:
                    assert start(root, folder).wait() == 0
                    break
        found = json.loads((root / "fa/corpus/manifest.json").read_text())
        assert hashes(found) == hashes(expected), f"killed at {moments}"
        assert found["counts"] == expected["counts"]
        assert verify_folder(root / "fa" / "corpus", "corpus") == []
        equal += 1
    assert equal == KILLS


def test_what_cannot_be_read_is_shown_with_its_place_and_counted_by_file(tmp_path: Path):
    good = write_lines(tmp_path / "in" / "a.jsonl", articles(5)).read_bytes()
    (tmp_path / "in" / "a.jsonl").write_bytes(good + b'{"text": "\xff\xfe"}\n{"text": oops}\n[1, 2]\n' + good[:100])
    with zipfile.ZipFile(tmp_path / "in" / "b.zip", "w") as archive:
        archive.writestr("deep/c.jsonl", "{broken\n" + good.decode())
        link = zipfile.ZipInfo("way/out")
        link.create_system, link.external_attr = 3, 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    (tmp_path / "in" / "d.jsonl.gz").write_bytes(gzip.compress(good)[:-200])
    (tmp_path / "in" / "e.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(99))
    counts = build(tmp_path, tmp_path / "in")["counts"]
    assert counts["unread"] == {
        "in/a.jsonl": {"encoding": 1, "bad record": 3},
        "in/b.zip": {"bad record": 1, "link or device": 1},
        "in/d.jsonl.gz": {"truncated": 1},
        "in/e.7z": {"format not read": 1},
    }
    assert counts["unreadable"] == {
        "bad record": 4, "encoding": 1, "link or device": 1, "truncated": 1, "format not read": 1
    }  # fmt: skip
    samples = read_samples(Layout(tmp_path / "data", "fa").corpus / "dropped" / "unread.jsonl")
    found = {(s["file"], s["place"]): (s["reason"], s["excerpt"]) for s in samples}
    assert found["a.jsonl", "#6"] == ("encoding", '{"text": "\\xff\\xfe"}')
    assert found["a.jsonl", "#7"] == ("bad record", '{"text": oops}')
    assert found["a.jsonl", "#8"] == ("bad record", "[1, 2]")
    assert found["b.zip", "deep/c.jsonl#1"] == ("bad record", "{broken")
    assert found["b.zip", "way/out"] == ("link or device", "")
    reason, tail = found["d.jsonl.gz", ""]
    assert reason == "truncated"
    assert tail.rpartition(" ")[0][-20:] in good.decode()  # half a character at the cut may be shown as bytes
    assert next(s["detail"] for s in samples if s["file"] == "d.jsonl.gz").startswith("gzip data ends, after ")
    table = unread_table(counts["unread"], samples)
    assert "in/e.7z" in table
    assert "7-Zip is not read; unpack it first" in table


def test_of_a_folder_of_refused_files_the_error_says_what_to_do(tmp_path: Path):
    (tmp_path / "e.7z").write_bytes(b"7z\xbc\xaf\x27\x1c" + bytes(99))
    with pytest.raises(
        ArtifactError, match=r"1 format not read\). First: e\.7z: format not read, 7-Zip is not read; unpack it first\."
    ):
        build(tmp_path, tmp_path / "e.7z")


@pytest.mark.parametrize(("pii", "dropped"), [("keep", 0), ("mask", 0), ("drop", 1)])
def test_personal_data_is_counted_always_and_masked_or_dropped_on_demand(tmp_path: Path, pii: str, dropped: int):
    texts = articles(8)
    secret = "شماره ۰۹۱۲۳۴۵۶۷۸۹ و نشانی ali.r@mail.example است."
    source = write_lines(tmp_path / "a.jsonl", [texts[0] + "\n\n" + secret, *texts[1:]])
    counts = build(tmp_path, source, options=replace(HERE, pii=pii))["counts"]
    assert counts["pii"] == {"mobile": 1, "email": 1}
    assert counts["dropped"].get("personal data", 0) == dropped
    text = "\n".join(row["text"] for row in rows(tmp_path).values())
    assert ("۰۹۱۲۳۴۵۶۷۸۹" in text) == (pii == "keep")
    assert ("شماره [تلفن] و نشانی [ایمیل] است." in text) == (pii == "mask")


@pytest.mark.parametrize(
    "wrong",
    [
        {"valid_share": float("nan")},
        {"valid_share": "0.1"},
        {"test_share": None},
        {"test_share": 10**400},
        {"workers": -1},
        {"workers": 1.5},
        {"workers": 10**19},
    ],
)
def test_numbers_that_nothing_can_be_made_of_are_refused(wrong: dict[str, object], tmp_path: Path) -> None:
    page = tmp_path / "page.txt"
    page.write_text("text", encoding="utf-8")
    options = replace(BuildOptions(workers=0), **wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"share|workers"):
        build_corpus(get("fa"), Layout(tmp_path / "data", "fa"), named_inputs([str(page)]), options=options)


def test_a_root_with_a_zero_byte_is_refused() -> None:
    with pytest.raises(UsageError, match="zero byte"):
        Layout(Path("a\0b"), "fa")
