"""One step in time of an LSTM layer as one GPU kernel: the recurrent product, with the cell computed where it ends.

A program owns some rows of the batch and some hidden units, all four gates of them. So what it has added up is all that
these units' cells need, and a step is one launch that writes nothing but what the next step and the backward pass read.
Products are taken in the dtype of the weights (float32 ones in full, not as TF32) and added up in `SUM`, which gates,
cells and their gradients are kept in. Arrays are whole and contiguous, time first; `t` is the step among T.

Any size will do: what lies outside of a ragged edge is read as zero, or read twice, and never written.
`EMULATED` is for bfloat16 in the interpreter: numpy has no such numbers, so it multiplies their bits and cuts them off.
"""

# no dependency of ours: torch brings it where its CUDA builds exist, and only there is this module imported
import triton
import triton.language as tl

INTERPRETED = bool(triton.knobs.runtime.interpret)  # TRITON_INTERPRET=1: numpy computes, slowly, on a CPU


@triton.jit
def _tanh(x):
    return 2 * tl.sigmoid(2 * x) - 1  # in the interpreter, too, where libdevice is not


@triton.jit
def _add_product(left, right, total, EMULATED: tl.constexpr):
    if EMULATED:
        left, right = left.to(tl.float32), right.to(tl.float32)
    return tl.dot(left, right, total, input_precision="ieee", out_dtype=total.dtype)


@triton.jit
def _store(array, x, kept, EMULATED: tl.constexpr):
    """`x` in the array's dtype, rounded to the nearest."""
    if EMULATED:
        bits = x.to(tl.uint32, bitcast=True)
        x = (bits + 0x7FFF + ((bits >> 16) & 1)).to(tl.float32, bitcast=True)
    tl.store(array, x.to(array.dtype.element_ty), kept)


@triton.jit(do_not_specialize=["t", "place"])
def forward_step(
    outputs,  # (T + 1, B, H): reads [t], writes [t + 1]
    cells,  # (T + 1, B, H) of SUM: reads [t], writes [t + 1]
    gates,  # (T, B, 4H) of SUM: writes [t], behind their sigmoid or tanh
    from_input,  # (steps of a chunk, B, 4H): reads [place]
    recurrent,  # (4H, H)
    bias,  # (4H,) of SUM
    t,
    place,
    B,
    H: tl.constexpr,
    KEEP: tl.constexpr,  # the gates, for a backward pass
    SUM: tl.constexpr,
    EMULATED: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    kept = (row < B)[:, None] & (unit < H)[None, :]
    step = tl.cast(t, tl.int64)  # sizes of all steps together exceed 32 bits
    at = row[:, None] * H + unit[None, :]
    of_gate = row[:, None] * (4 * H) + unit[None, :]
    # asked for before the product, to have come by its end
    cell = tl.load(cells + step * B * H + at, kept, 0)
    given = from_input + tl.cast(place, tl.int64) * B * 4 * H + of_gate
    i = tl.load(given, kept, 0).to(SUM)
    f = tl.load(given + H, kept, 0).to(SUM)
    g = tl.load(given + 2 * H, kept, 0).to(SUM)
    o = tl.load(given + 3 * H, kept, 0).to(SUM)

    # columns of the product: i, f, g, o of the first unit, then of the second
    column = tl.arange(0, 4 * UNITS)
    weight_row = (column % 4) * H + tl.minimum(tl.program_id(1) * UNITS + column // 4, H - 1)
    inner = tl.arange(0, DEPTH)
    left = outputs + step * B * H + tl.minimum(row, B - 1)[:, None] * H + inner[None, :]
    right = recurrent + weight_row[None, :] * H + inner[:, None]
    total = tl.zeros((ROWS, 4 * UNITS), dtype=SUM)
    for k in range(0, H, DEPTH):
        if H % DEPTH == 0:
            total = _add_product(tl.load(left + k), tl.load(right + k), total, EMULATED)
        else:
            inside = k + inner < H
            some_left = tl.load(left + k, inside[None, :], 0)
            total = _add_product(some_left, tl.load(right + k, inside[:, None], 0), total, EMULATED)
    even, odd = tl.split(tl.reshape(total, (ROWS, UNITS, 2, 2)))
    recurrent_i, recurrent_g = tl.split(even)
    recurrent_f, recurrent_o = tl.split(odd)

    i = tl.sigmoid(i + recurrent_i + tl.load(bias + unit, unit < H, 0)[None, :])
    f = tl.sigmoid(f + recurrent_f + tl.load(bias + H + unit, unit < H, 0)[None, :])
    g = _tanh(g + recurrent_g + tl.load(bias + 2 * H + unit, unit < H, 0)[None, :])
    o = tl.sigmoid(o + recurrent_o + tl.load(bias + 3 * H + unit, unit < H, 0)[None, :])
    cell = f * cell + i * g
    if KEEP:
        kept_gates = gates + step * B * 4 * H + of_gate
        tl.store(kept_gates, i, kept)
        tl.store(kept_gates + H, f, kept)
        tl.store(kept_gates + 2 * H, g, kept)
        tl.store(kept_gates + 3 * H, o, kept)
    tl.store(cells + (step + 1) * B * H + at, cell, kept)
    _store(outputs + (step + 1) * B * H + at, o * _tanh(cell), kept, EMULATED)


@triton.jit
def _product(
    d_gates,
    recurrent,
    row,
    unit,
    first,
    B,
    H: tl.constexpr,
    SUM: tl.constexpr,
    EMULATED: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    DEPTH: tl.constexpr,
    SHARE: tl.constexpr,
    EVEN: tl.constexpr,
):
    """`d_gates` (B, 4H) @ `recurrent` (4H, H) -> (ROWS, UNITS), over SHARE of the 4H columns from `first` on."""
    inner = first + tl.arange(0, DEPTH)
    left = d_gates + tl.minimum(row, B - 1)[:, None] * (4 * H) + inner[None, :]
    right = recurrent + inner[:, None] * H + unit[None, :]
    total = tl.zeros((ROWS, UNITS), dtype=SUM)
    for k in range(0, SHARE, DEPTH):
        if EVEN:
            total = _add_product(tl.load(left + k), tl.load(right + k * H), total, EMULATED)
        else:
            inside = k + inner < 4 * H
            some_left = tl.load(left + k, inside[None, :], 0)
            some_right = tl.load(right + k * H, inside[:, None] & (unit < H)[None, :], 0)
            total = _add_product(some_left, some_right, total, EMULATED)
    return total


@triton.jit
def _cell_gradient(
    d_hidden,
    gates,
    cells,
    d_outputs,
    d_cell,
    d_gates,
    row,
    unit,
    step,
    B,
    H: tl.constexpr,
    SUM: tl.constexpr,
    EMULATED: tl.constexpr,
):
    """What a step hands to its gates and to the cell before; `d_hidden` is what the step after hands to its output."""
    kept = (row < B)[:, None] & (unit < H)[None, :]
    at = row[:, None] * H + unit[None, :]
    of_gate = step * B * 4 * H + row[:, None] * (4 * H) + unit[None, :]
    i = tl.load(gates + of_gate, kept, 0)
    f = tl.load(gates + of_gate + H, kept, 0)
    g = tl.load(gates + of_gate + 2 * H, kept, 0)
    o = tl.load(gates + of_gate + 3 * H, kept, 0)
    before = tl.load(cells + step * B * H + at, kept, 0)
    squashed = _tanh(tl.load(cells + (step + 1) * B * H + at, kept, 0))
    d_out = d_hidden + tl.load(d_outputs + step * B * H + at, kept, 0).to(SUM)
    d_c = tl.load(d_cell + at, kept, 0) + d_out * o * (1 - squashed * squashed)
    _store(d_gates + of_gate, d_c * g * i * (1 - i), kept, EMULATED)
    _store(d_gates + of_gate + H, d_c * before * f * (1 - f), kept, EMULATED)
    _store(d_gates + of_gate + 2 * H, d_c * i * (1 - g * g), kept, EMULATED)
    _store(d_gates + of_gate + 3 * H, d_out * squashed * o * (1 - o), kept, EMULATED)
    tl.store(d_cell + at, d_c * f, kept)


@triton.jit(do_not_specialize=["t"])
def backward_step(
    d_gates,  # (T, B, 4H) in the dtype of the products: reads [t + 1], writes [t]
    d_cell,  # (B, H) of SUM: the gradient of the cell after step t, then of the one before
    d_outputs,  # (T, B, H): reads [t]
    gates,
    cells,
    recurrent,
    t,
    B,
    H: tl.constexpr,
    SUM: tl.constexpr,
    EMULATED: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    DEPTH: tl.constexpr,
):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    step = tl.cast(t, tl.int64)
    EVEN: tl.constexpr = (4 * H) % DEPTH == 0 and H % UNITS == 0
    after = d_gates + (step + 1) * B * 4 * H
    d_hidden = _product(after, recurrent, row, unit, 0, B, H, SUM, EMULATED, ROWS, UNITS, DEPTH, 4 * H, EVEN)
    _cell_gradient(d_hidden, gates, cells, d_outputs, d_cell, d_gates, row, unit, step, B, H, SUM, EMULATED)


@triton.jit(do_not_specialize=["t"])
def backward_products(
    d_gates,
    recurrent,
    parts,  # (SPLIT, B, H) of SUM: writes all
    t,
    B,
    H: tl.constexpr,
    SUM: tl.constexpr,
    EMULATED: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    DEPTH: tl.constexpr,
    SPLIT: tl.constexpr,
):
    """The product of `backward_step` in SPLIT parts, so that more programs share it; `backward_cells` adds them up."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    part = tl.program_id(2)
    SHARE: tl.constexpr = (4 * H + SPLIT * DEPTH - 1) // (SPLIT * DEPTH) * DEPTH
    EVEN: tl.constexpr = (4 * H) % (SPLIT * DEPTH) == 0 and H % UNITS == 0
    after = d_gates + (tl.cast(t, tl.int64) + 1) * B * 4 * H
    first = part * SHARE
    total = _product(after, recurrent, row, unit, first, B, H, SUM, EMULATED, ROWS, UNITS, DEPTH, SHARE, EVEN)
    kept = (row < B)[:, None] & (unit < H)[None, :]
    tl.store(parts + part * B * H + row[:, None] * H + unit[None, :], total, kept)


@triton.jit(do_not_specialize=["t"])
def backward_cells(
    d_gates,
    d_cell,
    d_outputs,
    gates,
    cells,
    parts,  # (SPLIT, B, H) of SUM
    t,
    B,
    H: tl.constexpr,
    SUM: tl.constexpr,
    EMULATED: tl.constexpr,
    ROWS: tl.constexpr,
    UNITS: tl.constexpr,
    SPLIT: tl.constexpr,
):
    """The rest of `backward_step`, where the gradient of the step's output by the step after lies in parts."""
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    unit = tl.program_id(1) * UNITS + tl.arange(0, UNITS)
    kept = (row < B)[:, None] & (unit < H)[None, :]
    at = row[:, None] * H + unit[None, :]
    d_hidden = tl.zeros((ROWS, UNITS), dtype=SUM)
    for part in range(SPLIT):
        d_hidden += tl.load(parts + part * B * H + at, kept, 0)
    _cell_gradient(
        d_hidden, gates, cells, d_outputs, d_cell, d_gates, row, unit, tl.cast(t, tl.int64), B, H, SUM, EMULATED
    )
