"""Input files that are no good: each costs its own record or column, with a reason, and never the build."""

import io
import json
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.helpers import rows

from pipelines import annotate, build_photos, build_vitonhd
from schemas import codecs, json_text
from schemas.folders import open_folder, open_input, regular
from schemas.foreign import label_maps, masks

SKIP = "parse,keypoints,densepose,caption,agnostic_mask,agnostic_image"


def saved(form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 255, (48, 40, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, form, **options)
    return buffer.getvalue()


def gif_with_a_broken_second_frame() -> bytes:
    return saved("GIF")[:-1] + b"\x21\xf9\x04\x2c\xff"


def tiff_with_a_lost_second_directory() -> bytes:
    whole = bytearray(saved("TIFF"))
    start = struct.unpack("<I", whole[4:8])[0]
    count = struct.unpack("<H", whole[start : start + 2])[0]
    at = start + 2 + 12 * count
    whole[at : at + 4] = struct.pack("<I", 90_000_000)
    return bytes(whole)


def palette_without_colours() -> bytes:
    data = bytearray(saved("PNG"))
    data[25] = 3  # the header's colour type: palette, of which there is none
    return bytes(data)


def cut(form: str) -> bytes:
    data = saved(form)
    return data[: len(data) // 2]


DAMAGED = {
    "gif, second frame": gif_with_a_broken_second_frame,
    "tiff, second directory": tiff_with_a_lost_second_directory,
    "palette without colours": palette_without_colours,
    "cut webp": lambda: cut("WEBP"),
    "cut bmp": lambda: cut("BMP"),
    "cut jpeg": lambda: cut("JPEG"),
    "cut png": lambda: cut("PNG"),
    "a header alone": lambda: saved("PNG")[:33],
    "text": lambda: b"not a picture at all",
    "nothing": lambda: b"",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_picture_is_refused_whatever_reads_it(name: str) -> None:
    data = DAMAGED[name]()
    for read in (codecs.decode_photo, codecs.decode_mask, masks.read, lambda data: label_maps.read(data, "cihp")):
        with pytest.raises(codecs.CodecError) as raised:
            read(data)
        assert str(raised.value) and "\n" not in str(raised.value)


@pytest.mark.parametrize("name", ["gif, second frame", "tiff, second directory", "palette without colours", "nothing"])
@pytest.mark.parametrize("folder", ["image", "cloth"])
def test_a_damaged_photo_rejects_its_record_alone(dataset, tmp_path: Path, name: str, folder: str) -> None:
    bad = dataset.root / "test" / folder / ("00001_00.jpg")
    bad.write_bytes(DAMAGED[name]())
    out = tmp_path / "out"
    flags = ["--pairing", "paired", "--skip", SKIP, "--max-reject-rate", "1"]
    assert build_vitonhd.main(["--input", str(dataset.root), "--output", str(out), *flags]) == 0
    assert len(rows(out)) == 5
    assert [row["record_id"].endswith("00001_00+00001_00") for row in _rejects(out)] == [True]


def _rejects(out: Path) -> list[dict[str, str]]:
    import pyarrow.parquet as pq

    return pq.read_table(out / "rejects.parquet", use_threads=False).to_pylist()


@pytest.mark.parametrize("command", ["vitonhd", "photos"])
def test_files_that_are_none_or_too_large_are_rejected(dataset, tmp_path: Path, command: str) -> None:
    """A sparse file of 40 GB, a loop of links, a link that leads nowhere, a link out of the folder."""
    image = dataset.root / "test/image"
    (tmp_path / "secret.jpg").write_bytes(saved("JPEG"))
    _replace(image / "00000_00.jpg", lambda path: os.truncate(os.open(path, os.O_CREAT | os.O_WRONLY), 40 << 30))
    _replace(image / "00001_00.jpg", lambda path: path.symlink_to(path.name))
    _replace(image / "00002_00.jpg", lambda path: path.symlink_to("nowhere.jpg"))
    _replace(image / "00003_00.jpg", lambda path: path.symlink_to(tmp_path / "secret.jpg"))
    out = tmp_path / "out"
    flags = ["--output", str(out), "--skip", SKIP, "--max-reject-rate", "1"]
    if command == "vitonhd":
        assert build_vitonhd.main(["--input", str(dataset.root), "--pairing", "paired", *flags]) == 0
    else:
        folders = ["--persons", str(image), "--garments", str(dataset.root / "test/cloth")]
        assert build_photos.main([*folders, *flags]) == 0
    assert len(rows(out)) == 2
    told = [(row["source"] + row["record_id"], row["message"]) for row in _rejects(out)]
    assert len(told) == 4 and all(message for _, message in told)
    for number in range(4):
        assert any(f"0000{number}_00" in source for source, _ in told)
    assert any("at most" in message for _, message in told)


def _replace(path: Path, make) -> None:
    path.unlink()
    make(path)


def test_lists_and_tags_that_lead_out_of_the_folder_are_not_read(dataset, tmp_path: Path, capsys) -> None:
    tags = tmp_path / "tags.json"
    secret = {"data": [{"file_name": "00001_00.jpg", "tag_info": [{"tag_name": "SECRET", "tag_category": "SECRET"}]}]}
    tags.write_text(json.dumps(secret))
    (dataset.root / "test/vitonhd_test_tagged.json").unlink(missing_ok=True)
    (dataset.root / "test/vitonhd_test_tagged.json").symlink_to(tags)
    flags = ["--input", str(dataset.root), "--skip", SKIP]
    assert build_vitonhd.main([*flags, "--output", str(tmp_path / "out")]) == 0
    assert b"SECRET" not in b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    (tmp_path / "list.txt").write_text("SECRET.jpg SECRET.jpg\n")
    pairs = dataset.root / "test_pairs.txt"
    pairs.unlink()
    pairs.symlink_to(tmp_path / "list.txt")
    from schemas.cli.flags import UsageError

    with pytest.raises(UsageError, match="test_pairs.txt: test_pairs.txt leads out of the folder"):
        build_vitonhd.main([*flags, "--output", str(tmp_path / "other")])


@pytest.mark.parametrize(
    "tag_info", [5, "text", {"a": 1}, [5], [{"tag_name": 5}], [{"tag_name": "\ud800x", "tag_category": "y\udfff\0"}]]
)
def test_tags_of_any_kind_cost_no_record(dataset, tmp_path: Path, tag_info) -> None:
    entry = {"file_name": "00001_00.jpg", "category_name": "TOPS", "tag_info": tag_info}
    (dataset.root / "test/vitonhd_test_tagged.json").write_text(json.dumps({"data": [entry]}))
    out = tmp_path / "out"
    assert build_vitonhd.main(["--input", str(dataset.root), "--output", str(out), "--skip", SKIP]) == 0
    assert len(rows(out)) == 6


def test_json_from_outside_is_bounded() -> None:
    halves = json_text.parse('{"a": ["\\ud83d\\ude00 \\ud800"]}')
    assert json_text.whole(halves) == {"a": ["\N{GRINNING FACE} \N{REPLACEMENT CHARACTER}"]}
    for text in ("[" * 100_000, '{"a":' * 50_000, "9" * 5_000, "nonsense"):
        with pytest.raises(ValueError):
            json_text.parse(text)


def test_a_pipe_is_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for open_it in (regular.read, regular.opened):
        with pytest.raises(OSError, match="Not a file"):
            open_it(tmp_path / "pipe")
    folder = open_folder(str(tmp_path))
    assert folder.files() == {}
    for read in (folder.read, folder.open, folder.sha256):
        with pytest.raises(OSError, match="Not a file"):
            read("pipe")
    with pytest.raises(OSError, match="Is a directory"):
        open_folder(str(tmp_path.parent)).read(tmp_path.name)


def test_a_closed_folder_reads_what_lies_in_it_alone(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "out.txt").write_text("secret")
    (tmp_path / "in/there.txt").write_text("own")
    (tmp_path / "in/link.txt").symlink_to("there.txt")
    (tmp_path / "in/leak.txt").symlink_to(tmp_path / "out.txt")
    closed, plain = open_input(str(tmp_path / "in")), open_folder(str(tmp_path / "in"))
    assert closed.read("link.txt") == b"own" and plain.read("leak.txt") == b"secret"
    for read in (closed.read, closed.sha256, closed.entry):
        with pytest.raises(PermissionError, match="leads out"):
            read("leak.txt")


def test_corrected_pictures_that_are_no_good_reject_their_record(dataset, tmp_path: Path) -> None:
    out, masks_folder = tmp_path / "out", tmp_path / "masks"
    flags = ["--input", str(dataset.root), "--pairing", "paired", "--skip", SKIP]
    assert build_vitonhd.main([*flags, "--output", str(out)]) == 0
    masks_folder.mkdir()
    ids = [row["record_id"] for row in rows(out)]
    names = [record_id.replace("/", "__") for record_id in ids]
    (masks_folder / f"{names[0]}.png").write_bytes(tiff_with_a_lost_second_directory())
    os.truncate(os.open(masks_folder / f"{names[1]}.png", os.O_CREAT | os.O_WRONLY), 40 << 30)
    (masks_folder / f"{names[2]}.png").symlink_to(f"{names[2]}.png")
    (tmp_path / "secret.png").write_bytes(codecs.encode_mask(np.full((8, 8), 255, np.uint8)))
    (masks_folder / f"{names[3]}.png").symlink_to(tmp_path / "secret.png")
    new = tmp_path / "new"
    arguments = [str(out), "--from-folder", f"garment_mask={masks_folder}", "--output", str(new)]
    assert annotate.main([*arguments, "--max-reject-rate", "1"]) == 0
    assert {row["record_id"] for row in _rejects(new)} == set(ids[:4])
    assert len(rows(new)) == 2
