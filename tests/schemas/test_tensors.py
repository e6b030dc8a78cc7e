"""float16 arrays as .npy bytes: exact, readable by NumPy alone, and refused where they are anything else."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas import codecs, fields, record, tensors

shapes = hnp.array_shapes(min_dims=1, max_dims=4, max_side=6)
FIELD = fields.tensor("latents_person_image", ("person_image",), "vae")


@given(hnp.arrays(np.float16, shapes, elements=st.floats(-65504, 65504, width=16)))
def test_round_trip(values: np.ndarray) -> None:
    data = tensors.encode(values)
    decoded = tensors.decode(data)
    assert decoded.dtype == np.float16 and np.array_equal(decoded, values) and decoded.flags.writeable
    assert np.array_equal(np.load(io.BytesIO(data)), values) and tensors.encode(values) == data
    cell = record.encode(FIELD, values, "a.npy")
    assert cell == {"bytes": data, "path": "a.npy"} and np.array_equal(record.decode(FIELD, cell), values)


def test_floats_are_rounded_to_the_nearest() -> None:
    values = np.array([1 + 2**-11 + 2**-20, 1 + 2**-12, -3.14159265], np.float32)
    assert tensors.decode(tensors.encode(values[::-1])[:]).tolist() == [-3.140625, 1.0, 1 + 2**-10]
    across = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert np.array_equal(tensors.decode(tensors.encode(across)), across), "whatever the order in memory"


@pytest.mark.parametrize("value", [np.nan, np.inf, 65520.0, -1e6])
def test_what_float16_cannot_hold_is_refused(value: float) -> None:
    with pytest.raises(codecs.CodecError, match="not finite in float16"):
        tensors.encode(np.array([0, value], np.float32))


def npy(values: np.ndarray, version: tuple[int, int] = (1, 0)) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, values, version=version)
    return buffer.getvalue()


GOOD = npy(np.ones((2, 3), np.float16))
HUGE = GOOD.replace(b"(2, 3), }        ", b"(999999999, 3), }")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not a .npy file"),
        (b"\x89PNG\r\n\x1a\n", "not a .npy file"),
        (GOOD[:40], "not a .npy file"),
        (GOOD[:10] + b"\xff" * 118 + GOOD[128:], "not a .npy file"),
        (npy(np.ones(3, np.float16), (2, 0)), "not a .npy file"),
        (npy(np.array([{}], object)), "an array of object"),
        (npy(np.ones(3, np.float32)), "an array of float32"),
        (npy(np.ones(3, ">f2")), "an array of >f2"),
        (npy(np.asfortranarray(np.ones((2, 3), np.float16))), "by rows"),
        (GOOD[:-1], "11 bytes for an array of"),
        (GOOD + b"\0", "13 bytes for an array of"),
        (HUGE, "12 bytes for an array of"),
        (npy(np.array([1, np.nan], np.float16)), "NaN or infinity"),
    ],
)
def test_other_bytes_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(codecs.CodecError, match=message):
        tensors.decode(data)
