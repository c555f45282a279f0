"""Bit packing: what is written is read back, most significant bit first."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from theory_sim.compressors.packing import floats, pack, unpack, words

FIELDS = st.lists(
    st.integers(0, 64).flatmap(
        lambda width: st.tuples(st.lists(st.integers(0, 2**width - 1), max_size=9), st.just(width))
    ),
    max_size=5,
)


@given(FIELDS)
def test_fields_are_read_back(fields: list[tuple[list[int], int]]) -> None:
    data, bits = pack([(np.array(values, dtype=np.uint64), width) for values, width in fields])
    assert bits == sum(len(values) * width for values, width in fields)
    read = unpack(data, [(len(values), width) for values, width in fields])
    assert [values.tolist() for values in read] == [values for values, _ in fields]


def test_bits_by_hand() -> None:
    # 101 | 01 11 | 1 is 1010 1111.
    assert pack([(np.array([5]), 3), (np.array([1, 3]), 2), (np.array([1]), 1)]) == (b"\xaf", 8)


@given(st.lists(st.floats(width=32)))
def test_words_keep_every_bit(values: list[float]) -> None:
    for width in (32, 64):
        assert (
            floats(words(np.array(values), width), width).tobytes() == np.array(values, dtype=float).tobytes()
        )


def test_errors() -> None:
    with pytest.raises(ValueError, match="Value 8 does not fit a field of 3 bits"):
        pack([(np.array([8]), 3)])
    with pytest.raises(ValueError, match="A payload of 1 bytes cannot hold 9 bits"):
        unpack(b"\x00", [(3, 3)])
