"""Bad input never stops a build and never vanishes; bad usage is one line and exit code 2."""

import io
import json
import os
import struct
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from support.helpers import Dataset, Result, draw, rows

from annotators import high_frequency
from annotators.functional.frequency import high_frequency_map
from schemas import codecs
from schemas.record import SHIPPED_UNREADABLE

Command = Callable[..., Result]
BUILD = "pipelines.build_vitonhd"


def saved(image: Image.Image, file_format: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def bomb() -> bytes:
    """A PNG whose header says 50,000 x 50,000."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 50_000, 50_000, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def table(folder: Path, name: str = "rejects.parquet") -> list[dict[str, str]]:
    return pq.read_table(folder / name).to_pylist()


def by_name(folder: Path) -> dict[str, dict]:
    return {row["record_id"].split("/")[-1]: row for row in rows(folder)}


def test_unreadable_photos_are_rejected_and_the_rest_is_built(
    command: Command, dataset: Dataset, tmp_path: Path
) -> None:
    whole = codecs.encode_jpeg(draw(50)["person"])
    bad = {
        "00010_00": whole[: len(whole) // 2],
        "00011_00": b"",
        "00012_00": b"this is no picture at all",
        "00013_00": bomb(),
    }
    for seed, name in enumerate(bad, start=20):
        dataset.add(name, seed)
        dataset.put(f"test/image/{name}.jpg", bad[name])
    lines = (dataset.root / "test_pairs.txt").read_text().split("\n")
    dataset.pairs(*filter(None, lines), *(f"{name}.jpg 00001_00.jpg" for name in bad))
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out, "--max-reject-rate", 0.5)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 6, 4), result.stderr
    found = {row["record_id"].split("/")[-1].split("+")[0]: row for row in table(out)}
    assert set(found) == set(bad)
    assert all(row["stage"] == "read" and row["error"] == "unreadable" for row in found.values())
    assert "truncated" in found["00010_00"]["message"] and "empty" in found["00011_00"]["message"]
    assert "not a picture" in found["00012_00"]["message"] and "2500000000 pixels" in found["00013_00"]["message"]
    assert found["00010_00"]["source"] == "test/image/00010_00.jpg"
    assert command(BUILD, "--input", dataset.root, "--output", out).code == 3, "above the default rate"
    for rate, code in ((0.4, 0), (0.39, 3), (0, 3)):
        limited = command(BUILD, "--input", dataset.root, "--output", out, "--max-reject-rate", rate)
        assert limited.code == code, "four of ten are not above 0.4"
    assert "tmp" not in str(table(out)) and str(tmp_path) not in str(table(out))


def test_rejects_come_in_the_order_of_records_wherever_they_fail(
    command: Command, dataset: Dataset, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record that fails late comes to the table after those that fail early, and so by the size of batches."""
    dataset.put("test/image/00003_00.jpg", b"")
    dataset.put("test/image/00005_00.jpg", b"")

    def fails(*_: object) -> None:
        raise ValueError("no map of this one")

    monkeypatch.setattr(high_frequency, "high_frequency_map", fails)
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out, "--direct_running_mode", "in_memory")
    assert (result.code, result.json["rejects"]) == (3, 6), result.stderr
    (receipt,) = (json.loads(path.read_bytes()) for path in (out / "_receipts").glob("*.json"))
    for found in (table(out), receipt["rejects"]):
        assert [row["record_id"].split("/")[-1][:8] for row in found] == [f"{n:05d}_00" for n in range(6)]
        assert [row["stage"] for row in found] == [("high_frequency", "read")[n in (3, 5)] for n in range(6)]


def test_odd_but_valid_photos_are_converted(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    photo = Image.fromarray(draw(3)["person"])
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.asarray(photo.convert("L")).astype(np.uint16) * 257
    variants = {
        "cmyk": saved(photo.convert("CMYK"), "JPEG"),
        "deep": saved(Image.fromarray(deep), "PNG"),
        "palette": saved(photo.convert("P"), "PNG"),
        "alpha": saved(photo.convert("RGBA"), "PNG"),
        "turned": saved(photo.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=95, subsampling=0, exif=exif),
    }
    for name, content in variants.items():
        dataset.add(name, 3)
        dataset.put(f"test/image/{name}.jpg", content)
    dataset.pairs(*(f"{name}.jpg {name}.jpg" for name in variants))
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out)
    assert (result.code, result.json["records"]) == (0, 5), result.stderr + str(table(out))
    for name, row in {key.split("+")[0]: row for key, row in by_name(out).items()}.items():
        stored = Image.open(io.BytesIO(row["person_image"]["bytes"]))
        assert stored.mode == "RGB" and stored.size == photo.size and stored.getexif().get(0x0112, 1) == 1, name
        difference = np.abs(np.asarray(stored).astype(int) - np.asarray(photo)).mean()
        assert difference < (70 if name == "deep" else 20), (name, difference)
        note = {e["column"]: e["note"] for e in row["provenance"]}["person_image"]
        assert ("turned upright" if name == "turned" else "converted from mode") in note


def test_annotators_see_a_photo_as_the_shard_holds_it(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    """A turned JPEG is written again with new losses: what is computed must fit the pixels that readers get."""
    garment = np.random.default_rng(0).integers(0, 256, (128, 96, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    sideways = Image.fromarray(garment).transpose(Image.Transpose.ROTATE_90)
    turned = saved(sideways, "JPEG", quality=60, exif=exif)
    dataset.put("test/cloth/00001_00.jpg", turned)
    assert command(BUILD, "--input", dataset.root, "--output", tmp_path / "out").code == 0
    row = by_name(tmp_path / "out")["00000_00+00001_00"]
    mask = codecs.decode_mask(row["garment_mask"]["bytes"])
    stored, source = codecs.decode_image(row["garment_image"]["bytes"]), codecs.decode_photo(turned).pixels
    assert stored.shape == source.shape and not np.array_equal(stored, source)
    computed = codecs.decode_image(row["high_frequency_map"]["bytes"])
    assert np.array_equal(computed, high_frequency_map(stored, mask))
    assert not np.array_equal(computed, high_frequency_map(source, mask)), "the difference can be seen"


def test_unreadable_annotations_are_computed_or_null_with_a_finding(
    command: Command, dataset: Dataset, tmp_path: Path
) -> None:
    height, width = draw(0)["parse"].shape
    dataset.put("test/image-parse-v3/00000_00.png", codecs.encode_label_map(np.zeros((50, 40), np.uint8), "cihp"))
    wrong = Image.fromarray(np.full((height, width), 99, np.uint8))
    dataset.put("test/image-parse-v3/00001_00.png", saved(wrong, "PNG"))
    dataset.put("test/openpose_json/00002_00_keypoints.json", b'{"people": []}')
    dataset.put("test/openpose_json/00003_00_keypoints.json", b'{"people": [{"pose_keypoints_2d": [NaN, 2, 3]}]}')
    dataset.put("test/openpose_json/00004_00_keypoints.json", b'{"people": [{"pose_keypoints_2d": ["a", 2, 3]}]}')
    dataset.put("test/cloth-mask/00000_00.jpg", b"damaged")  # garment of 00005_00
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out)
    assert (result.json["records"], result.json["rejects"]) == (6, 0), str(table(out))
    built = {name[:8]: row for name, row in by_name(out).items()}
    reasons = {
        ("00000_00", "parse"): f"50x40 pixels; its photo has {height}x{width} (00000_00.png)",
        ("00001_00", "parse"): "ids [99] outside cihp",
        ("00002_00", "keypoints"): "no person in the keypoints file (00002_00_keypoints.json)",
        ("00003_00", "keypoints"): "NaN",
        ("00004_00", "keypoints"): "not a number",
    }
    said = {
        row["record_id"].split("/")[-1][:8]: row["detail"]
        for row in table(out, "findings.parquet")
        if row["kind"] == "unreadable_annotation"
    }
    for (name, column), reason in reasons.items():
        row = built[name]
        entry = next(e for e in row["provenance"] if e["column"] == column)
        assert row[column] is None and row["agnostic_mask"] is None and row["person_image"] is not None
        assert SHIPPED_UNREADABLE in entry["note"] and reason in entry["note"] and reason in said[name]
    entry = next(e for e in built["00005_00"]["provenance"] if e["column"] == "garment_mask")
    assert entry["origin"] == "annotator" and "the shipped file was unreadable: not a picture" in entry["note"]
    columns = json.loads((out / "manifest.json").read_text())["columns"]
    assert columns["parse"]["origins"] == {"dataset": 4} and columns["keypoints"]["origins"] == {"dataset": 3}


def test_lists_with_every_oddity(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    dataset.add("zwei Wörter", 40)
    dataset.add("人物", 41)
    outside = tmp_path / "secret.jpg"
    outside.write_bytes(codecs.encode_jpeg(draw(1)["person"]))
    (dataset.root / "test/image/link.jpg").symlink_to(outside)
    text = (
        "00000_00.jpg 00001_00.jpg\r\n\r\n   \r\n"
        "00000_00.jpg 00001_00.jpg\r\n"
        "zwei Wörter.jpg zwei Wörter.jpg\r\n"
        "人物.jpg 00001_00.jpg\r\n"
        "../../etc/passwd 00001_00.jpg\r\n"
        "/etc/passwd 00001_00.jpg\r\n"
        f"{outside} 00001_00.jpg\r\n"
        "00001_00.jpg ../cloth/00002_00.jpg\r\n"
        "..\\..\\x.jpg 00001_00.jpg\r\n"
        "gone.jpg 00001_00.jpg\r\n"
        "00002_00.jpg gone.jpg\r\n"
        "00003_00.jpg\r\n"
        "link.jpg 00001_00.jpg\r\n"
    )
    dataset.put("test_pairs.txt", text.encode())
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out, "--max-reject-rate", 1)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 3, 9), str(table(out))
    assert set(by_name(out)) == {"00000_00+00001_00", "zwei Wörter+zwei Wörter", "人物+00001_00"}
    kinds = sorted(row["error"] for row in table(out))
    assert kinds == ["malformed_line"] + ["missing_file"] * 2 + ["outside_root"] * 6
    assert all(row["stage"] == "list" and row["source"].startswith("test_pairs.txt:") for row in table(out))
    assert json.loads((out / "manifest.json").read_text())["counts"]["repeated_lines"] == 1
    for path in out.glob("*-of-*"):
        assert outside.read_bytes()[-400:-200] not in path.read_bytes(), "nothing from outside the root gets in"


def test_a_folder_linked_from_outside_gives_nothing(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    (dataset.root / "test/image").rename(tmp_path / "image")
    (dataset.root / "test/image").symlink_to(tmp_path / "image")
    out = tmp_path / "out"
    result = command(BUILD, "--input", dataset.root, "--output", out)
    assert result.code == 3 and result.json["records"] == 0
    assert {row["error"] for row in table(out)} == {"outside_root"}


def test_a_damaged_tag_file_is_noted(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    dataset.put("test/vitonhd_test_tagged.json", b'{"data": [{"file_name"')
    out = tmp_path / "out"
    assert command(BUILD, "--input", dataset.root, "--output", out).code == 0
    notes = [e["note"] for row in by_name(out).values() for e in row["provenance"] if e["column"] == "tags"]
    assert notes and all(note.startswith(SHIPPED_UNREADABLE) and "vitonhd_test_tagged.json" in note for note in notes)
    assert all(row["caption"] for row in by_name(out).values())


def test_retry_rejects_builds_only_those_units(command: Command, dataset: Dataset, tmp_path: Path) -> None:
    dataset.put("test/image/00000_00.jpg", b"")
    arguments = ("--input", dataset.root, "--output", tmp_path / "out", "--shard-size", 2, "--max-reject-rate", 1)
    assert command(BUILD, *arguments).json["rejects"] == 1
    assert command(BUILD, *arguments).json["skipped_shards"] == 3
    assert command(BUILD, *arguments, "--retry-rejects").json["skipped_shards"] == 2


USAGE = [
    (("--input", "nowhere"), "'nowhere' is no folder"),
    (("--input", "{empty}"), "expected train/ or test/"),
    (("--input", "{flat}"), "found image/"),
    (("--input", "{good}", "--split", "train"), "split 'train' not found; there is test"),
    (("--input", "{good}", "--annotators", "hats"), "'hats'; allowed are"),
    (("--input", "{good}", "--skip", "hats"), "'hats'; allowed are"),
    (("--input", "{good}", "--recompute", "hats"), "'hats'; allowed are"),
    (("--input", "{good}", "--skip", "parse", "--recompute", "parsing"), "'parse' is in both"),
    (("--input", "{good}", "--hats", "1"), "unknown flag '--hats'"),
    (("--input", "{good}", "--shard_siez", "1"), "did you mean '--shard-size'?"),
    (("--input", "{good}", "--annotators", "parsnig"), "did you mean 'parsing'?"),
    (("--input", "{good}", "--skip", "desepose"), "did you mean 'densepose'?"),
    (
        ("--input", "{good}", "--annotators", "quality,caption", "--skip", "caption"),
        "'caption' is in both --annotators",
    ),
    (("--input", "{good}", "--annotators", "caption_tags", "--weights", "nope"), "nope doesn't exist"),
    (("--input", "{good}", "--annotators", "caption"), "or --weights DIR with the folder that has them (looked in "),
    (("--input", "{good}", "--agnostic-recipe", "vitonh"), "did you mean 'vitonhd'?"),
    (("--input", "{good}", "hats"), "'hats'"),
    (("--input", "{good}", "--size", "12"), "'12'; allowed is HEIGHTxWIDTH"),
    (("--input", "{good}", "--shard-size", "0"), "--shard-size 0; allowed is 1 or more"),
    (("--input", "{good}", "--limit", "x"), "invalid int value: 'x'"),
    (("--input", "{good}", "--limit", "0"), "--limit 0"),
    (("--input", "{good}", "--format", "csv"), "'csv' (choose from"),
    (("--input", "{good}", "--max-reject-rate", "2"), "--max-reject-rate 2.0; allowed is 0 to 1"),
    (
        ("--input", "{good}", "--runner", "Hats"),
        "--runner 'Hats'; allowed are DaskRunner, DataflowRunner",
    ),
    (("--input", "{good}", "--agnostic-recipe", "hats"), "'hats'; allowed are"),
    (("--input", "{good}", "--output", "/proc/nowhere"), "can't be written"),
    (("--input", "{good}", "--output", "{file}/x"), "can't be written"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[" ".join(words) for words, _ in USAGE])
def test_usage_errors_are_one_line(
    command: Command, dataset: Dataset, tmp_path: Path, arguments: tuple[str, ...], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "flat/image").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    places = {name: str(tmp_path / name) for name in ("empty", "flat", "file")} | {"good": str(dataset.root)}
    result = command(BUILD, *(word.format(**places) for word in arguments), *_output(arguments, tmp_path))
    assert result.code == 2, result.stderr
    assert len(result.stderr.strip().splitlines()) == 1 and message in result.stderr, result.stderr
    assert not result.stdout and not (tmp_path / "out").exists()


def _output(arguments: tuple[str, ...], tmp_path: Path) -> tuple[str, ...]:
    return () if "--output" in arguments else ("--output", str(tmp_path / "out"))


def test_no_pairs_at_all(command: Command, tmp_path: Path) -> None:
    empty = Dataset(tmp_path / "d")
    empty.add("a", 1)
    (empty.root / "test/cloth/a.jpg").rename(empty.root / "test/cloth/b.jpg")
    result = command(BUILD, "--input", empty.root, "--output", tmp_path / "out")
    assert result.code == 2 and "no pair" in result.error


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_one_line_and_exit_1(process: Command, dataset: Dataset, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("tmpfs can't be mounted here")
    try:
        result = process(BUILD, "--input", dataset.root, "--output", disk / "out")
        assert result.code == 1 and "No space left on device" in result.error, result.stderr
        assert "Traceback" not in result.stderr
        assert not [p for p in disk.rglob("*") if "tmp" in p.name]
    finally:
        subprocess.run(["umount", str(disk)], check=True)
