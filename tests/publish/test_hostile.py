# ruff: noqa: E501 (payloads in a row)
"""Nothing that a file says is run, and nothing damaged or foreign is loaded.

Each payload would leave a file behind if it were run. The number of bits flipped is small here; `make faults` sets
ULMKIT_FLIPS.
"""

import dataclasses
import hashlib
import io
import json
import os
import pickle
import random
import shutil
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import safetensors.torch
import torch
from interchange_data import CONFIG, PIECES, make_home, make_tokenizer

from ulmkit.artifacts.manifest import fingerprint
from ulmkit.artifacts.shards import shard_texts
from ulmkit.artifacts.tokens import DOCUMENT, open_token_file
from ulmkit.errors import UlmkitError
from ulmkit.language.load import load_language
from ulmkit.lm.checkpoint import load_model, read_checkpoint
from ulmkit.lm.config import config_from_json
from ulmkit.publish.export import export_model
from ulmkit.publish.importing import config_of, read_vocabulary
from ulmkit.publish.safetensors import load_exported
from ulmkit.publish.torch_files import read_torch_file
from ulmkit.tokenizer.model import Tokenizer

FLIPS = int(os.environ.get("ULMKIT_FLIPS", "60"))
SEED = int(os.environ.get("ULMKIT_SEED", str(random.SystemRandom().randrange(10**6))))


class Calls:
    """Pickled, it is a call of `function` with `arguments`."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.call = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.call


def system(marker: Path) -> Calls:
    return Calls(os.system, f"touch {marker}")


def text(value: str) -> bytes:
    return b"V" + value.encode() + b"\n"


# the file that each makes says "I was run"; the first part is a pickle by itself
PICKLES: dict[str, Callable[[Path], bytes]] = {
    "os.system": lambda m: pickle.dumps(system(m), 2),
    "builtins.exec, protocol 4": lambda m: pickle.dumps(Calls(exec, f"open({str(m)!r}, 'w').close()"), 4),
    "builtins.eval, protocol 0": lambda m: pickle.dumps(Calls(eval, f"open({str(m)!r}, 'w').close()"), 0),
    "io.open": lambda m: pickle.dumps(Calls(open, str(m), "w"), 2),
    "INST": lambda m: b"(" + text(f"touch {m}") + b"iposix\nsystem\n.",
    "OBJ": lambda m: b"(cposix\nsystem\n" + text(f"touch {m}") + b"o.",
    "NEWOBJ_EX": lambda m: b"\x80\x04csubprocess\nPopen\n((lp0\n" + text("touch") + b"a" + text(str(m)) + b"at}\x92.",
    "an extension code": lambda m: b"\x80\x02\x82\x01(" + text(f"touch {m}") + b"tR.",
    "a dotted name": lambda m: b"\x80\x04\x8c\x05torch\x8c\x17serialization.os.system\x93(" + text(f"touch {m}") + b"tR.",
    "deep in the list": lambda m: pickle.dumps(["xxunk", *(f"▁{n}" for n in range(500)), system(m), "▁"], 2),
    "a key": lambda m: pickle.dumps({system(m): 1}, 2),
    "the state of a list": lambda m: pickle.dumps(["a", Calls(list, state={"items": system(m)})], 2),
    "a name made at the last moment": lambda m: b"\x80\x04(\x8c\x05posixp0\n\x8c\x06systemp1\n1g0\ng1\n\x93(" + text(f"touch {m}") + b"tR.",
}  # fmt: skip


def weights(value: Any, **options: Any) -> bytes:
    out = io.BytesIO()
    torch.save(value, out, **options)
    return out.getvalue()


def legacy(marker: Path, place: int) -> bytes:
    """A file of torch before 1.6 with a payload for one of its five pickles."""
    content = weights({"a": torch.zeros(2)}, _use_new_zipfile_serialization=False)
    stream, parts = io.BytesIO(content), []
    for _ in range(5):
        start = stream.tell()
        for opcode, _, _ in __import__("pickletools").genops(stream):
            if opcode.name == "STOP":
                break
        parts.append(content[start : stream.tell()])
    parts[place] = pickle.dumps(system(marker), 2)
    return b"".join(parts) + content[stream.tell() :]


def zipped(entries: dict[str, bytes], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
    return out.getvalue()


def tarred(content: bytes) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        info = tarfile.TarInfo("pickle")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def hooked(marker: Path) -> bytes:
    """A state dict whose first tensor has a payload for its backward hooks."""
    inner = pickle.dumps(system(marker), 2)[2:-1]
    tensor = b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" + text("0")
    tensor += text("cpu") + b"K\x02tQK\x00K\x02\x85K\x01\x85\x89" + inner + b"tR"
    return zipped({"archive/data.pkl": b"\x80\x02}(" + text("a") + tensor + b"u.", "archive/data/0": bytes(8)})


def lying(size: str) -> bytes:
    """A tensor that claims more than its storage has, or a storage more than the file."""
    tensor = (
        b"ctorch._utils\n_rebuild_tensor_v2\n((" + text("storage") + b"ctorch\nFloatStorage\n" + text("0") + text("cpu")
    )
    numbers = {"tensor": (b"K\x02", b"J\xff\xff\xff\x7f"), "storage": (b"J\xff\xff\xff\x7f", b"J\xff\xff\xff\x7f")}[
        size
    ]
    tensor += numbers[0] + b"tQK\x00" + numbers[1] + b"\x85K\x01\x85\x89}tR"
    return zipped({"archive/data.pkl": b"\x80\x02}(" + text("a") + tensor + b"u.", "archive/data/0": bytes(8)})


TORCH_FILES: dict[str, Callable[[Path], bytes]] = {
    "a state dict that calls": lambda m: weights({"0.encoder.weight": system(m)}),
    "in the optimizer's memory": lambda m: weights({"model": {"a": torch.zeros(2)}, "opt": {"hypers": [system(m)]}}),
    "a whole module": lambda m: weights(torch.nn.Linear(2, 2)),
    "a tensor's hooks": hooked,
    "before 1.6: its magic": lambda m: legacy(m, 0),
    "before 1.6: its machine": lambda m: legacy(m, 2),
    "before 1.6: its tensors": lambda m: legacy(m, 3),
    "before 1.6: its keys": lambda m: legacy(m, 4),
    "a compressed bomb": lambda m: zipped({"a/data.pkl": bytes(1 << 26)}, zipfile.ZIP_DEFLATED),
    "TorchScript": lambda m: zipped(
        {"m/data.pkl": b"\x80\x02c__torch__\nNet\n)\x81.", "m/code/__torch__.py": b"import os"}
    ),
    "a tar of torch 0.1": lambda m: tarred(pickle.dumps(system(m), 2)),
    "a tensor beyond its storage": lambda m: lying("tensor"),
    "a storage beyond the file": lambda m: lying("storage"),
}


def resealed(folder: Path, name: str, content: bytes, **changes: Any) -> None:
    """Put `content` into a checkpoint with every checksum made right again: an attacker can count too."""
    (folder / name).write_bytes(content)
    state = json.loads((folder / "state.json").read_text())
    state.pop("checksum")
    state["files"][name] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
    state |= changes
    (folder / "state.json").write_text(json.dumps(state | {"checksum": fingerprint(state)}))


def in_checkpoint(name: str, make: Callable[[Path], bytes], **changes: Any) -> Callable[[Path, Path], Any]:
    def load(folder: Path, marker: Path) -> Any:
        home = make_home(folder)
        resealed(home.run / "last", name, make(marker), **changes)
        read_checkpoint(home.run / "last", training=True)
        return load_model(home.run, "last")

    return load


def in_documents(make: Callable[[Path], bytes]) -> Callable[[Path, Path], Any]:
    """A token file whose .docs.npy is what `make` gives."""

    def load(folder: Path, marker: Path) -> Any:
        entry = {"dtype": "<u2", "tokens": 4}
        about = {
            "splits": {"train": entry},
            "vocabulary": 9,
            "bos": 2,
            "tokenizer": "t",
            "language": "xx",
            "sources": [],
        }
        (folder / "manifest.json").write_text(json.dumps(about))
        (folder / "train.bin").write_bytes(bytes(8))
        (folder / "train.docs.npy").write_bytes(make(marker))
        return open_token_file(folder, "train")

    return load


def npy(array: np.ndarray) -> bytes:
    out = io.BytesIO()
    np.save(out, array, allow_pickle=True)
    return out.getvalue()


def npy_header(header: str) -> bytes:
    line = header.encode() + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(line)) + line


def in_tokenizer(name: str, make: Callable[[Path], bytes]) -> Callable[[Path, Path], Any]:
    def load(folder: Path, marker: Path) -> Any:
        make_tokenizer(folder)
        (folder / name).write_bytes(make(marker))
        if name != "manifest.json":
            manifest = json.loads((folder / "manifest.json").read_text())
            manifest["files"][name]["sha256"] = hashlib.sha256((folder / name).read_bytes()).hexdigest()
            (folder / "manifest.json").write_text(json.dumps(manifest))
        return Tokenizer.load(folder)

    return load


def in_shard(folder: Path, marker: Path) -> Any:
    """Arrow's own Python type: older readers unpickled what stands in a schema's metadata."""
    about = {
        "ARROW:extension:name": "arrow.py_extension_type",
        "ARROW:extension:metadata": pickle.dumps(system(marker)),
    }
    schema = pa.schema([pa.field("text", pa.int64(), metadata=about)])
    pq.write_table(pa.table([pa.array([1])], schema=schema), folder / "part-00000.parquet")
    texts = list(shard_texts([folder / "part-00000.parquet"]))
    if not all(isinstance(value, str) for value in texts):
        raise UlmkitError(f"{folder}: no texts.")


def in_bytecode(folder: Path, marker: Path) -> Any:
    """A rules.py that does nothing, beside a .pyc that claims to be it and says it need not be compared."""
    import importlib.util

    home = folder / "xx"
    shutil.copytree(Path(load_language.__code__.co_filename).parents[2] / "languages" / "fa", home)
    rules = home / "rules.py"
    code = compile(rules.read_text() + f"\nopen({str(marker)!r}, 'w')\n", str(rules), "exec")
    cached = Path(importlib.util.cache_from_source(str(rules)))
    cached.parent.mkdir(exist_ok=True)
    # an unchecked hash: Python would run it whatever the source says
    cached.write_bytes(
        importlib.util.MAGIC_NUMBER + struct.pack("<I", 1) + bytes(8) + __import__("marshal").dumps(code)
    )
    home = home.rename(folder / "fa")
    load_language(home).normalize("سلام")
    raise UlmkitError("loaded from its source")


def in_exported(folder: Path, marker: Path) -> Any:
    home = make_home(folder)
    out = folder / "out"
    export_model(home.run, home.tokenizer, out, format="safetensors")
    content = weights({"embedding": system(marker)})
    (out / "model.safetensors").write_bytes(content)
    state = json.loads((out / "config.json").read_text())
    state.pop("checksum")
    state["files"]["model.safetensors"] = hashlib.sha256(content).hexdigest()
    (out / "config.json").write_text(json.dumps(state | {"checksum": fingerprint(state)}))
    return load_exported(out)


def saved_by_learner(folder: Path, marker: Path) -> Any:
    """`Learner.load` of a file whose metadata is an expression, and of a pickle."""
    from lm_data import patterned

    from ulmkit.learner.learner import learner

    learn = learner(patterned(20), patterned(5), dataclasses.replace(CONFIG, batch_size=2), folder=folder, device="cpu")
    path = learn.save("a")
    tensors = safetensors.torch.load_file(path)
    path.write_bytes(safetensors.torch.save(tensors, {"hypers": f"__import__('os').system('touch {marker}')"}))
    return learn.load("a")


def device_for(load: Callable[[Path], Any]) -> Callable[[Path, Path], Any]:
    """A link to a file that never ends."""

    def read(folder: Path, marker: Path) -> Any:
        (folder / "a.pth").symlink_to("/dev/zero")
        return load(folder / "a.pth")

    return read


def settings(values: dict[str, Any]) -> Callable[[Path, Path], Any]:
    def read(folder: Path, marker: Path) -> Any:
        written = json.dumps(values).replace("MARKER", str(marker))
        (folder / "config.json").write_text(written)
        return config_of({"embedding_size": 6, "layers": 2}, folder / "config.json")

    return read


def from_file(read: Callable[[Path], Any], make: Callable[[Path], bytes], name: str) -> Callable[[Path, Path], Any]:
    def load(folder: Path, marker: Path) -> Any:
        (folder / name).write_bytes(make(marker))
        return read(folder / name)

    return load


EXPRESSION = "__import__('os').system('touch MARKER')"
OBJECTS: Callable[[Path], bytes] = lambda m: npy(np.array([system(m)], object))  # noqa: E731

# where it lies → what tries to load it, given a folder and the file that must not appear
PAYLOADS: dict[str, Callable[[Path, Path], Any]] = {
    **{f"vocabulary: {name}": from_file(read_vocabulary, make, "itos.pkl") for name, make in PICKLES.items()},
    **{f"weights: {name}": from_file(read_torch_file, make, "fwd.pth") for name, make in TORCH_FILES.items()},
    "weights: a bare pickle": from_file(read_torch_file, PICKLES["os.system"], "fwd.pth"),
    "weights: a link to a device": device_for(read_torch_file),
    "vocabulary: a link to a device": device_for(read_vocabulary),
    "vocabulary: a cache that names itself": from_file(read_vocabulary, lambda m: b"]q\x00h\x00a.", "itos.pkl"),
    "vocabulary: JSON that nests for ever": from_file(read_vocabulary, lambda m: b"[" * 10**6, "itos.json"),
    "settings: an expression": settings({"weight_p": EXPRESSION}),
    "settings: a Python object": settings({"output_p": {"py/object": "os.system", "args": ["touch MARKER"]}}),
    "checkpoint: a pickle for the weights": in_checkpoint("model.safetensors", lambda m: weights({"a": system(m)})),
    "checkpoint: a pickle for the optimizer": in_checkpoint("optimizer.safetensors", PICKLES["os.system"]),
    "checkpoint: a header of an exabyte": in_checkpoint("model.safetensors", lambda m: struct.pack("<Q", 1 << 60) + b"{}"),
    "checkpoint: a header that claims all memory": in_checkpoint(
        "model.safetensors",
        lambda m: struct.pack("<Q", 70) + b'{"embedding":{"dtype":"F32","shape":[1000000000],"data_offsets":[0,9]}}'[:70],
    ),
    "checkpoint: an expression for a config": in_checkpoint(
        "optimizer.safetensors", lambda m: safetensors.torch.save({}), config={"backend": EXPRESSION}
    ),
    "checkpoint: a billion layers": in_checkpoint(
        "optimizer.safetensors", lambda m: safetensors.torch.save({}), config=CONFIG.to_json() | {"layers": 10**9}
    ),
    "checkpoint: an identity of other things": in_checkpoint(
        "optimizer.safetensors", lambda m: safetensors.torch.save({}), identity={"__class__": EXPRESSION}
    ),
    "learner: an expression in the metadata": saved_by_learner,
    "export: a pickle for the weights": in_exported,
    "token file: an array of objects": in_documents(OBJECTS),
    "token file: a header that is an expression": in_documents(
        lambda m: npy_header(f"{{'descr': {EXPRESSION.replace('MARKER', str(m))}, 'shape': (1,), 'fortran_order': False}}")
    ),
    "token file: a header of a terabyte": in_documents(
        lambda m: npy_header(repr({"descr": DOCUMENT.descr, "shape": (10**11,), "fortran_order": False}))
    ),
    "token file: an archive of arrays": in_documents(lambda m: zipped({"a.npy": OBJECTS(m)})),
    "token file: a bare pickle": in_documents(PICKLES["os.system"]),
    "tokenizer: a pickle for the model": in_tokenizer("spm.model", PICKLES["os.system"]),
    "tokenizer: a manifest that nests for ever": in_tokenizer("manifest.json", lambda m: b'{"a":' * 10**6),
    "shard: a type that is a pickle": in_shard,
    "language: bytecode for a rules.py": in_bytecode,
}  # fmt: skip


def test_there_are_at_least_forty_payloads() -> None:
    assert len(PAYLOADS) >= 40


@pytest.mark.parametrize("where", PAYLOADS)
def test_a_payload_is_refused_in_a_line_and_not_run(where: str, tmp_path: Path) -> None:
    marker, folder = tmp_path / "i-was-run", tmp_path / "here"
    folder.mkdir()
    with pytest.raises(UlmkitError) as refused:
        PAYLOADS[where](folder, marker)
    assert "\n" not in str(refused.value)
    assert not marker.exists()


@pytest.mark.parametrize("name", ["os.system", "builtins.exec, protocol 4", "builtins.eval, protocol 0", "INST", "OBJ"])
def test_the_payloads_are_alive(name: str, tmp_path: Path) -> None:
    """Python's own unpickler runs them, so that the refusals mean something."""
    pickle.loads(PICKLES[name](tmp_path / "i-was-run"))  # noqa: S301
    assert (tmp_path / "i-was-run").exists()


def test_a_flipped_bit_in_a_checkpoint_is_found(tmp_path: Path) -> None:
    """In weights, optimizer or state: refused, or (an `E` for an `e` in a number) equal to what was saved."""
    home, chance, harmless = make_home(tmp_path), random.Random(SEED), 0
    folder = home.run / "last"
    before = read_checkpoint(folder, training=True)
    sizes = {path: path.stat().st_size for path in sorted(folder.iterdir())}
    for number in range(FLIPS):
        path = chance.choice(sorted(sizes))
        place, bit = chance.randrange(sizes[path]), 1 << chance.randrange(8)
        content = path.read_bytes()
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            found = read_checkpoint(folder, training=True)
            assert path.suffix == ".json", f"seed {SEED}, flip {number}"
            assert found.state == before.state, f"seed {SEED}, flip {number}"
            harmless += 1
        except UlmkitError:
            pass
        path.write_bytes(content)
    assert harmless <= FLIPS // 20


def test_a_flipped_bit_in_a_published_file_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """A zip's tensors have checksums; what is no part of one of them may change without a change in what is read."""
    chance, path = random.Random(SEED), tmp_path / "fwd.pth"
    torch.save({"a": torch.rand(40, 50), "b": torch.rand(70)}, path)
    content, expected = path.read_bytes(), read_torch_file(path)
    for number in range(FLIPS):
        place, bit = chance.randrange(len(content)), 1 << chance.randrange(8)
        path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            found = read_torch_file(path)
        except UlmkitError:
            continue
        assert found.keys() == expected.keys(), f"seed {SEED}, flip {number}"
        assert all(torch.equal(found[name], expected[name]) for name in expected), f"seed {SEED}, flip {number}"


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
def test_a_truncated_checkpoint_is_refused_at_every_length(name: str, tmp_path: Path) -> None:
    path = make_home(tmp_path).run / "last" / name
    content = path.read_bytes()
    # the last byte of state.json is a newline
    for length in sorted({0, 1, 7, 8, len(content) // 3, len(content) // 2, len(content) - 2}):
        path.write_bytes(content[:length])
        with pytest.raises(UlmkitError, match=str(path)):
            read_checkpoint(path.parent, training=True)


# what the state says instead → what the refusal names
MISMATCHES: dict[str, tuple[dict[str, Any], str]] = {
    "format": ({"format": 99}, "checkpoint format 99, this version reads 1"),
    "vocabulary": ({"identity": {"vocabulary": 31}}, "vocabulary is 30 in the weights and 31 in the settings"),
    "embedding_size": ({"config": {"embedding_size": 9}}, "embedding_size is 8 in the weights and 9"),
    "hidden_size": ({"config": {"hidden_size": 13}}, "hidden_size is 12 in the weights and 13"),
    "layers": ({"config": {"layers": 2}}, "layers is 3 in the weights and 2"),
    "an unknown setting": (
        {"config": {"embeding_size": 8}},
        "no setting 'embeding_size'. Did you mean 'embedding_size'",
    ),
    "a setting of another type": ({"config": {"layers": "3"}}, "layers is '3', which is not its type"),
    "a backend of another version": ({"config": {"backend": "magic"}}, "backend is magic"),
    "no tokenizer": ({"identity": {"tokenizer": None}}, "tokenizer of the identity is 'None'"),
    "no weights": ({"files": {"other": "0"}}, "names no model.safetensors"),
}


@pytest.mark.parametrize("field", MISMATCHES)
def test_a_foreign_checkpoint_is_refused_with_what_differs(field: str, tmp_path: Path) -> None:
    changes, message = MISMATCHES[field]
    folder = make_home(tmp_path).run / "best"
    state = json.loads((folder / "state.json").read_text())
    state.pop("checksum")
    for name, value in changes.items():
        nested = isinstance(value, dict) and name != "files"
        state[name] = state[name] | value if nested else value
    (folder / "state.json").write_text(json.dumps(state | {"checksum": fingerprint(state)}))
    with pytest.raises(UlmkitError) as refused:
        load_model(folder.parent)
    assert message in str(refused.value)


def test_a_config_takes_no_other_types() -> None:
    for value in (EXPRESSION, [1], {"py/object": "os.system"}, None, True):
        with pytest.raises(UlmkitError):
            config_from_json({"hidden_size": value})


def test_an_honest_vocabulary_is_read(tmp_path: Path) -> None:
    """All protocols; a list, fastcore's list, and a dictionary of ids."""
    from fastcore.foundation import L

    for value in (PIECES, tuple(PIECES), L(PIECES), {piece: n for n, piece in enumerate(PIECES)}):
        for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
            (tmp_path / "itos.pkl").write_bytes(pickle.dumps(value, protocol))
            assert read_vocabulary(tmp_path / "itos.pkl") == PIECES
