"""Resuming: which units are done, by names alone; moves that survive being cut short."""

import hashlib
from pathlib import Path

from pipelines.building import receipts
from pipelines.building.plan import Unit
from pipelines.building.receipts import Expected, Name, UnitReceipt
from schemas.finished import tables
from schemas.folders import LocalFolder


def unit(index: int, total: int = 3) -> Unit:
    return Unit(index, "test", index, total, index, 1)


def lay(
    output: LocalFolder, index: int, content: bytes, tokens: str = "t", total: int = 3, rejects: bool = False
) -> None:
    """A finished unit whose one input is `in<index>`."""
    stem = unit(index, total).stem
    output.write(f"{stem}.parquet", content)
    digest = hashlib.sha256(content).hexdigest()
    inputs = {f"in{index}": hashlib.sha256(b"input%d" % index).hexdigest()}
    receipt = UnitReceipt(
        1, len(content), digest, inputs, [dict.fromkeys(tables.REJECTS.names, "x")] if rejects else [], {}
    )
    output.write(str(Name(stem, f"f{index}", tokens, len(content))), receipt.to_json())


def folders(tmp_path: Path) -> tuple[LocalFolder, LocalFolder]:
    output, root = LocalFolder(str(tmp_path / "out")), LocalFolder(str(tmp_path / "in"))
    output.make(receipts.FOLDER)
    root.make()
    for index in range(4):
        root.write(f"in{index}", b"input%d" % index)
    return output, root


def expect(index: int, tokens: str = "t", total: int = 3) -> Expected:
    return Expected(unit(index, total), f"f{index}", tokens, lambda: [f"in{index}"])


def resume(output: LocalFolder, root: LocalFolder, *wanted: Expected, **options: bool) -> list[int]:
    settings = {"verify": False, "retry_rejects": False} | options
    return [u.index for u in receipts.reconcile(output, root, list(wanted), "parquet", **settings).todo]


def test_names_round_trip_and_strangers_are_ignored() -> None:
    name = Name("test-00001-of-00003", "abc", "def", 77)
    assert receipts.parse_name(str(name)) == name
    assert all(receipts.parse_name(text) is None for text in ("receipts.parquet", ".tmp-a.b.c.7.json", "a.b.c.x.json"))


def test_only_what_is_missing_is_done_again(tmp_path: Path) -> None:
    output, root = folders(tmp_path)
    lay(output, 0, b"zero")
    lay(output, 1, b"one")
    output.write("test-00001-of-00003.parquet", b"cut short")
    assert resume(output, root, expect(0), expect(1), expect(2)) == [1, 2]
    assert [n.stem for n in receipts.names(output)] == ["test-00000-of-00003"], "the stale receipt is gone first"


def test_tokens_decide_whether_inputs_are_hashed(tmp_path: Path) -> None:
    output, root = folders(tmp_path)
    lay(output, 0, b"zero")
    lay(output, 1, b"one")
    root.write("in1", b"other!")
    assert resume(output, root, expect(0, "new"), expect(1, "new")) == [1]
    assert [n.tokens for n in receipts.names(output)] == ["new"]


def test_a_unit_is_done_again_for_one_changed_input_of_several(tmp_path: Path) -> None:
    output, root = folders(tmp_path)
    stem, content = unit(0).stem, b"zero"
    inputs = {f"in{n}": hashlib.sha256(b"input%d" % n).hexdigest() for n in range(3)}
    receipt = UnitReceipt(1, len(content), hashlib.sha256(content).hexdigest(), inputs, [], {})
    touched = Expected(unit(0), "f0", "new", lambda: ["in0", "in1", "in2"])
    for changed, todo in ((None, []), ("in0", [0]), ("in1", [0]), ("in2", [0])):
        output.write(f"{stem}.parquet", content)
        output.write(str(Name(stem, "f0", "t", len(content))), receipt.to_json())
        before = root.read(changed) if changed else b""
        if changed:
            root.write(changed, b"other!")
        assert resume(output, root, touched) == todo, changed
        for name in receipts.names(output):
            output.remove(str(name))
        if changed:
            root.write(changed, before)


def test_verify_and_retry(tmp_path: Path) -> None:
    output, root = folders(tmp_path)
    lay(output, 0, b"zero")
    lay(output, 1, b"one", rejects=True)
    output.write("test-00000-of-00003.parquet", b"ZERO")
    assert resume(output, root, expect(0), expect(1)) == []
    assert resume(output, root, expect(0), expect(1), verify=True) == [0]
    lay(output, 0, b"zero")
    assert resume(output, root, expect(0), expect(1), retry_rejects=True) == [1]


def test_units_keep_their_shards_under_new_numbers(tmp_path: Path) -> None:
    output, root = folders(tmp_path)
    lay(output, 0, b"zero")
    lay(output, 1, b"one")
    swapped = [
        Expected(unit(0, 2), "f1", "t", lambda: ["in1"]),
        Expected(unit(1, 2), "f0", "t", lambda: ["in0"]),
    ]
    assert resume(output, root, *swapped) == []
    assert (
        output.read("test-00000-of-00002.parquet") == b"one" and output.read("test-00001-of-00002.parquet") == b"zero"
    )
    assert sorted((n.stem, n.fingerprint) for n in receipts.names(output)) == [
        ("test-00000-of-00002", "f1"),
        ("test-00001-of-00002", "f0"),
    ]


def test_sweep_removes_temporary_files_only(tmp_path: Path) -> None:
    output, _ = folders(tmp_path)
    for name in (".tmp-a-1-1", "_receipts/.tmp-b-1-1", "keep", "_receipts/keep"):
        output.write(name, b"")
    receipts.sweep(output)
    assert list(output.files()) == ["keep"] and list(output.files("_receipts")) == ["keep"]
