"""Whatever the system refuses, wherever it is met, is one line that says where, why and what next."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from at_prompt import run

import ulmkit
from ulmkit.artifacts.atomic import atomic_write, lock
from ulmkit.errors import ArtifactError, UlmkitError
from ulmkit.language.places import bundled

# commands that take a root, with what else they need; `find-lr` and `doctor`, which take long to begin, are left out
COMMANDS = (
    ("corpus", "build", "fa", "--input", "{samples}", "--workers", "0"),
    ("tokenizer", "train", "fa"),
    ("tokenizer", "encode", "fa", "--corpus"),
    ("tokenizer", "encode", "fa"),
    ("tokenizer", "decode", "fa"),
    ("tokenizer", "evaluate", "fa"),
    ("tokenizer", "words", "words", "--train", "{text}", "--valid", "{text}", "--test", "{text}"),
    ("lm", "pretrain", "fa"),
    ("lm", "evaluate", "fa"),
    ("lm", "generate", "fa"),
    ("lm", "export", "fa"),
    ("lm", "import", "fa", "{text}", "--vocab", "{text}"),
    ("verify", "fa"),
)


def dangling(place: Path) -> Path:
    (place / "dangling").symlink_to(place / "nowhere" / "deep")
    return place / "dangling"


def looping(place: Path) -> Path:
    (place / "loop").symlink_to(place / "loop")
    return place / "loop"


def file(place: Path) -> Path:
    (place / "file").touch()
    return place / "file"


def pipe(place: Path) -> Path:
    os.mkfifo(place / "pipe")
    return place / "pipe"


ROOTS = {
    "a device": lambda place: Path("/dev/null"),
    "below a device": lambda place: Path("/dev/null/x"),
    "a file": file,
    "below a file": lambda place: file(place) / "x",
    "below /proc": lambda place: Path("/proc/x"),
    "a name too long": lambda place: place / ("n" * 300),
    "a path too long": lambda place: place.joinpath(*["n" * 200] * 30),
    "a link to itself": looping,
    "below a link to itself": lambda place: looping(place) / "x",
    "a link to nowhere": dangling,
    "a pipe": pipe,
}


def refused(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line that was said."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("Error: ")
    assert "Nobody foresaw" not in lines[0]
    return lines[0]


@pytest.mark.parametrize("kind", ROOTS)
def test_a_root_where_nothing_can_lie_is_one_line_in_every_command(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    root = ROOTS[kind](tmp_path)
    text = tmp_path / "text.txt"
    text.write_text("a b c\n")
    for command in COMMANDS:
        words = [word.format(samples=bundled() / "fa" / "samples", text=text) for word in command]
        assert run(*words, "--root", root, "-q") in (1, 2), words
        assert refused(capsys), words
    monkeypatch.setenv("ULMKIT_ROOT", str(root))
    assert run("verify", "fa") in (1, 2)
    assert refused(capsys)


def test_an_empty_path_is_not_the_working_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    samples = str(bundled() / "fa" / "samples")
    for words in (
        ["verify", "fa", "--root", ""],
        ["corpus", "build", "fa", "--input", samples, "--root", ""],
        ["corpus", "build", "fa", "--input", ""],
        ["lm", "export", "fa", "--out", ""],
    ):
        assert run(*words, "-q") == 2, words
        assert "an empty path names no place" in refused(capsys), words
    assert not list(tmp_path.iterdir())


def test_a_name_of_5000_characters_leaves_room_for_what_next(capsys: pytest.CaptureFixture[str], tmp_path: Path):
    assert run("corpus", "build", "fa", "--input", "x" * 5000, "--root", tmp_path, "-q") in (1, 2)
    line = refused(capsys)
    assert len(line) < 400
    assert "Give a" in line


def test_the_prompt_is_told_of_options_where_a_notebook_is_told_of_arguments(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    assert run("corpus", "build", "fa", "--input", tmp_path / "nowhere", "--root", tmp_path, "-q") == 2
    assert "--input" in refused(capsys)
    with pytest.raises(ulmkit.UsageError, match=r"^inputs .*nowhere"):
        ulmkit.build(ulmkit.load("fa"), tmp_path / "nowhere", root=tmp_path)


def bound(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))


# what stands in the place of a lock
LOCKS = {
    "a pipe": os.mkfifo,
    "a folder": Path.mkdir,
    "a link to nowhere": lambda path: path.symlink_to("nowhere"),
    "a link to itself": lambda path: path.symlink_to(path),
    "a link to a device": lambda path: path.symlink_to("/dev/null"),
    "a socket": bound,
}


@pytest.mark.parametrize("kind", LOCKS)
def test_what_is_no_lock_is_refused_and_not_waited_for(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)  # the path of a socket is short
    LOCKS[kind](Path(".lock"))
    with pytest.raises(ArtifactError, match=r"\.lock: .*Remove it"), lock(Path(), "a build"):
        pass


def test_a_fault_inside_a_lock_is_told_of_its_own_file(tmp_path: Path):
    with pytest.raises(FileNotFoundError), lock(tmp_path, "a build"):
        (tmp_path / "nowhere").read_bytes()
    with pytest.raises(ArtifactError, match="nowhere: cannot be used"), atomic_write(tmp_path / "a"):
        (tmp_path / "nowhere").read_bytes()


def no_rights(*_: object, **__: object) -> None:
    raise PermissionError(13, "Permission denied", "/owned/by/others")


@pytest.mark.parametrize(
    "words",
    [
        ("corpus", "build", "fa", "--input", bundled() / "fa" / "samples", "--workers", "0", "--root", "{}/root"),
        ("language", "new", "sw", "--into", "{}/languages"),
        ("language", "ledger", "fa", "--input", bundled() / "fa" / "samples", "--no-ablate", "--out", "{}/ledger"),
    ],
    ids=lambda words: words[1],
)
def test_a_folder_of_somebody_else_is_one_line(
    words: tuple[object, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(os, "mkdir", no_rights)
    assert run(*(str(word).format(tmp_path) for word in words), "-q") == 1
    line = refused(capsys)
    assert "/owned/by/others" in line
    assert "Permission denied" in line


OUTPUTS = {
    "language new": ("language", "new", "sw", "--into", "{}"),
    "language ledger": (
        "language",
        "ledger",
        "fa",
        "--input",
        "{samples}",
        "--no-ablate",
        "--sample",
        "2",
        "--out",
        "{}",
    ),
}


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_that_cannot_be_are_one_line(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    for kind, make in ROOTS.items():
        place = tmp_path / kind.replace(" ", "").replace("/", "")
        place.mkdir()
        out = make(place)
        words = [word.format(out, samples=bundled() / "fa" / "samples") for word in OUTPUTS[name]]
        assert run(*words, "-q") in (1, 2), kind
        assert refused(capsys), kind


def test_an_end_of_file_nobody_foresaw_is_no_interruption(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
):
    def torn(*_: object) -> None:
        raise EOFError("No data left in file")

    monkeypatch.setattr("ulmkit.workflow.verify.verify_stages", torn)
    assert run("verify", "fa") == 1
    line = capsys.readouterr().err.strip()
    assert line.count("\n") == 0
    assert line.startswith("Error: EOFError at ")
    assert "Interrupted" not in line
    monkeypatch.setenv("ULMKIT_TRACEBACK", "1")
    assert run("verify", "fa") == 1
    assert "Traceback (most recent call last)" in capsys.readouterr().err


def shell(script: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What a shell makes of `script`, in which `$U` is the program."""
    env = os.environ | {"U": f"{sys.executable} -m ulmkit"} | variables
    return subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=env, timeout=120)


# script, exit status, what its only line of error says
STREAMS = [
    ("echo a | $U normalize fa >&-", 1, "standard output: cannot be written (Bad file descriptor)"),
    ("echo a | $U normalize fa >/dev/full", 1, "standard output: no space left"),
    ("$U language list --json >/dev/full", 1, "standard output: no space left"),
    ("$U normalize fa <&-", 1, "standard input: cannot be read (Bad file descriptor)"),
    ("$U language list 2>&- | grep -c fa", 0, ""),
    ("yes | $U normalize fa | head -1; exit ${PIPESTATUS[1]}", 0, ""),
    ("$U language show nothing 2>&-", 2, ""),
    ("$U language show nothing 2>/dev/full", 2, ""),
    ("d=$(mktemp -d); cd $d; rmdir $d; $U verify fa", 1, "data/fa"),
    ("unset HOME; $U corpus build fa --input '~nobody/x'", 2, "no such file"),
    ("unset HOME; $U language show fa --languages '~nobody'", 2, "does not exist"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("script", "status", "says"), STREAMS, ids=[script for script, _, _ in STREAMS])
def test_streams_that_are_closed_or_full(script: str, status: int, says: str):
    done = shell(script)
    assert done.returncode == status, done
    lines = done.stderr.splitlines()
    assert len(lines) == bool(says), done
    assert says in done.stderr


def test_a_stream_that_was_closed_is_nobody_else_s(tmp_path: Path):
    """The first file that is opened would else get the number of standard output, and all that is printed there."""
    (tmp_path / "code.py").write_text(
        "from ulmkit.cli.streams import open_closed_streams; import os, sys\n"
        "open_closed_streams()\n"
        "file = open(sys.argv[1], 'w'); assert file.fileno() > 2\n"
    )
    done = shell(f"$P {tmp_path}/code.py {tmp_path}/out >&- 2>&- <&-", P=sys.executable)
    assert done.returncode == 0


def full_disk(_: list[object]) -> Iterator[object]:
    raise OSError(28, "No space left on device", "/full/unit.parquet")


def setup_of_full_disk():
    return full_disk


def no_processes(*_: object) -> None:
    raise BlockingIOError(11, "Resource temporarily unavailable")


@pytest.mark.slow
def test_a_worker_s_full_disk_is_the_same_line_and_no_document_s_fault():
    from ulmkit.work.pool import Pool

    with Pool(setup_of_full_disk, workers=1) as pool, pytest.raises(UlmkitError, match=r"unit\.parquet: no space"):
        list(pool.map([[1]]))


def test_no_room_for_a_worker_is_one_line(monkeypatch: pytest.MonkeyPatch):
    from ulmkit.work.pool import Pool

    with Pool(setup_of_full_disk, workers=1) as pool:
        monkeypatch.setattr(pool.context.Process, "start", no_processes)
        with pytest.raises(UlmkitError, match=r"a worker process: cannot be started .*fewer --workers"):
            list(pool.map([[1]]))
