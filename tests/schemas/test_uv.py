"""npz files of surface coordinates: exact where right, one clear error where not, and never more memory than due."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from schemas.codecs import CodecError
from schemas.uv import decode_uv


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, **arrays)
    return buffer.getvalue()


def archive(content: bytes, name: str = "uv.npy") -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr(name, content)
    return buffer.getvalue()


def array(values: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, values)
    return buffer.getvalue()


@given(
    st.sampled_from([np.float16, np.float32, np.float64]).flatmap(
        lambda kind: hnp.arrays(kind, (2, 5, 3), elements=st.integers(-10, 300).map(lambda n: n / 255))
    ),
    st.booleans(),
)
def test_coordinates_are_scaled_and_cut_off(uv: np.ndarray, fortran: bool) -> None:
    found = decode_uv(npz(uv=np.asfortranarray(uv) if fortran else uv), (5, 3))
    assert found.dtype == np.uint8 and found.shape == (5, 3, 2)
    expected = np.floor(np.clip(uv, 0, 1).astype(np.float32) * np.float32(255))
    assert (found == expected.transpose(1, 2, 0)).all()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "unreadable npz"),
        (b"PK\x03\x04 and no more", "unreadable npz"),
        (npz(other=np.zeros((2, 5, 3))), "no array 'uv'"),
        (npz(uv=np.zeros((2, 3, 5))), r"uv is \[2, 3, 5\]; its part map asks for \[2, 5, 3\]"),
        (npz(uv=np.zeros((2, 5, 3), np.uint8)), "uv is uint8"),
        (npz(uv=np.full((2, 5, 3), np.nan)), "NaN"),
        (archive(b"no array"), "unreadable array"),
        (archive(b""), "unreadable array"),
        (archive(bytes(50_000_000)), "unreadable array"),
        (archive(array(np.zeros((2, 5, 3)))[:-8]), "truncated array"),
    ],
)
def test_bad_files_are_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(CodecError, match=message):
        decode_uv(data, (5, 3))


def test_no_pickle_is_read() -> None:
    class Trap:
        def __reduce__(self) -> tuple:
            return pytest.fail, ("unpickled",)

    with pytest.raises(CodecError):
        decode_uv(npz(uv=np.array([Trap()], dtype=object)), (5, 3))
    with pytest.raises(CodecError):
        decode_uv(archive(pickle.dumps(Trap())), (5, 3))


def test_a_header_that_lies_about_its_size_allocates_nothing() -> None:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (2, 1000000, 1000000), }\n"
    lie = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64)
    with pytest.raises(CodecError, match=r"uv is \[2, 1000000, 1000000\]"):
        decode_uv(archive(lie), (5, 3))
