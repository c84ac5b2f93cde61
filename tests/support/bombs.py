"""Small bodies that become large ones when their coding is undone."""

import base64
import zlib

# 100 MiB of zero bytes in 172 bytes of Brotli (quality 11, window 22)
BROTLI = base64.b85decode(
    b"%m4pB_$L73u|OdA{*V9vfACKL#9<MD?)@MC|Nr2h0Eoi^0NwjP{{R2MKLHSj1pvDDfBgUdgMR`b4hsNu@BjG!{|EmBKpYkT=-&VF"
    b"|NjsE34k~(0MNbv<NyC3{1X6iSOB1V|HuFTKlmpA;;;Zf_x_Ln|9|jL0K{PdfbRVt|NsBsp8$x%0s!6nKmPy!!9M{IhXnw-_ka2S|AT)5APx%vbnkxv"
)


def gzip_bomb(gigabytes: int) -> bytes:
    """gzip of so many gigabytes of zero bytes, about a megabyte each, made of one piece that is repeated."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    packer.compress(bytes(1 << 20))
    packer.flush(zlib.Z_FULL_FLUSH)  # what comes after needs nothing of what was before
    piece = packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
    header = b"\x1f\x8b\x08\0\0\0\0\0\0\x03"
    return header + piece * (gigabytes << 10) + b"\x03\0" + bytes(8)


def zstd_bomb(blocks: int, window_log: int = 17) -> bytes:
    """zstd of so many blocks of 128 KB, each one byte that is repeated, in a window of 2 to the `window_log`."""
    block = ((131_072 << 3) | (1 << 1)).to_bytes(3, "little") + b"a"
    return b"\x28\xb5\x2f\xfd" + bytes([0, (window_log - 10) << 3]) + block * blocks + b"\x01\0\0"
