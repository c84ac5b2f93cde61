"""What Triton's compiler makes of the fused backend's kernels for sm_90, without a GPU: one JSON line a kernel.

In a process of its own, because the tests' has Triton interpret. Without arguments the blocks that are taken where none
is tried; `--all` takes every one of both models' sizes, at batch 128, in all three precisions.
"""

import itertools
import json
import re
import subprocess
import sys
import tempfile
import warnings
from pathlib import Path

import torch
import triton
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource

from ulmkit.lm.kernels import steps
from ulmkit.lm.kernels.blocks import BACKWARD, BACKWARD_FULL, FORWARD, FORWARD_FULL, Tiles, fitting

HOPPER = GPUTarget("cuda", 90, 32)
NAMES = {torch.bfloat16: "bf16", torch.float16: "fp16", torch.float32: "fp32"}
EXACT = {"cells", "gates", "bias", "d_cell", "parts"}
WHOLE = {"t": "i32", "place": "i32", "B": "i32"}


def compiled(kernel: object, dtype: torch.dtype, blocks: Tiles, batch: int, **constants: object) -> dict:
    """Registers, spilled bytes and shared memory of a kernel, and how often it uses a matrix unit."""
    constants |= {"SUM": tl.float32, "EMULATED": False}
    cut = {"ROWS": blocks.rows, "UNITS": blocks.units, "DEPTH": blocks.depth, "SPLIT": blocks.split}
    constants |= {name: value for name, value in cut.items() if name in kernel.arg_names}
    if batch == 1:
        constants["B"] = 1  # as a launch treats it
    signature, attributes = {}, {}
    for place, name in enumerate(kernel.arg_names):
        if name in constants:
            signature[name] = "constexpr"
            continue
        signature[name] = WHOLE.get(name) or f"*{'fp32' if name in EXACT else NAMES[dtype]}"
        if name not in WHOLE or (name == "B" and batch % 16 == 0):
            attributes[place,] = [["tt.divisibility", 16]]
    options = {"num_warps": blocks.warps, "num_stages": blocks.stages, "enable_fp_fusion": True}
    result = triton.compile(ASTSource(kernel, signature, constants, attributes), target=HOPPER, options=options)
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(result.asm["cubin"])
        file.flush()
        tool = Path(triton.__file__).parent / "backends/nvidia/bin/cuobjdump"
        usage = subprocess.run(
            [tool, "--dump-resource-usage", file.name], capture_output=True, text=True, check=True
        ).stdout
    registers, stack = re.search(r"REG:(\d+) STACK:(\d+)", usage).groups()
    return {
        "kernel": kernel.__name__,
        "dtype": NAMES[dtype],
        "H": constants["H"],
        "batch": batch,
        **blocks._asdict(),
        "registers": int(registers),
        "spilled": int(stack),
        "shared": result.metadata.shared,
        "wgmma": result.asm["ptx"].count("wgmma.mma_async"),
        "mma": result.asm["ptx"].count("mma.sync"),
    }


def show(found: dict) -> None:
    sys.stdout.write(json.dumps(found) + "\n")
    sys.stdout.flush()


def main() -> None:
    warnings.simplefilter("error")
    everything = "--all" in sys.argv
    cases = list(itertools.product(NAMES, (1152, 400), (128,)) if everything else SOME)
    seen = set()
    for dtype, H, batch in cases:
        full = dtype == torch.float32
        for kernel, known in (
            (steps.forward_step, FORWARD_FULL if full else FORWARD),
            (steps.backward_step, BACKWARD_FULL if full else BACKWARD),
        ):
            for blocks in list(fitting(known, batch))[: None if everything else 1]:
                more = {"H": H} | ({"KEEP": True} if kernel is steps.forward_step else {})
                used = steps.backward_products if blocks.split > 1 else kernel
                show(compiled(used, dtype, blocks, batch, **more))
        if H not in seen:
            seen.add(H)
            pointwise = Tiles(16, 64, 0, 4, 3, split=4)
            show(compiled(steps.backward_cells, dtype, pointwise, batch, H=H))


SOME = [(torch.bfloat16, 1152, 128), (torch.float16, 400, 128), (torch.float32, 400, 128), (torch.bfloat16, 50, 1)]

if __name__ == "__main__":
    main()
