"""The tensors of a .pth file, of today's torch (a zip) and of torch before 1.6, without unpickling.

`torch.load(weights_only=True)` refuses fastai's own files (the optimizer's memory holds a list type of fastcore's),
and has had holes of its own. So the pickle inside is read by `publish.pickles`, and tensors are cut from the bytes.
"""

import io
import math
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch

from ulmkit.artifacts.atomic import read_regular
from ulmkit.errors import ArtifactError
from ulmkit.publish.pickles import Listed, Name, Names, ordered_dict, read_pickle

MAGIC = 0x1950A86A20F9469CFC6C  # of torch before 1.6
DTYPES = {
    "torch.FloatStorage": torch.float32,
    "torch.HalfStorage": torch.float16,
    "torch.BFloat16Storage": torch.bfloat16,
    "torch.DoubleStorage": torch.float64,
    "torch.LongStorage": torch.int64,
    "torch.IntStorage": torch.int32,
    "torch.BoolStorage": torch.bool,
}


class Storage(NamedTuple):
    """Where numbers lie: an entry of the archive, or a block behind the pickles."""

    dtype: torch.dtype
    key: str
    length: int


class StoredTensor(NamedTuple):
    """A view of a storage, not read yet."""

    storage: Storage
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_: Any) -> StoredTensor:
    numbers = (offset, *size, *stride)
    if not isinstance(storage, Storage) or any(type(n) is not int or n < 0 for n in numbers):
        raise ValueError("a tensor of what are no sizes")
    if len(size) != len(stride) or math.prod(size) > storage.length:
        raise ValueError("a tensor larger than its storage")
    return StoredTensor(storage, offset, tuple(size), tuple(stride))


def _parameter(tensor: Any, *_: Any) -> StoredTensor:
    if not isinstance(tensor, StoredTensor):
        raise ValueError("a parameter of what is no tensor")
    return tensor


def _storage(reference: Any) -> Storage:
    kind, type_, key, _, count = reference[:5]
    if kind != "storage" or not isinstance(type_, Name) or type_.path not in DTYPES:
        raise ValueError("a reference to what is no storage")
    if type(key) is not str or type(count) is not int or count < 0 or any(part is not None for part in reference[5:]):
        raise ValueError("a storage without name or size")
    return Storage(DTYPES[type_.path], key, count)


# all that stands in a state dict or an optimizer's memory as fastai 1 and 2 write them
NAMES: Names = {
    "collections.OrderedDict": ordered_dict,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
    "fastcore.foundation.L": Listed,
    "_codecs.encode": None,
    "numpy.dtype": None,
    "numpy.core.multiarray.scalar": None,
    "numpy._core.multiarray.scalar": None,
    **dict.fromkeys(DTYPES),
}


def read_torch_file(path: Path) -> dict[str, torch.Tensor]:
    """The state dict in `path`, in float32; of `Learner.save`'s file with an optimizer, the model's.

    Raises `ArtifactError` where the file is damaged, holds anything but tensors, or names what tensors do not need.
    """
    content = read_regular(path)
    try:
        return _state_dict(content, path)
    except (
        zipfile.BadZipFile,
        zlib.error,
        struct.error,
        EOFError,
        KeyError,
        ValueError,
        TypeError,
        OverflowError,
        NotImplementedError,
        RuntimeError,
    ) as error:
        raise ArtifactError(f"{path}: not a file of torch's ({' '.join(str(error).split())[:100]}).") from error


def _state_dict(content: bytes, path: Path) -> dict[str, torch.Tensor]:
    value, blocks = _from_zip(content, path) if content[:4] == b"PK\x03\x04" else _from_stream(content, path)
    if isinstance(value, dict) and isinstance(value.get("model"), dict):
        value = value["model"]
    if not isinstance(value, dict) or not value:
        raise ArtifactError(f"{path}: holds no state dict.")
    found = {}
    for name, stored in value.items():
        if type(name) is not str or not isinstance(stored, StoredTensor):
            raise ArtifactError(f"{path}: '{str(name)[:80]}' is no tensor.")
        found[name] = _cut(stored, blocks(stored.storage), f"{path}: {name[:80]}")
    return found


StorageReader = Callable[[Storage], bytes | memoryview]


def _cut(stored: StoredTensor, block: bytes | memoryview, where: str) -> torch.Tensor:
    """The tensor itself, copied."""
    item, empty = stored.storage.dtype.itemsize, 0 in stored.size
    last = stored.offset + sum((n - 1) * step for n, step in zip(stored.size, stored.stride, strict=True))
    if len(block) < stored.storage.length * item or (not empty and last >= stored.storage.length):
        raise ArtifactError(f"{where} reaches beyond its storage. The file is truncated or damaged.")
    if empty:
        return torch.zeros(stored.size)
    flat = torch.frombuffer(bytearray(block), dtype=stored.storage.dtype, count=stored.storage.length)
    return flat.as_strided(stored.size, stored.stride, stored.offset).to(torch.float32, copy=True).contiguous()


def _from_zip(content: bytes, path: Path) -> tuple[Any, StorageReader]:
    """The format since torch 1.6: `<name>/data.pkl` and `<name>/data/<key>`, neither compressed."""
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = {entry.filename: entry for entry in archive.infolist()}

    def entry(name: str) -> bytes:
        info = entries[name]
        if info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size:
            raise ArtifactError(
                f"{path}: '{name[:80]}' is compressed, which torch's files are not. It was not unpacked."
            )
        return archive.read(info)

    pickles = [name for name in entries if name.count("/") == 1 and name.endswith("/data.pkl")]
    if len(pickles) != 1:
        raise ArtifactError(f"{path}: a zip archive without torch's data.pkl.")
    root = pickles[0].removesuffix("data.pkl")
    if f"{root}byteorder" in entries and entry(f"{root}byteorder") != b"little":
        raise ArtifactError(f"{path}: written on a big-endian machine, which is not supported.")
    value = read_pickle(entry(pickles[0]), path, names=NAMES, persistent=_storage)
    return value, lambda storage: entry(f"{root}data/{storage.key}")


def _from_stream(content: bytes, path: Path) -> tuple[Any, StorageReader]:
    """The format before torch 1.6: five pickles (magic, version, machine, value, keys), then each key's block."""
    stream = io.BytesIO(content)
    if read_pickle(stream, path) != MAGIC:
        raise ArtifactError(f"{path}: a pickle, but no file of torch's.")
    _, machine = read_pickle(stream, path), read_pickle(stream, path)
    if not isinstance(machine, dict) or machine.get("little_endian") is not True:
        raise ArtifactError(f"{path}: written on a big-endian machine, which is not supported.")
    used: dict[str, Storage] = {}

    def storage(reference: Any) -> Storage:
        found = _storage(reference)
        return used.setdefault(found.key, found)

    value = read_pickle(stream, path, names=NAMES, persistent=storage)
    blocks: dict[str, memoryview] = {}
    view = memoryview(content)
    for key in read_pickle(stream, path):
        start = stream.tell() + 8
        length = used[key].length * used[key].dtype.itemsize
        if int.from_bytes(view[start - 8 : start], "little") != used[key].length or start + length > len(view):
            raise ArtifactError(f"{path}: storage '{key[:80]}' is truncated.")
        blocks[key] = view[start : start + length]
        stream.seek(start + length)
    return value, lambda storage: blocks[storage.key]
