"""Bit packing: fields of unsigned integers of any width up to 64, most significant bit first, no padding between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]


def pack(fields: Sequence[tuple[Array, int]]) -> tuple[bytes, int]:
    """Write fields (values, width in bits) one after the other.

    Returns
    -------
    bytes, int
        The packed bits, padded with zeros to whole bytes, and the number of bits before the padding.

    Raises
    ------
    ValueError
        If a value does not fit its width.
    """
    parts = []
    for values, width in fields:
        values = np.asarray(values, dtype=np.uint64)
        if width < 64 and values.size and int(values.max()) >> width:
            raise ValueError(f"Value {values.max()} does not fit a field of {width} bits; widen the field.")
        shifts = np.arange(width - 1, -1, -1, dtype=np.uint64)
        parts.append(((values[:, None] >> shifts) & np.uint64(1)).astype(np.uint8).ravel())
    bits = np.concatenate(parts) if parts else np.zeros(0, np.uint8)
    return np.packbits(bits).tobytes(), bits.size


def unpack(data: bytes, layout: Sequence[tuple[int, int]]) -> list[Array]:
    """Read fields (count, width in bits) back as uint64 arrays.

    Raises
    ------
    ValueError
        If `data` is not as long as the layout says.
    """
    total = sum(count * width for count, width in layout)
    if len(data) != -(-total // 8):
        raise ValueError(f"A payload of {len(data)} bytes cannot hold {total} bits; it is cut or damaged.")
    bits = np.unpackbits(np.frombuffer(data, np.uint8))
    fields, position = [], 0
    for count, width in layout:
        values = np.zeros(count, np.uint64)
        for column in bits[position : position + count * width].reshape(count, width).T:
            values = (values << np.uint64(1)) | column.astype(np.uint64)
        fields.append(values)
        position += count * width
    return fields


def words(values: Array, width: int) -> Array:
    """Return floats as the unsigned integers of their 32 or 64 bits."""
    real, integer = (np.float32, np.uint32) if width == 32 else (np.float64, np.uint64)
    return np.asarray(values, dtype=real).view(integer).astype(np.uint64)


def floats(values: Array, width: int) -> Array:
    """Return the float64 values whose 32 or 64 bits `words` wrote."""
    real, integer = (np.float32, np.uint32) if width == 32 else (np.float64, np.uint64)
    return values.astype(integer).view(real).astype(np.float64)
