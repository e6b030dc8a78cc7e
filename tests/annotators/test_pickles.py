"""Pickles that are small to store and endless to read: refused in a moment by every reader, in one line."""

import pickle
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from annotators.common import pickles  # noqa: E402
from annotators.networks import openpose, schp, u2net  # noqa: E402
from annotators.networks.densepose_rcnn import checkpoint  # noqa: E402
from vton_models.networks import weights  # noqa: E402

Write = Callable[[Path], None]
STORED = {"a.weight": torch.ones(3, 4), "a.bias": torch.zeros(3), "count": torch.tensor(7)}


def doubled(kind: Callable[[object, object], object], times: int = 40) -> object:
    """Refers to its inside twice, `times` over."""
    value: object = kind(1, 1)
    for _ in range(times):
        value = kind(value, value)
    return value


def nested(times: int) -> object:
    value: list[object] = []
    for _ in range(times):
        value = [value]
    return value


def raw(content: bytes) -> Write:
    return lambda path: path.write_bytes(content) and None


def pickled(value: object) -> Write:
    """Beside what detectron2 writes."""
    return raw(pickle.dumps({"model": {"a": np.zeros(2, np.float32)}, "meta": value}))


def inside(member: bytes, compression: int = zipfile.ZIP_STORED) -> Write:
    """As torch lays a file since 1.6."""

    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w", compression) as archive:
            archive.writestr("archive/data.pkl", member)
            archive.writestr("archive/version", "3")

    return write


def torch_file(value: object, **options: object) -> Write:
    return lambda path: torch.save(value, path, **options)


def itself() -> object:
    value: list[object] = []
    value.append(value)
    return value


def a_key(times: int) -> bytes:
    """A dict whose key is a tuple of tuples: hashing it alone would take for ever."""
    key = b"K\x01K\x01\x86q\x00" + b"".join(b"h" + bytes([n]) + b"\x86q" + bytes([n + 1]) for n in range(times))
    return b"\x80\x02}" + key + b"K\x01s."


def a_storage(numel: int) -> bytes:
    """The persistent id of a storage of `numel` floats."""
    words = [b"X\x07\x00\x00\x00storage", b"ctorch\nFloatStorage\n", b"X\x01\x00\x00\x000", b"X\x03\x00\x00\x00cpu"]
    return b"\x80\x02(" + b"".join(words) + b"\x8a\x08" + struct.pack("<q", numel) + b"tQ."


HOSTILE = {
    "lists": pickled(doubled(lambda a, b: [a, b])),
    "tuples": pickled(doubled(lambda a, b: (a, b))),
    "dicts": pickled(doubled(lambda a, b: {1: a, 2: b})),
    "filled last": pickled([inner := [], [inner, inner], inner.append(doubled(lambda a, b: [a, b]))]),
    "a key": raw(a_key(40)),
    "itself": pickled(itself()),
    "deep": pickled(nested(400)),
    "deeper": raw(b"(" * 3_000_000 + b"."),
    "many": raw(b"\x80\x02" + b"N0" * 2_000_000 + b"N."),
    "a place": raw(b"\x80\x02Nr\xff\xff\xff\x7f."),
    "a storage": raw(a_storage(1 << 40)),
    "in an archive": inside(pickle.dumps(doubled(lambda a, b: [a, b]))),
    "a storage in an archive": inside(a_storage(1 << 40)),
    "an archive of nothing": inside(b"\x80\x02" + bytes(30_000_000), zipfile.ZIP_DEFLATED),
    "one number for many": torch_file({"a": torch.zeros(1).expand(1 << 40)}),
    "in the old format": torch_file({"a": torch.zeros(1).expand(1 << 40)}, _use_new_zipfile_serialization=False),
    "cut": raw(pickle.dumps(list(range(1000)))[:-5]),
    "nothing": raw(b""),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", HOSTILE)
def test_every_reader_refuses_it_at_once(tmp_path: Path, name: str) -> None:
    readers: dict[str, Callable[[Path], object]] = {
        "model_final_162be9.pkl": checkpoint.load,
        "body_pose_model.pth": openpose.load,
        "cloth_segm.pth": u2net.load,
        "exp-schp-201908261155-lip.pth": lambda path: schp._from_checkpoint("schp_lip", path, "cpu"),
        "model.bin": weights.read,
    }
    for file, read in readers.items():
        HOSTILE[name](tmp_path / file)
        started = time.process_time()
        with pytest.raises(ValueError) as caught:
            read(tmp_path / file)
        assert "\n" not in str(caught.value) and file in str(caught.value)
        assert time.process_time() - started < 20
        (tmp_path / file).unlink()


@pytest.mark.parametrize("name", ["a place", "a storage", "many", "tuples"])
def test_looking_takes_no_memory(tmp_path: Path, name: str) -> None:
    HOSTILE[name](tmp_path / "x.pkl")
    tracemalloc.start()
    try:
        with pytest.raises(pickles.Hostile):
            pickles.check(tmp_path / "x.pkl")
        assert tracemalloc.get_traced_memory()[1] < 64 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("options", [{}, {"_use_new_zipfile_serialization": False}])
def test_weights_of_either_format_pass(tmp_path: Path, options: dict[str, object]) -> None:
    shared = torch.rand(64, 32, 3, 3)
    state = STORED | {"half": shared.half(), "view": shared[:, 0], "turned": shared.permute(3, 2, 1, 0)}
    for value in (state, {"epoch": 3, "state_dict": state, "lrs": [0.1] * 50}):
        torch.save(value, tmp_path / "x.bin", **options)
        pickles.check(tmp_path / "x.bin")
    stored = weights.read(tmp_path / "x.bin")
    assert stored.keys() == state.keys() and torch.equal(stored["turned"], state["turned"])
