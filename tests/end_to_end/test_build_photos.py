"""Loose photos of any kind → records: pairs, canvases, turned pictures, hostile files, through the real command."""

import contextlib
import io
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from support.helpers import Result, draw

from annotators.functional import boxes
from annotators.functional import geometry as shapes
from pipelines import build_photos, validate
from pipelines.building import reading
from pipelines.building.configuration import Flags, configs_of, configure
from pipelines.sources.outcomes import Planned
from schemas import codecs, labels, shards
from schemas.cli.flags import UsageError
from schemas.folders import JoinedFolder, open_folder, open_input

Command = Callable[..., Result]
BUILD = "pipelines.build_photos"
WEIGHTLESS = ("--skip", "parse,keypoints,densepose,caption")
SMALL = ("--size", "128x96", *WEIGHTLESS)


def garment(height: int = 160, width: int = 120, ground: int = 255) -> Image.Image:
    """A red block on a plain ground."""
    pixels = np.full((height, width, 3), ground, np.uint8)
    pixels[height // 4 : -height // 4, width // 4 : -width // 4] = (180, 30, 40)
    return Image.fromarray(pixels)


class Photos:
    """Folders of persons and garments that tests fill."""

    def __init__(self, root: Path) -> None:
        self.persons, self.garments = root / "my persons", root / "garments"
        self.persons.mkdir(parents=True)
        self.garments.mkdir()

    def person(self, name: str, seed: int = 0) -> None:
        Image.fromarray(draw(seed)["person"]).save(self.persons / name)

    def garment(self, name: str, **look: int) -> None:
        garment(**look).save(self.garments / name)

    @property
    def flags(self) -> tuple[str, ...]:
        return ("--persons", str(self.persons), "--garments", str(self.garments))


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    made = Photos(tmp_path / "photos")
    for seed, name in enumerate(("b.webp", "a.png")):
        made.person(name, seed)
    for name in ("y.jpg", "x.png"):
        made.garment(name)
    return made


def rows(folder: Path) -> dict[str, dict]:
    found = {}
    for path in sorted(folder.glob("*-of-*")):
        with path.open("rb") as file:
            found |= {row["record_id"]: row for row in shards.ShardReader(file, path.name).rows()}
    return found


def rejects(folder: Path) -> list[dict[str, str]]:
    return pq.read_table(folder / "rejects.parquet").to_pylist()


def notes(row: dict) -> dict[str, str]:
    return {entry["column"]: entry["note"] or "" for entry in row["provenance"]}


def build(*arguments: object) -> tuple[int, dict, str]:
    """Runs the command in this process: exit code, its line of JSON, stderr."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = build_photos.main([str(word) for word in arguments])
    return code, json.loads(out.getvalue().splitlines()[-1]), err.getvalue()


def test_other_names_are_paired_in_order_and_shown(command: Command, photos: Photos, tmp_path: Path) -> None:
    (photos.persons / "notes.txt").write_text("no photo")
    (photos.persons / "._a.png").write_bytes(b"what a Mac leaves")
    out = tmp_path / "out"
    result = command(BUILD, *photos.flags, "--output", out, *SMALL)
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 2, 0), result.stderr
    assert "paired in order of names: a.png + x.png, b.webp + y.jpg" in result.stderr
    assert "persons: 1 file isn't used by any record, such as notes.txt" in result.stderr
    made = rows(out)
    assert list(made) == ["photos/train/a+x", "photos/train/b+y"]
    for row in made.values():
        assert (row["dataset"], row["split"], row["category"], row["garment_view"]) == (
            *("photos", "train", "upper_body", "flat"),
        )
        assert row["paired"] is False and (row["height"], row["width"]) == (128, 96)
    assert command("pipelines.validate", out).code == 0
    again = command(BUILD, *photos.flags, "--output", out, *SMALL)
    assert again.json["skipped_shards"] == 1
    manifest = (out / "manifest.json").read_text()
    assert str(tmp_path) not in manifest
    assert json.loads(manifest)["configuration"]["source_options"]["pairs"] == "auto"
    assert command(BUILD, *photos.flags, "--output", out, *SMALL, "--pairs", "all").code == 2, "another build"


def test_all_pairs_everyone_with_everything(photos: Photos, tmp_path: Path) -> None:
    photos.garment("a.jpg")
    photos.person("c.jpg", 3)
    out = tmp_path / "out"
    arguments = (*photos.flags, "--output", out, *SMALL, "--pairs", "all", "--split", "test", "--category", "dresses")
    code, line, _ = build(*arguments)
    assert (code, line["records"]) == (0, 9)
    made = rows(out)
    assert {(row["split"], row["category"]) for row in made.values()} == {("test", "dresses")}
    assert [key for key, row in made.items() if row["paired"]] == ["photos/test/a+a"], "the same id: a true pair"


def test_a_list_with_every_oddity(photos: Photos, tmp_path: Path) -> None:
    photos.person("zwei Wörter, eins.jpg")
    outside = tmp_path / "secret.jpg"
    garment().save(outside)
    (photos.persons / "link.jpg").symlink_to(outside)
    lines = (
        "person,garment\r\n\r\n   \r\na.png x.png\r\na.png x.png\r\n"
        "zwei Wörter, eins.jpg,y.jpg\r\n"
        '"zwei Wo\u0308rter, eins.jpg", "x.png"\r\n'
        f"../c.jpg x.png\r\n{outside} x.png\r\na.png ../garments/x.png\r\n"
        "gone.jpg x.png\r\na.png gone.png\r\na.png\r\nlink.jpg x.png\r\n"
    )
    (tmp_path / "pairs.csv").write_bytes(b"\xef\xbb\xbf" + lines.encode())
    out = tmp_path / "out"
    arguments = (*photos.flags, "--output", out, *SMALL, "--pairs", tmp_path / "pairs.csv", "--max-reject-rate", 1)
    code, line, error = build(*arguments)
    assert (code, line["records"], line["rejects"]) == (0, 3, 7), error
    assert set(rows(out)) == {f"photos/train/{key}" for key in ("a+x", "zwei Wörter, eins+x", "zwei Wörter, eins+y")}
    found = sorted((row["error"], row["source"].split(":")[1]) for row in rejects(out))
    assert found == [
        *(("malformed_line", "13"), ("missing_file", "11"), ("missing_file", "12"), ("outside_root", "10")),
        *(("outside_root", "14"), ("outside_root", "8"), ("outside_root", "9")),
    ]
    assert json.loads((out / "manifest.json").read_text())["counts"]["repeated_lines"] == 1


def test_ids_stay_unique(photos: Photos, tmp_path: Path) -> None:
    photos.person("c.jpg")
    for name in ("a.jpg", "a.png.jpg", "a+x.jpg", "x\n.jpg", "x\t.jpg"):
        photos.person(name)
    for name in ("x+x.png", "e\u0301.png", "\u00e9.png"):
        photos.garment(name)
    out = tmp_path / "out"
    code, line, error = build(*photos.flags, "--output", out, *SMALL, "--pairs", "all")
    assert (code, line["records"]) == (0, 8 * 5), error
    made = rows(out)
    assert len(made) == 40 and all(key.isprintable() for key in made)
    assert {row["person_id"] for row in made.values()} >= {"a.jpg", "b", "c"}
    assert len({row["person_id"] for row in made.values()}) == 8


@pytest.mark.skipif(os.name != "posix", reason="names of arbitrary bytes")
def test_a_name_that_is_no_unicode_is_a_reject(photos: Photos, tmp_path: Path) -> None:
    photos.person("c.jpg")
    (photos.persons / "a.png").rename(os.fsdecode(bytes(photos.persons) + b"/\xff\xfe.png"))
    code, line, _ = build(*photos.flags, "--output", tmp_path / "out", *SMALL, "--max-reject-rate", 1)
    assert (code, line["records"], line["rejects"]) == (0, 2, 1)
    assert rejects(tmp_path / "out")[0]["error"] == "unusable_name"


def test_a_garment_goes_to_its_canvas_or_keeps_its_framing(photos: Photos, tmp_path: Path) -> None:
    arguments = (*photos.flags, "--size", "256x192", *WEIGHTLESS)
    code, _, error = build(*arguments, "--output", tmp_path / "out")
    assert code == 0, error
    row = rows(tmp_path / "out")["photos/train/a+x"]
    image, mask = codecs.decode_image(row["garment_image"]["bytes"]), codecs.decode_mask(row["garment_mask"]["bytes"])
    x0, y0, x1, y1 = boxes.of_mask(mask)
    assert image.shape == (256, 192, 3) and (y1 - y0) / 256 == pytest.approx(0.85, abs=0.01)
    assert (image[mask == 0] == 246).all() and (image[y0 + 9 : y1 - 9, x0 + 9 : x1 - 9] == (180, 30, 40)).all()
    assert "cut out of 160x120" in notes(row)["garment_image"] and "grey 246" in notes(row)["garment_image"]
    build(*arguments, "--output", tmp_path / "none", "--garment-canvas", "none")
    row = rows(tmp_path / "none")["photos/train/a+x"]
    image, mask = codecs.decode_image(row["garment_image"]["bytes"]), codecs.decode_mask(row["garment_mask"]["bytes"])
    assert (image[:9] == 255).all() and boxes.of_mask(mask)[1] == pytest.approx(64, abs=2)
    assert "cut out" not in notes(row)["garment_image"]


def test_without_the_garment_mask_annotator_the_column_is_not_there(photos: Photos, tmp_path: Path) -> None:
    code, _, error = build(*photos.flags, "--output", tmp_path / "out", "--annotators", "quality")
    assert code == 0, error
    row = rows(tmp_path / "out")["photos/train/a+x"]
    assert "garment_mask" not in row and "garment_mask" not in notes(row) and "grey 246" in notes(row)["garment_image"]


def test_a_doubtful_garment_keeps_its_framing(photos: Photos, tmp_path: Path) -> None:
    pixels = np.full((160, 120, 3), 255, np.uint8)
    pixels[70:90, 50:60] = 0
    Image.fromarray(pixels).save(photos.garments / "x.png")
    code, _, error = build(*photos.flags, "--output", tmp_path / "out", "--size", "160x120", *WEIGHTLESS)
    assert code == 0, error
    row = rows(tmp_path / "out")["photos/train/a+x"]
    assert notes(row)["garment_image"] == "not cut out: a mask of 1% of the photo is doubtful"
    assert row["garment_image"]["bytes"] == (photos.garments / "x.png").read_bytes()


def test_worn_garments_wait_for_a_parse(photos: Photos, tmp_path: Path) -> None:
    code, _, error = build(*photos.flags, "--output", tmp_path / "out", *SMALL, "--garment-view", "worn")
    assert code == 0, error
    row = rows(tmp_path / "out")["photos/train/a+x"]
    assert row["garment_view"] == "worn" and row["garment_mask"] is None, "its colours don't tell cloth from person"
    assert "not cut out: worn" in notes(row)["garment_image"]
    assert validate.main([str(tmp_path / "out")]) == 0


@pytest.mark.parametrize("garment_canvas", build_photos.CANVASES)
def test_worn_garments_are_cut_out_by_their_parse(photos: Photos, garment_canvas: str) -> None:
    def parse(photo: np.ndarray) -> np.ndarray:
        found = np.zeros(photo.shape[:2], np.uint8)
        found[40:120, 30:90] = labels.Cihp.PANTS
        found[10:40, 30:90] = labels.Cihp.UPPER_CLOTHES
        return found

    root = JoinedFolder({"persons": open_folder(str(photos.persons)), "garments": open_folder(str(photos.garments))})
    configured = configure(Flags(size="128x96"), "photos", "photos", str(root), configs_of(Flags(), {}))
    changed = {"garment_canvas": garment_canvas, "columns": ("garment_mask",)}
    configured = type(configured)(**{**configured.__dict__, **changed})
    paths = {"person_image": ("persons/a.png", 0), "garment_image": ("garments/x.png", 0)}
    values = {"category": "lower_body", "garment_view": "worn"}
    made = reading.read(Planned("r", "train", values, paths, "list"), root, configured, parse)
    x0, y0, x1, y1 = boxes.of_mask(made.columns["garment_mask"])
    assert (x1 - x0) / (y1 - y0) == pytest.approx(60 / 80, abs=0.04), "the trousers alone"
    height = (y1 - y0) / 128
    assert height == pytest.approx(0.85 if garment_canvas == "vitonhd" else 0.5, abs=0.02)
    assert made.provenance["garment_mask"]["annotator"] == "parsing"
    assert made.columns["garment_image"].shape == (128, 96, 3)


def test_a_photo_taken_upside_down_is_upright(photos: Photos, tmp_path: Path) -> None:
    upright = draw(7)["person"]
    exif = Image.Exif()
    exif[0x0112] = 3
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_180)
    turned.save(photos.persons / "a.png", exif=exif)
    code, _, error = build(*photos.flags, "--output", tmp_path / "out", *WEIGHTLESS, "--size", "256x256")
    assert code == 0, error
    row = rows(tmp_path / "out")["photos/train/a+x"]
    assert "turned upright (EXIF orientation 3)" in notes(row)["person_image"]
    stored = codecs.decode_image(row["person_image"]["bytes"])
    geometry = shapes.Geometry(**row["geometry"], height=256, width=256)
    assert (geometry.source_height, geometry.source_width) == upright.shape[:2]
    y, x = np.mgrid[4:124:8, 4:92:8]
    points = geometry.to_stored(np.stack([x.ravel(), y.ravel()], axis=1) + 0.5).astype(int)
    pasted, own = stored[points[:, 1], points[:, 0]], upright[y.ravel(), x.ravel()]
    assert np.abs(pasted.astype(int) - own).mean() < 12, "every stored pixel shows the original pixel it came from"


def test_heic_without_its_plug_in_says_so(photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos.persons / "a.HEIC").write_bytes(b"\0\0\0\x18ftypheic")
    photos.garment("z.png")
    reading._reads_heif.cache_clear()
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    code, line, _ = build(*photos.flags, "--output", tmp_path / "out", *SMALL, "--max-reject-rate", 1)
    assert (code, line["rejects"]) == (0, 1)
    assert "pillow-heif" in rejects(tmp_path / "out")[0]["message"]
    reading._reads_heif.cache_clear()


def test_heic_as_phones_write_it(photos: Photos, tmp_path: Path) -> None:
    pillow_heif = pytest.importorskip("pillow_heif")
    pillow_heif.register_heif_opener()
    upright, exif = draw(7)["person"], Image.Exif()
    exif[0x0112] = 3
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_180)
    photos.garment("z.png")
    turned.save(photos.persons / "a.heic", exif=exif.tobytes(), quality=95)
    (photos.persons / "a.png").unlink()
    code, _, error = build(*photos.flags, "--output", tmp_path / "out", *WEIGHTLESS, "--size", "128x96")
    assert code == 0, error
    stored = codecs.decode_image(rows(tmp_path / "out")["photos/train/a+x"]["person_image"]["bytes"])
    assert np.abs(stored.astype(int) - upright).mean() < 20


USAGE = [
    (("--persons", "{persons}"), "allowed are --persons DIR with --garments DIR"),
    (("--persons", "{persons}", "--garments", "nowhere"), "--garments 'nowhere' is no folder"),
    (("--persons", "hats://x", "--garments", "{garments}"), "--persons 'hats://x'"),
    (("--persons", "{persons}", "--garments", "{empty}"), "no photo in"),
    (("--input", "{persons}"), "expected persons/ and garments/"),
    (
        ("--persons", "{persons}", "--garments", "{garments}", "--pairs", "nofile"),
        "allowed are auto, name, zip, all, or a file",
    ),
    (("--persons", "{persons}", "--garments", "{garments}", "--category", "hats"), "'hats' (choose from"),
    (("--persons", "{persons}", "--garments", "{garments}"), "weights pose_landmarker not found"),
]


@pytest.mark.parametrize(("arguments", "message"), USAGE, ids=[message for _, message in USAGE])
def test_usage_errors(photos: Photos, tmp_path: Path, arguments: tuple[str, ...], message: str) -> None:
    (tmp_path / "empty").mkdir()
    places = {"persons": photos.persons, "garments": photos.garments, "empty": tmp_path / "empty"}
    with pytest.raises(UsageError) as caught:
        build_photos.main([*(word.format(**places) for word in arguments), "--output", str(tmp_path / "out")])
    assert message in str(caught.value) and not (tmp_path / "out").exists()


def test_folders_join_wherever_they_are(photos: Photos, tmp_path: Path) -> None:
    remote = open_folder(f"memory://{tmp_path.name}")
    remote.make()
    for name in ("x.png", "y.jpg"):
        remote.write(name, (photos.garments / name).read_bytes())
    root = open_input(str(JoinedFolder({"persons": open_folder(str(photos.persons)), "garments": remote})))
    assert root.is_folder() and root.folders() == ["garments", "persons"] and root.files() == {}
    assert list(root.files("garments")) == ["x.png", "y.jpg"] and root.files("hats") == {}
    assert root.read("garments/x.png") == (photos.garments / "x.png").read_bytes()
    assert root.entry("persons/a.png").size == (photos.persons / "a.png").stat().st_size
    assert root.sha256("garments/x.png") == open_folder(str(photos.garments)).sha256("x.png")
    assert root.escapes("../a.png") and root.escapes("persons/../../x") and not root.escapes("persons/a.png")
    with pytest.raises(FileNotFoundError):
        root.read("hats/a.png")
    code, line, error = build(
        "--persons", photos.persons, "--garments", str(remote), "--output", tmp_path / "out", *SMALL
    )
    assert (code, line["records"]) == (0, 2), error


NAMES = st.text(st.characters(exclude_characters="/\0", exclude_categories=("Cs",)), min_size=1, max_size=20)
MODES = ("1", "L", "P", "RGB", "RGBA", "CMYK", "I;16", "LA", "F")
ENDINGS = {"JPEG": ".jpg", "PNG": ".PNG", "WEBP": ".webp", "BMP": ".bmp", "TIFF": ".tif"}


@st.composite
def files(draw):
    """A file name and its bytes: mostly a picture of some size, mode and format, sometimes damaged."""
    file_format = draw(st.sampled_from(sorted(ENDINGS)))
    sizes = st.one_of(st.tuples(st.integers(1, 90), st.integers(1, 90)), st.sampled_from([(1, 1), (1, 700), (900, 2)]))
    data = picture(draw(sizes), draw(st.sampled_from(MODES)), file_format, draw(st.integers(0, 9)))
    cut = draw(st.sampled_from([None, None, None, 0, 0.5]))
    return draw(NAMES) + ENDINGS[file_format], data if cut is None else data[: int(cut * len(data))]


def picture(size: tuple[int, int], mode: str, file_format: str, seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    pixels[size[0] // 4 : size[0] // 2 + 1] = 20 * seed
    image, buffer, exif = Image.fromarray(pixels), io.BytesIO(), Image.Exif()
    exif[0x0112] = seed
    image = image.convert("I").convert("I;16") if mode == "I;16" else image.convert(mode)
    try:
        image.save(buffer, file_format, exif=exif)
    except (OSError, ValueError, TypeError):  # a mode that this format can't hold
        image.convert("RGB").save(buffer, file_format)
    return buffer.getvalue()


def fill(folder: Path, contents: list[tuple[str, bytes]]) -> None:
    folder.mkdir()
    for name, data in contents:
        with contextlib.suppress(OSError):  # too long in bytes
            (folder / name).write_bytes(data)


@settings(max_examples=8, suppress_health_check=list(HealthCheck))
@given(
    st.lists(files(), min_size=1, max_size=4),
    st.lists(files(), min_size=1, max_size=3),
    st.sampled_from(["all", "zip"]),
    st.sampled_from(shapes.FITS),
)
def test_no_file_stops_a_build(persons, clothes, pairs, fit) -> None:
    with tempfile.TemporaryDirectory() as place:
        root = Path(place)
        fill(root / "p", [*persons, ("ok.png", picture((40, 30), "RGB", "PNG", 1))])
        fill(root / "g", [*clothes, ("ok.png", picture((40, 30), "RGB", "PNG", 2))])
        flags = ("--persons", root / "p", "--garments", root / "g", "--pairs", pairs, "--fit", fit)
        try:
            code, line, error = build(*flags, "--output", root / "out", "--size", "64x48", *WEIGHTLESS)
        except UsageError as unequal:
            assert pairs == "zip" and "can't be paired one to one" in str(unequal)
            return
        visible = [len([n for n in os.listdir(root / f) if not n.startswith(".")]) for f in ("p", "g")]
        expected = visible[0] * visible[1] if pairs == "all" else min(visible)
        assert code in (0, 3) and line["records"] + line["rejects"] == expected, error
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            assert validate.main([str(root / "out")]) == 0 or line["records"] == 0


def test_large_photos(tmp_path: Path) -> None:
    made = Photos(tmp_path / "photos")
    Image.fromarray(np.zeros((4000, 6000, 3), np.uint8) + np.arange(6000, dtype=np.uint8)[None, :, None]).save(
        made.persons / "a.jpg"
    )
    made.garment("a.jpg", height=4000, width=3000)
    code, line, error = build(*made.flags, "--output", tmp_path / "out", *WEIGHTLESS)
    assert (code, line["records"]) == (0, 1), error
    (row,) = rows(tmp_path / "out").values()
    assert (row["height"], row["width"], row["paired"]) == (1024, 768, True)
    assert row["geometry"]["scale_x"] == 768 / 6000 and "cut out of 4000x3000" in notes(row)["garment_image"]


def test_real_photos_with_the_pose_model_alone(command: Command, data: Path, models: Path, tmp_path: Path) -> None:
    flags = ("--persons", data / "photos/person", "--garments", data / "photos/garment", "--weights", models)
    out = tmp_path / "out"
    result = command(BUILD, *flags, "--output", out, "--skip", "parse,densepose,caption")
    assert (result.code, result.json["records"], result.json["rejects"]) == (0, 6, 0), result.stderr
    for row in rows(out).values():
        joints = np.asarray(row["keypoints"], np.float32).reshape(25, 3)
        assert (joints[:9, 2] > 0).all(), "head, arms and hips of everybody"
        mask = codecs.decode_mask(row["garment_mask"]["bytes"])
        image = codecs.decode_image(row["garment_image"]["bytes"])
        x0, y0, x1, y1 = boxes.of_mask(mask)
        assert max((y1 - y0) / 1024 / 0.85, (x1 - x0) / 768 / 0.9) == pytest.approx(1, abs=0.01)
        assert np.abs(image[mask == 0].astype(int) - 246).max() < 40 and np.median(image[mask == 0]) == 246
        assert row["high_frequency_map"] is not None and row["parse"] is None
    assert command("pipelines.validate", out).code == 0
