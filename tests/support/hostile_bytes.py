"""What a file can be that nobody expects: tables, JSON, safetensors, pickles and folders, broken by chance."""

import gzip
import hashlib
import io
import json
import lzma
import os
import pickle
import random
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy

from ulmkit.artifacts.manifest import with_checksum

# numbers, words and marks that a label or a cell should not be
ODD_CELLS = ["", " ", "nan", "inf", "-0", "1e400", "٣", "a,b", "a;b", "hea ", "HEA", "\x00", "\ufeffhea", "x" * 99,
             "=cmd()", "\x1b[31m", "hea\nhalb", "../../x", "\ud800", "𐍈", "null", "True", "1_0", '"', "'",
             "\u202ehea", "\r", "hea|halb", "<script>", "9" * 400, "a" * 200_000]  # fmt: skip
ODD_VALUES: list[Any] = [None, True, -1, 0, 1e308, 10**400, float("nan"), float("inf"), "x", "", [], {}, [[]], "\ud800",
                         ["a"] * 3, {"a": {}}, -(10**20), 2**63, "9" * 5_000]  # fmt: skip
ENCODINGS = ["utf-8-sig", "utf-16", "utf-16-be", "utf-32", "cp1257", "cp037", "shift_jis", "utf-7", "latin-1"]
PACKERS = [(gzip.compress, ".gz"), (lzma.compress, ".xz")]
SIZES = [0, 2**63, 2**40, 2**64 - 1, 100_000_000, 8]  # of which a header may lie


class Payload:
    """What runs where a pickle of it is read: it leaves a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.mark,)


def pickled(rng: random.Random, mark: Path) -> bytes:
    """A pickle that leaves the file `mark` where it is read: bare, in numpy's file or in torch's."""
    kind = rng.randrange(3)
    if kind == 0:
        return pickle.dumps(Payload(mark), protocol=rng.randrange(5))
    out = io.BytesIO()
    if kind == 1:
        np.save(out, np.array([Payload(mark)], object), allow_pickle=True)
    else:
        import torch

        torch.save({"weights": Payload(mark)}, out)
    return out.getvalue()


def broken_bytes(rng: random.Random, data: bytes) -> bytes:
    """`data` with bits turned, a part cut off, taken out, put in or twice, or nothing of it."""
    content = bytearray(data)
    kind = rng.randrange(7)
    at = rng.randrange(len(content) or 1)
    if kind == 0:
        for _ in range(rng.choice([1, 1, 2, 10, 100]) if content else 0):
            content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del content[at:]
    elif kind == 2:
        del content[at : at + rng.randint(1, 50)]
    elif kind == 3:
        content[at:at] = rng.randbytes(rng.randint(1, 50))
    elif kind == 4:
        content[at:at] = content[:at]
    elif kind == 5:
        content[at : at + 8] = struct.pack("<Q", rng.choice(SIZES))
    else:
        content = bytearray(rng.randbytes(rng.choice([0, 1, 8, 500])))
    return bytes(content)


def broken_json(rng: random.Random, value: Any) -> Any:
    """JSON with one odd value in the place of another, or a key less."""
    if isinstance(value, dict) and value and rng.random() < 0.85:
        key = rng.choice(list(value))
        if rng.random() < 0.1:
            return {k: v for k, v in value.items() if k != key}
        return {**value, key: broken_json(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.6:
        n = rng.randrange(len(value))
        return [*value[:n], broken_json(rng, value[n]), *value[n + 1 :]]
    return rng.choice(ODD_VALUES)


def lying_header(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file whose header says something else than it holds, or how long it is."""
    size = struct.unpack("<Q", data[:8])[0]
    text = json.dumps(broken_json(rng, json.loads(data[8 : 8 + size]))).encode()
    said = rng.choice([len(text), len(text), len(text), *SIZES])
    return struct.pack("<Q", said) + text + data[8 + size :]


def odd_tensors(rng: random.Random, data: bytes) -> bytes:
    """A safetensors file with one tensor that is not as it was, or a header that lies."""
    if rng.random() < 0.4:
        return lying_header(rng, data)
    tensors = safetensors.numpy.load(data)
    name = rng.choice(list(tensors))
    value = tensors[name]
    if rng.random() < 0.1:
        del tensors[name]
        return safetensors.numpy.save(tensors)
    real = value.dtype.kind == "f"
    other = rng.choice([np.float64, np.int8, np.uint64, np.float32, np.bool_, np.float16])
    changes: list[Callable[[], Any]] = [
        lambda: value[: len(value) // 2] if value.ndim else value,
        lambda: value.astype(other),
        lambda: np.full_like(value, np.nan) if real else value[::-1],
        lambda: np.full_like(value, np.inf) if real else np.zeros_like(value),
        lambda: np.full_like(value, np.finfo(value.dtype).max) if real else value + value.dtype.type(1),
        lambda: value.reshape(-1),
        lambda: value[None],
        lambda: np.empty((0, *value.shape[1:]), value.dtype),
        lambda: np.zeros((), value.dtype),
    ]
    with np.errstate(all="ignore"):
        tensors[name] = np.ascontiguousarray(rng.choice(changes)())
    return safetensors.numpy.save(tensors)


def damage_folder(rng: random.Random, folder: Path, mark: Path, others: Sequence[Path]) -> str:
    """Damage one file of `folder`; what was done. A payload touches `mark`, a link points to one of `others`."""
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    tensors = [path for path in files if path.suffix == ".safetensors"]
    path = rng.choice(files)
    kinds = ["bytes", "bytes", "json", "json", "json", "tensors", "tensors", "payload", "deep", "link", "gone", "pipe",
             "folder", "another"]  # fmt: skip
    kind = rng.choice(kinds)
    if kind == "json":
        path = rng.choice([path for path in files if path.suffix == ".json"])
        content = broken_json(rng, json.loads(path.read_bytes()))
        content = with_checksum(content) if isinstance(content, dict) and "checksum" in content else content
        path.write_text(json.dumps(content), encoding="utf-8", errors="surrogatepass")
    elif kind == "tensors" and tensors:
        path = rng.choice(tensors)
        path.write_bytes(odd_tensors(rng, path.read_bytes()))
    elif kind in ("bytes", "tensors"):
        path.write_bytes(broken_bytes(rng, path.read_bytes()))
    elif kind == "payload":
        path.write_bytes(pickled(rng, mark))
    elif kind == "deep":
        path.write_bytes(b"[" * 200_000 if rng.random() < 0.5 else b'{"a":' * 100_000)
    elif kind == "another":
        path.write_bytes(rng.choice([each for each in files if each.suffix == path.suffix]).read_bytes())
    else:
        path.unlink()
        if kind == "link":
            path.symlink_to(rng.choice([*others, path, folder, Path("/dev/zero")]))
        elif kind == "pipe":
            os.mkfifo(path)
        elif kind == "folder":
            path.mkdir()
    return f"{kind} {path.name}"


def seal_again(folder: Path) -> None:
    """Make every manifest, and every checkpoint's state, name its files as they are: who means harm does that, too."""
    for path in sorted(folder.rglob("*.json"), key=lambda path: -len(path.parts)):  # of inner folders first
        if path.name not in ("state.json", "manifest.json") or not path.is_file():
            continue
        try:
            content = json.loads(path.read_bytes())
            files = content["files"]
            for name in files:
                data = (path.parent / name).read_bytes() if (path.parent / name).is_file() else b""
                sha = hashlib.sha256(data).hexdigest()
                files[name] = {"bytes": len(data), "sha256": sha} if isinstance(files[name], dict) else sha
            path.write_text(json.dumps(with_checksum(content) if "checksum" in content else content))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # no manifest any more


def hostile_table(rng: random.Random, rows: list[tuple[str, str]], mark: Path) -> tuple[str, bytes, bool]:
    """A table of texts and labels: its name, its bytes, and whether it is `rows` as anybody would write them."""
    kind = rng.choice(["csv", "csv", "tsv", "jsonl", "jsonl", "parquet", "payload"])
    if kind == "payload":
        return rng.choice(["t.csv", "t.pkl", "t.parquet", "t.npy", "t.jsonl"]), pickled(rng, mark), False
    odd = rng.choice([0, 0, 0, 0, 1, 2, 5])
    rows = list(rows)
    for _ in range(odd):
        cell, text = rng.choice(ODD_CELLS), rng.random() < 0.5
        for _ in range(rng.choice([1, 2, 3])):  # a label of one row alone goes no further
            n = rng.randrange(len(rows))
            rows[n] = (cell, rows[n][1]) if text else (rows[n][0], cell)
    written = {"parquet": _parquet, "jsonl": _json_lines}.get(kind, _separated)
    data, plain = written(rng, rows, kind)
    plain = plain and not odd
    if rng.random() < 0.35:
        data, plain = broken_bytes(rng, data), False
    name = f"t.{kind}"
    if rng.random() < 0.25:
        pack, ending = rng.choice(PACKERS)
        ending = rng.choice([ending, ending, ending, ".bz2", ".zst", ""])
        data, name = pack(data), name + ending
        if rng.random() < 0.4:
            data, plain = broken_bytes(rng, data), False
    return name, data, plain


def _parquet(rng: random.Random, rows: list[tuple[str, str]], _: str) -> tuple[bytes, bool]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    texts, given = ([cell.encode("utf-8", "replace").decode() for cell in column] for column in zip(*rows, strict=True))
    odd = rng.randrange(9)
    labels: Any = given
    if odd == 0:
        labels = [[label] for label in given]
    elif odd == 1:
        labels = [n % 2 / 0.5 for n in range(len(rows))]
    elif odd == 2:
        labels = pa.array(given).dictionary_encode()
    elif odd == 3:
        labels = [None if rng.random() < 0.1 else label for label in given]
    out = io.BytesIO()
    table = pa.table({"text": texts, "label": labels})
    pq.write_table(table, out, compression=rng.choice(["snappy", "zstd", "none", "gzip"]))
    return out.getvalue(), odd == 2 or odd > 3


def _json_lines(rng: random.Random, rows: list[tuple[str, str]], _: str) -> tuple[bytes, bool]:
    odd = rng.random() < 0.3
    lines, plain = [], True
    for text, label in rows:
        row: dict[str, Any] = {"text": text, "label": label}
        if odd and rng.random() < 0.05:
            row[rng.choice(["text", "label"])] = rng.choice(ODD_VALUES)
            plain = False
        lines.append(json.dumps(row, ensure_ascii=rng.random() < 0.5))
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogatepass"), plain


def _separated(rng: random.Random, rows: list[tuple[str, str]], kind: str) -> tuple[bytes, bool]:
    mark = "\t" if kind == "tsv" else rng.choice([",", ",", ";", "|"])
    heads = [f"text{mark}label"] * 5 + [f"label{mark}text", "", f"text{mark}text", mark, f"label{mark}text{mark}x"]
    head = rng.choice(heads)
    quote, end = rng.choice(['"', '"', '"', ""]), rng.choice(["\n", "\n", "\n", "\r\n", "\r"])
    escaped = [[cell.replace('"', '""') if quote else cell for cell in row] for row in rows]
    body = "".join(f"{quote}{text}{quote}{mark}{quote}{label}{quote}{end}" for text, label in escaped)
    encoding = "utf-8" if rng.random() < 0.7 else rng.choice(ENCODINGS)
    lone = "surrogatepass" if encoding.startswith("utf") and encoding != "utf-7" else "replace"
    plain = head == heads[0] and end != "\r" and encoding in ("utf-8", "utf-8-sig", "utf-16")
    return (head + end * bool(head) + body).encode(encoding, lone), plain
