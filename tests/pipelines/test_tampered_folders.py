"""Finished folders that somebody changed: a line that names it, nothing outside, nothing passed as good."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from support import finished
from support.commands import call
from support.helpers import Result

FIRST = "test-00000-of-00002.parquet"
COMMANDS: dict[str, tuple[str, ...]] = {
    "validate": (),
    "finish": (),
    "stats": (),
    "select": ("--where", "height > 0"),
    "annotate": ("--annotators", "quality"),
    "export": ("--layout", "vitonhd"),
    "report": (),
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three records in two shards, with plan, receipts and a whole manifest."""
    folder = tmp_path_factory.mktemp("built")
    source = finished.write(folder / "source", [finished.row(f"p{n}", f"g{n}", seed=n) for n in range(3)])
    done = call(folder, "pipelines.select", source, "--where", "height > 0", "--output", "out")
    assert done.code == 0, done.stderr
    return folder / "out"


@pytest.fixture
def shards(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "root/shards"))


def run(shards: Path, command: str) -> Result:
    """The command's result: at most one line and its exit code, since what escapes it is raised here."""
    output = () if command in ("validate", "finish", "stats") else ("--output", shards.parent / f"of_{command}")
    return call(shards.parents[1], f"pipelines.{command}", shards, *COMMANDS[command], *output)


def change_manifest(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = folder / "manifest.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def rewrite_first(folder: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """The first shard changed, and the manifest with it."""
    path = folder / FIRST
    table = change(pq.ParquetFile(path).read())
    pq.write_table(table, path)

    def told(content: dict[str, Any]) -> None:
        content["shards"][0] |= {
            "bytes": path.stat().st_size,
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }

    change_manifest(folder, told)


def flip(folder: Path) -> None:
    """One bit of a stored photo: size and footer stay."""
    path = folder / FIRST
    stored = pq.ParquetFile(path).read()["person_image"][0].as_py()["bytes"]
    data = bytearray(path.read_bytes())
    data[data.find(stored) + len(stored) // 2] ^= 1
    path.write_bytes(data)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- names --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["../victim/test", "/tmp/victim/test", "sub/test", "..", "train", "te\0st", "te\nst"])
@pytest.mark.parametrize("command", ["select", "annotate", "export", "report"])
def test_a_split_that_is_not_the_shards_own_is_refused(shards: Path, command: str, split: str) -> None:
    change_manifest(shards, lambda content: content["shards"][0].update(split=split))
    before = files(shards.parent)
    done = run(shards, command)
    assert done.code == 2 and "says split" in done.stderr and FIRST in done.stderr and done.stderr.count("\n") == 1
    assert files(shards.parent) == before


@pytest.mark.parametrize("name", ["../test-00000-of-00001.parquet", "test.parquet", ".", "a/b-00000-of-00001.parquet"])
def test_a_name_that_is_no_shards_is_refused(shards: Path, name: str) -> None:
    change_manifest(shards, lambda content: content["shards"][0].update(name=name))
    assert run(shards, "validate").code == 1
    done = run(shards, "select")
    assert done.code == 2 and "no shard's name" in done.stderr


# --- damage -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["select", "annotate", "export", "validate"])
def test_a_shard_with_other_bytes_is_named_and_nothing_is_made_of_it(shards: Path, command: str) -> None:
    flip(shards)
    done = run(shards, command)
    assert done.code == 1 and f"{FIRST}: sha256 differs from manifest.json" in done.stderr + done.stdout
    out = shards.parent / f"of_{command}"
    assert not (out / "manifest.json").exists() and not list(out.glob(FIRST))
    if command == "export":
        assert [path.name for path in out.rglob("image/*")] == ["p2.jpg"], "the whole shard's record is exported"


# --- other types --------------------------------------------------------------------------------------------------


def _changes() -> Iterator[tuple[str, Callable[[dict[str, Any]], object]]]:
    for value in (5, None, "x", [5], {"a": 1}, True):
        for key in ("shards", "counts", "columns", "configuration", "package", "dataset", "kind", "fingerprint"):
            yield f"{key} {value!r}", lambda content, key=key, value=value: content.update({key: value})
    for key in ("name", "bytes", "sha256", "rows"):
        for value in (None, [], {}, -(10**30)):
            yield f"shard's {key} {value!r}", lambda c, key=key, value=value: c["shards"][0].update({key: value})
        yield f"shard without {key}", lambda content, key=key: content["shards"][0].pop(key)
    for size in (0, -1, True, "2", 10**12, [2]):
        yield f"shard size {size!r}", lambda content, size=size: content["configuration"].update(shard_size=size)


CHANGES = dict(_changes())


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("command", ["validate", "report", "select"])
def test_another_type_in_the_manifest_is_one_line(
    shards: Path, command: str, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.building.build.execute", lambda *given: 0)  # planned, which is where it was read
    change_manifest(shards, CHANGES[change])
    done = run(shards, command)
    assert done.code in (0, 1, 2) and (done.code == 0 or done.stderr.strip())
    if command != "validate":
        assert done.stderr.count("\n") <= 1


@pytest.mark.parametrize(
    "data", [b"", b"{", b"null", b"[]", b"5", b"\xff\xfe", b"[" * 100_000, b'{"shards": [], "x": 1e999}', b"\0" * 50]
)
@pytest.mark.parametrize("command", ["validate", "report", "select", "annotate", "export"])
def test_a_manifest_that_is_none_is_one_line(shards: Path, command: str, data: bytes) -> None:
    (shards / "manifest.json").write_bytes(data)
    done = run(shards, command)
    assert done.code == (1 if command == "validate" else 2) and "manifest.json" in done.stderr + done.stdout


# --- cells --------------------------------------------------------------------------------------------------------


def _with(column: str, cells: pa.Array) -> Callable[[pa.Table], pa.Table]:
    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        told = field if field.type == cells.type and not cells.null_count else pa.field(column, cells.type)
        changed = table.set_column(table.schema.names.index(column), told, cells)
        return changed.replace_schema_metadata(table.schema.metadata)

    return change


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    "change",
    [
        _with("record_id", pa.array([None, "b"])),
        _with("record_id", pa.array([1, 2])),
        _with("person_image", pa.array([None, None], pa.string())),
        _with("provenance", pa.array([None, None], pa.int64())),
        _with("height", pa.array([2**62, 1])),
        lambda table: table.drop_columns(["record_id"]),
        lambda table: table.drop_columns(["provenance"]),
        lambda table: table.replace_schema_metadata({b"kind": b"\xff"}),
    ],
)
def test_rows_that_no_build_writes_are_named(
    shards: Path, command: str, change: Callable[[pa.Table], pa.Table]
) -> None:
    rewrite_first(shards, change)
    done = run(shards, command)
    assert done.code in (0, 1, 2, 3) and (done.code == 0 or (done.stderr + done.stdout).strip())
    if command in ("select", "annotate", "export"):
        assert (done.code and FIRST in done.stderr) or "kind" in done.stderr


@pytest.mark.parametrize("command", ["select", "annotate", "export"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.slice(0, 0), f"{FIRST} has 0 rows, manifest.json says 2"),
        (lambda table: table.take(pa.array([0, 1, 1])), f"{FIRST} has 3 rows, manifest.json says 2"),
        (lambda table: table.take(pa.array([1, 1])), f"'made/test/p1+g1' stands in more than one row of {FIRST}"),
        (
            _with("record_id", pa.array(["a", "made/test/p2+g2"])),
            f"'made/test/p2+g2' stands in more than one row of {FIRST} and test-00001-of-00002.parquet",
        ),
    ],
)
def test_rows_that_are_repeated_or_gone_are_named(
    shards: Path, command: str, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    rewrite_first(shards, change)
    done = run(shards, command)
    assert done.code == 2 and message in done.stderr and done.stderr.count("\n") == 1
    assert run(shards, "validate").code == 1


@pytest.mark.parametrize("command", ["select", "annotate", "export", "report", "validate"])
def test_a_shard_that_is_listed_twice_is_named(shards: Path, command: str) -> None:
    change_manifest(shards, lambda content: content["shards"].append(content["shards"][0]))
    done = run(shards, command)
    assert done.code == (1 if command == "validate" else 2)
    assert f"manifest.json lists {FIRST} twice" in (done.stderr + done.stdout).replace(", it ", " ")


# --- what goes into pages -----------------------------------------------------------------------------------------

NAMES = ["x\nlicense: mit\nconfigs:\n- a", "- a: b # c", '"', "a: &b *c", "\u2028x", "null", "é\ud800", "{{ 5 }}", "#"]


@pytest.mark.parametrize("name", NAMES)
def test_a_datasets_name_stays_a_name_in_card_and_page(shards: Path, name: str) -> None:
    change_manifest(shards, lambda content: content.update(dataset=name))
    done = run(shards, "select")
    if "\ud800" in name:
        assert done.code == 2 and "manifest.json" in done.stderr
        return
    assert done.code == 0, done.stderr
    card = (shards.parent / "of_select/README.md").read_text()
    header = yaml.safe_load(card.split("---\n")[1])
    assert set(header) == {"pretty_name", "task_categories", "tags", "configs"}
    assert header["pretty_name"] == "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in name)
    assert header["configs"][0]["data_files"] == [{"split": "test", "path": "test-*-of-*.parquet"}]


def test_markup_in_a_name_is_text_in_the_page(shards: Path) -> None:
    change_manifest(shards, lambda content: content.update(dataset="<script>alert(1)</script>"))
    assert run(shards, "report").code == 0
    page = (shards.parent / "of_report").read_text()
    assert "<script>alert" not in page and "&lt;script&gt;alert" in page


# --- what a build left for the next run ---------------------------------------------------------------------------

GARBLED = [b"", b"{", b"null", b"[]", b"5", b'"x"', b"{}", b"\xff\xfe\x00", b"[" * 100_000, b'{"rows": "many"}']


@pytest.mark.parametrize("data", [*GARBLED, None])
def test_a_damaged_receipt_counts_as_not_done(shards: Path, data: bytes | None) -> None:
    """None: one whose number no column holds."""
    receipt = sorted((shards / "_receipts").glob("*.json"))[0]
    whole, good = files(shards), receipt.read_bytes()
    receipt.write_bytes(json.dumps(json.loads(good) | {"rows": 10**400}).encode() if data is None else data)
    done = run(shards, "finish")
    assert done.code == 1 and done.stderr.count("\n") == 1 and receipt.name.split(".")[0] in done.stderr
    source = json.loads(whole["_run.json"])["configuration"]["input"]
    again = call(shards.parents[1], "pipelines.select", source, "--where", "height > 0", "--output", shards)
    assert again.code == 0 and again.json["skipped_shards"] == 1
    changed = {name for name, content in files(shards).items() if whole.get(name) != content}
    assert all(name.startswith(("_run", "_receipts/")) for name in changed)


@pytest.mark.parametrize("name", ["_run.json", "_plan.parquet"])
@pytest.mark.parametrize("data", [*GARBLED, b"PAR1" + b"\xff" * 200 + b"PAR1"])
def test_what_finish_reads_is_named_where_it_is_damaged(shards: Path, name: str, data: bytes) -> None:
    (shards / name).write_bytes(data)
    done = run(shards, "finish")
    assert done.code == 2 and name in done.stderr and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "summary",
    [
        *({"splits": {"test": 3}, "shard_size": size, "rows": 3} for size in (0, -1, "2", None)),
        *({"splits": {"test": count}, "shard_size": 2, "rows": 3} for count in (10**15, -1, "3", None)),
        *({"splits": {"test": 3}, "shard_size": 2, "rows": rows} for rows in (10**15, -1, 0, "3")),
        {"splits": {"test": 3}, "shard_size": 2, "rows": 3, "sizes": {"test": [10**15]}},
        {"splits": ["test"], "shard_size": 2, "rows": 3},
    ],
)
def test_a_plan_whose_numbers_do_not_fit_is_named(shards: Path, summary: dict[str, Any]) -> None:
    path = shards / "_plan.parquet"
    table = pq.ParquetFile(path).read()
    pq.write_table(table.replace_schema_metadata({"plan": json.dumps(summary)}), path)
    done = run(shards, "finish")
    assert done.code == 2 and "_plan.parquet is damaged" in done.stderr


@pytest.mark.parametrize("key", ["format", "kind", "shard_size", "annotators", "columns", "output", "digests"])
@pytest.mark.parametrize("value", [None, 5, "x", [5], [["a"]], {"a": []}])
def test_another_type_in_the_run_is_one_line(shards: Path, key: str, value: Any) -> None:
    path = shards / "_run.json"
    content = json.loads(path.read_text())
    content["configuration"][key] = value
    path.write_text(json.dumps(content))
    done = run(shards, "finish")
    assert done.code in (0, 2) and (done.code == 0 or "_run.json" in done.stderr)


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize("data", [b"", b"{}", b"[]", b'{"command": "npm start"}'])
def test_a_folder_whose_run_no_build_wrote_keeps_its_files(
    built: Path, tmp_path: Path, data: bytes, overwrite: tuple[str, ...]
) -> None:
    mine = tmp_path / "mine"
    mine.mkdir()
    for name in ("README.md", "manifest.json", "train-00000-of-00001.parquet"):
        (mine / name).write_text("mine")
    (mine / "_run.json").write_bytes(data)
    before = files(mine)
    done = call(tmp_path, "pipelines.select", built, "--where", "height > 0", "--output", mine, *overwrite)
    assert done.code == 2 and "_run.json is damaged, or no build's" in done.stderr
    assert files(mine) == before


def test_overwriting_deletes_only_names_that_a_build_writes(built: Path, shards: Path) -> None:
    mine = ["_plans.txt", "_plan-1.parquet", "_receipts/a.b.c.1.json", "notes.json", ".tmp-notes", "_receipts/.tmp-me"]
    for name in mine:
        (shards / name).write_text("mine")
    words = ("--where", "width > 0", "--output", shards)
    refused = call(shards.parent, "pipelines.select", built, *words)
    assert refused.code == 2 and "--overwrite" in refused.stderr
    assert call(shards.parent, "pipelines.select", built, *words, "--overwrite").code == 0
    assert [name for name in mine if (shards / name).read_text() != "mine"] == []


@pytest.mark.parametrize("command", ["select", "annotate", "export"])
@pytest.mark.parametrize("inner", ["_receipts", "test", "test/image"])
def test_a_linked_folder_in_the_output_keeps_its_files(shards: Path, command: str, inner: str) -> None:
    out, mine = shards.parent / f"of_{command}", shards.parent / "mine"
    assert run(shards, command).code == 0
    mine.mkdir()
    for name in ("p0.jpg", "receipts.parquet", f"{FIRST}.json", ".tmp-p0.jpg-17-4"):
        (mine / name).write_text("mine")
    shutil.rmtree(out / inner, ignore_errors=True)
    (out / inner).parent.mkdir(exist_ok=True)
    (out / inner).symlink_to(mine)
    before = files(mine)
    assert run(shards, command).code in (0, 2)
    assert files(mine) == before


@pytest.mark.parametrize("command", ["select", "annotate", "export", "report", "stats"])
@pytest.mark.parametrize("column", ["person_id", "garment_image", "split", "dataset", "provenance", "category"])
def test_a_null_in_a_row_costs_that_row_at_most(shards: Path, command: str, column: str) -> None:
    def change(table: pa.Table) -> pa.Table:
        field = table.schema.field(column)
        cells = pa.array([None, *table[column].to_pylist()[1:]], field.type)
        return table.set_column(table.schema.names.index(column), field, cells)

    rewrite_first(shards, change)
    done = run(shards, command)
    assert done.code in (0, 1, 3), done.stderr
    if command == "select":
        rejected = column in ("person_id", "garment_image")
        assert done.json["records"] == 3 - rejected and done.json["rejects"] == rejected
