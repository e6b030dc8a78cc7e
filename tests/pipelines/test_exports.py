"""Layouts of other people's datasets, in process on small drawn records."""

import io
import json
import tarfile
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support import finished
from support.helpers import HEIGHT, WIDTH, draw

from pipelines import export, exports
from pipelines.building import rewrite
from pipelines.exports import _cells, _keypoints, _names
from pipelines.sources.tryon import vitonhd
from schemas import codecs
from schemas.cli.flags import UsageError
from schemas.folders import LocalFolder, RemoteFolder, open_folder
from schemas.foreign import keypoints as keypoint_files
from schemas.labels import Atr, Body25, Cihp, Coco18

Rows = list[dict[str, Any]]


def run(folder: Path, layout: str, output: Path, require: tuple[str, ...] = (), **options: Any) -> export.Report:
    config = exports.load(layout).Config(**options)
    opened = rewrite.open_finished(str(folder), export.SMALL)
    return export.export(opened, layout, config, LocalFolder(str(output)), require)


def made(tmp_path: Path, layout: str, rows: Rows, **options: Any) -> tuple[Path, export.Report]:
    output = tmp_path / "out"
    return output, run(finished.write(tmp_path / "shards", rows), layout, output, **options)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def pairs(*names: str, split: str = "test", **changed: Any) -> Rows:
    """Records that pair each person with the next one's garment."""
    around = [*names[1:], names[0]]
    garments = {name: draw(i)["garment"] for i, name in enumerate(names)}
    photos = {name: {"bytes": codecs.encode_jpeg(garment), "path": "x.jpg"} for name, garment in garments.items()}
    rows = [finished.row(a, b, split, i, **changed) for i, (a, b) in enumerate(zip(names, around, strict=True))]
    return [row | {"garment_image": photos[row["garment_id"]], "garment_mask": None} for row in rows]


def test_vitonhd_files_have_the_forms_that_readers_expect(tmp_path: Path) -> None:
    rows = [finished.row("a", "a", "train", 1), *pairs("a", "b", "c")]
    out, report = made(tmp_path, "vitonhd", rows)
    assert report.written.problems == [] and report.written.kept == 0
    assert json.loads((out / "_export.json").read_bytes())["complete"]
    for folder, ending, mode in (
        ("image", ".jpg", "RGB"),
        ("cloth", ".jpg", "RGB"),
        ("cloth-mask", ".jpg", "L"),
        ("image-parse-v3", ".png", "P"),
        ("image-parse-agnostic-v3.2", ".png", "P"),
        ("agnostic-v3.2", ".jpg", "RGB"),
        ("agnostic-mask", "_mask.png", "RGB"),
        ("image-densepose", ".jpg", "RGB"),
        ("openpose_img", "_rendered.png", "RGB"),
        ("gt_cloth_warped_mask", ".jpg", "L"),
    ):
        with Image.open(out / f"train/{folder}/a{ending}") as image:
            assert (image.mode, image.size) == (mode, (WIDTH, HEIGHT)), folder
    assert (out / "train/image/a.jpg").read_bytes() == rows[0]["person_image"]["bytes"]
    assert (out / "train/image-parse-v3/a.png").read_bytes() == rows[0]["parse"]["bytes"]
    mask = np.asarray(Image.open(out / "train/agnostic-mask/a_mask.png"))
    assert set(np.unique(mask)) == {0, 255} and (mask == mask[..., :1]).all()
    worn = codecs.decode_mask((out / "train/gt_cloth_warped_mask/a.jpg").read_bytes())
    assert np.array_equal(worn > 0, codecs.decode_label_map(rows[0]["parse"]["bytes"], "cihp") == Cihp.UPPER_CLOTHES)
    assert not (out / "test/gt_cloth_warped_mask").exists()  # nobody in test wears the garment of the record


def test_vitonhd_lists(tmp_path: Path) -> None:
    own = finished.row("a", "a", "test", 0) | {"garment_image": pairs("a", "b", "c")[2]["garment_image"]}
    out, _ = made(tmp_path, "vitonhd", [finished.row("x", "x", "train", 5), *pairs("a", "b", "c"), own])
    unpaired = "a.jpg b.jpg\nb.jpg c.jpg\nc.jpg a.jpg\na.jpg a.jpg\n"
    assert (out / "train_pairs.txt").read_text() == "x.jpg x.jpg\n"
    assert (out / "test_pairs.txt").read_text() == (out / "test_pairs_unpaired.txt").read_text() == unpaired
    assert (out / "test_pairs_paired.txt").read_text() == "a.jpg a.jpg\nb.jpg b.jpg\nc.jpg c.jpg\n"
    assert json.loads((out / "train/vitonhd_train_tagged.json").read_bytes()) == {"data": []}


def test_pairs_paired_lists_persons_whose_own_garment_is_in_the_tree(tmp_path: Path) -> None:
    """Readers take the second name as the garment's file: cloth/a.jpg has to be there."""
    out, _ = made(tmp_path, "vitonhd", [row for row in pairs("a", "b", "c") if row["person_id"] != "c"])
    assert {path.name for path in (out / "test/cloth").iterdir()} == {"b.jpg", "c.jpg"}
    assert (out / "test_pairs.txt").read_text() == "a.jpg b.jpg\nb.jpg c.jpg\n"
    assert (out / "test_pairs_paired.txt").read_text() == "b.jpg b.jpg\n"


def test_the_first_release_has_other_names(tmp_path: Path) -> None:
    out, _ = made(tmp_path, "vitonhd", [finished.row("a", "a")], names="first")
    assert {p.name for p in (out / "test").iterdir() if "openpose" in p.name or p.name.startswith("image-parse")} == {
        "image-parse",
        "image-parse-agnostic-v3.2",
        "openpose-img",
        "openpose-json",
    }


def test_unpaired_records_of_train_are_left_out(tmp_path: Path) -> None:
    rows = [*pairs("a", "b", split="train"), finished.row("c", "c", "train", 4)]
    out, report = made(tmp_path, "vitonhd", rows)
    assert sorted(report.left_out) == ["made/train/a+b", "made/train/b+a"] and not report.written.problems
    assert (out / "train_pairs.txt").read_text() == "c.jpg c.jpg\n"
    assert [p.name for p in (out / "train/image").iterdir()] == ["c.jpg"]
    (told,) = json.loads((out / "_export.json").read_bytes())["left_out"].values()
    assert told == sorted(report.left_out)


def test_in_pairs_the_garment_is_called_after_the_person(tmp_path: Path) -> None:
    rows = [finished.row("p1", "g7", "train", 0, paired=True), finished.row("p2", "g7", "train", 1, paired=True)]
    rows[1] |= {"garment_image": rows[0]["garment_image"], "garment_mask": rows[0]["garment_mask"]}
    out, report = made(tmp_path, "vitonhd", rows)
    assert (out / "train_pairs.txt").read_text() == "p1.jpg p1.jpg\np2.jpg p2.jpg\n" and report.renamed == 1
    assert (out / "train/cloth/p1.jpg").read_bytes() == (out / "train/cloth/p2.jpg").read_bytes()


@pytest.mark.parametrize("layout", ["vitonhd", "dresscode", "imagefolder", "webdataset"])
def test_ids_never_lead_out_of_the_folder(layout: str, tmp_path: Path) -> None:
    hostile = ["../../../x", "..", "a b", "CON", "x.jpg.jpg", ".tmp-1", "é" * 200, "t\tn\nl", "/etc/passwd", "c:\\x"]
    rows = [finished.row(name, name, "train", i) for i, name in enumerate(hostile)]
    out, report = made(tmp_path, layout, rows)
    assert not report.written.problems and {p.name for p in tmp_path.iterdir()} == {"out", "shards"}
    if layout == "vitonhd":
        lines = [line.split() for line in (out / "train_pairs.txt").read_text(encoding="utf-8").splitlines()]
        assert len(lines) == len(hostile) and all(len(line) == 2 for line in lines)
        for person, _ in lines:
            assert (out / "train/image" / person).is_file() and len(person.encode()) < 200
            assert (out / "train/agnostic-mask" / person.replace(".jpg", "_mask.png")).is_file()


@given(st.text(max_size=60))
def test_plain_names(name: str) -> None:
    made = _names.plain(name)
    assert made and not set(made) & set('/\\:*?"<>|\0') and not made.startswith(".") and not made.endswith(".")
    assert len(made.split()) == 1 and len(made.encode("utf-8", "surrogatepass")) <= _names.LONGEST
    assert ".jpg" not in made.lower() and _names.plain(made) == made


@pytest.mark.parametrize("layout", ["vitonhd", "dresscode"])
@pytest.mark.parametrize("names", [("Anna", "anna"), ("a b", "a_b")])
def test_ids_that_would_share_a_name_are_refused(layout: str, names: tuple[str, str], tmp_path: Path) -> None:
    rows = [finished.row(name, name, "train", i) for i, name in enumerate(names)]
    with pytest.raises(UsageError, match="would share their file names"):
        made(tmp_path, layout, rows)
    assert not (tmp_path / "out").exists()


def test_a_file_of_several_records_is_written_once_by_the_first_that_has_it(tmp_path: Path) -> None:
    first, second, third = (finished.row("p", name, "test", 0) for name in ("g0", "g1", "g2"))
    for i, row in enumerate((first, second, third)):
        row["garment_image"] = {"bytes": codecs.encode_jpeg(draw(i)["garment"]), "path": "x.jpg"}
    first["parse"] = None
    out, report = made(tmp_path, "vitonhd", [first, second, third])
    assert not report.written.problems and len(list((out / "test/image").iterdir())) == 1
    assert (out / "test/image-parse-v3/p.png").read_bytes() == second["parse"]["bytes"]


def test_records_that_disagree_on_a_file_are_told(tmp_path: Path) -> None:
    rows = [finished.row("p", f"g{i}", "test", i) for i in range(3)]
    out, report = made(tmp_path, "vitonhd", rows)
    found = [problem for problem in report.written.problems if "test/image/p.jpg" in problem]
    assert [problem.split(":")[0] for problem in found] == ["made/test/p+g1", "made/test/p+g2"]
    assert (out / "test/image/p.jpg").read_bytes() == rows[0]["person_image"]["bytes"]
    mark = json.loads((out / "_export.json").read_bytes())
    assert not mark["complete"] and mark["problems"] == report.written.problems


@pytest.mark.parametrize("layout", exports.names())
def test_same_bytes_whatever_the_threads_the_format_and_after_a_stop(
    layout: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [*(finished.row(f"t{i}", f"t{i}", "train", i) for i in range(2)), *pairs("a", "b", "c")]
    rows[3] |= {"parse": None, "keypoints": None}
    shards = finished.write(tmp_path / "shards", rows)
    run(shards, layout, tmp_path / "whole")
    whole = tree(tmp_path / "whole")
    for workers in (1, 8):
        monkeypatch.setattr(export, "ThreadPoolExecutor", partial(ThreadPoolExecutor, workers))
        run(shards, layout, tmp_path / f"{workers}")
        assert tree(tmp_path / f"{workers}") == whole
    files = [name for name in whole if name != export.MARK]
    for name in files[::3]:
        (tmp_path / "1" / name).unlink()
    kept = {name: (tmp_path / "1" / name).stat().st_mtime_ns for name in files if name not in files[::3]}
    (tmp_path / "1" / Path(files[0]).parent / ".tmp-x-1-1").write_bytes(b"half")
    report = run(shards, layout, tmp_path / "1")
    assert tree(tmp_path / "1") == whole
    assert {name: (tmp_path / "1" / name).stat().st_mtime_ns for name in kept} == kept
    assert (report.written.files, report.written.kept) == (len(files[::3]), len(kept))
    arrow = finished.write(tmp_path / "arrow", rows, file_format="arrow")
    run(arrow, layout, tmp_path / "from_arrow")
    assert {k: v for k, v in tree(tmp_path / "from_arrow").items() if k != export.MARK} == {n: whole[n] for n in files}


def test_a_picture_that_is_no_jpeg_is_told_as_lossy(tmp_path: Path) -> None:
    row = finished.row("a", "a", "train")
    row["person_image"] = {"bytes": codecs.encode_png(draw(0)["person"]), "path": "a.png"}
    out, report = made(tmp_path, "vitonhd", [row])
    assert report.lossy == ["agnostic_image", "person_image"]
    with Image.open(out / "train/image/a.jpg") as image:
        assert image.format == "JPEG" and image.layer[1][1:3] == (1, 1)  # no chroma subsampling
        assert np.abs(np.asarray(image).astype(int) - draw(0)["person"]).mean() < 5


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_jpeg_masks_give_the_mask_again(height: int, width: int, seed: int, share: float) -> None:
    mask = np.where(np.random.default_rng(seed).random((height, width)) < share, np.uint8(255), np.uint8(0))
    with Image.open(io.BytesIO(_cells.grey_jpeg(mask))) as image:
        assert image.mode == "L" and np.array_equal(np.asarray(image) >= 128, mask > 0)


def test_a_damaged_cell_is_told_and_its_record_not_listed(tmp_path: Path) -> None:
    rows = pairs("a", "b", "c")
    rows[1]["agnostic_mask"] = {"bytes": b"nothing", "path": "x.png"}
    out, report = made(tmp_path, "vitonhd", rows)
    assert report.written.problems == ["made/test/b+c: agnostic_mask: not a picture"]
    assert (out / "test_pairs.txt").read_text() == "a.jpg b.jpg\nc.jpg a.jpg\n"
    assert (out / "test/image-parse-v3/b.png").is_file() and not (out / "test/agnostic-mask/b_mask.png").exists()


def test_require_leaves_out_what_a_reader_would_miss(tmp_path: Path) -> None:
    rows = pairs("a", "b", "c")
    rows[1]["agnostic_mask"] = None
    out, report = made(tmp_path, "vitonhd", rows, require=("agnostic_mask",))
    assert report.left_out == {"made/test/b+c": "without agnostic_mask"}
    assert {p.name for p in (out / "test/image").iterdir()} == {"a.jpg", "c.jpg"}
    with pytest.raises(UsageError, match="--require 'nose'"):
        run(tmp_path / "shards", "vitonhd", tmp_path / "other", ("nose",))
    with pytest.raises(UsageError, match=r"another export \(require was"):
        run(tmp_path / "shards", "vitonhd", out)


TAGS = [{"name": "item", "value": "Skirt"}, {"name": "shape", "value": None}]


def test_words_come_back(tmp_path: Path) -> None:
    captions = [{"text": "ein Rock, «schön»", "model": "blip"}, {"text": "b", "model": None}]
    texts: dict[str, Any] = {"caption": "ein Rock", "garment_caption": "Rock", "captions": captions}
    rows = [
        finished.row("a", "a", "train", 0, category="lower_body", tags=TAGS, **texts),
        finished.row("b", "b", "train", 1, category="dresses"),
        finished.row("c", "c", "train", 2),
    ]
    out, _ = made(tmp_path, "vitonhd", rows)
    listed = vitonhd.listing(open_folder(str(out)), "all", "unpaired").records
    for row, item in zip(rows, listed, strict=True):
        for name in ("person_id", "garment_id", "category", "paired", "tags", *texts):
            assert item.values.get(name) == row.get(name), name
    tags = json.loads((out / "train/vitonhd_train_tagged.json").read_bytes())["data"]
    assert [item["file_name"] for item in tags] == ["a.jpg", "b.jpg"]  # without tags "shirts" is the better caption
    box = {item["image_path"]: item["bbox"] for item in tags[0]["image"]}["cloth"]
    columns = np.flatnonzero((codecs.decode_mask(rows[0]["garment_mask"]["bytes"]) > 0).any(axis=0))
    assert box["left"] == pytest.approx(columns[0] / WIDTH, abs=1e-6)
    assert box["width"] == pytest.approx((columns[-1] + 1 - columns[0]) / WIDTH, abs=1e-6)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"data": 3}',
        '{"data": [3, {"person": "a.jpg"}]}',
        "[" * 100_000,
        '{"data": [{"person": "a.jpg", "garment": "a.jpg", "caption": 3, "captions": [4, {"text": "\\ud800"}]}]}',
    ],
)
def test_captions_are_read_with_care(text: str, tmp_path: Path) -> None:
    out, _ = made(tmp_path, "vitonhd", [finished.row("a", "a", "train")])
    (out / "train/train_captions.json").write_text(text)
    (item,) = vitonhd.listing(open_folder(str(out)), "all", "unpaired").records
    assert not {"caption", "captions", "garment_caption"} & set(item.values)
    assert (
        "train_captions.json is unreadable"
        in item.values.get("notes", {"caption": "train_captions.json is unreadable"})["caption"]
    )


def test_keypoints_are_exact(tmp_path: Path) -> None:
    generator = np.random.default_rng(3)
    hands, face = (generator.random((n, 3), np.float32) * 1000 for n in (42, 70))
    body = generator.random((25, 3), np.float32) * np.float32(1e3)
    row = finished.row("a", "a", keypoints=body, keypoints_hands=hands, keypoints_face=face)
    out, _ = made(tmp_path, "vitonhd", [row])
    found = keypoint_files.read((out / "test/openpose_json/a_keypoints.json").read_bytes()).columns
    for name, value in (("keypoints", body), ("keypoints_hands", hands), ("keypoints_face", face)):
        assert np.array_equal(found[name], value), name


def test_warped_garments_go_where_mv_vton_looks(tmp_path: Path) -> None:
    drawn = draw(1)
    warped = {"warped_garment_image": drawn["garment"], "warped_garment_mask": drawn["mask"]}
    out, _ = made(tmp_path, "vitonhd", [finished.row("a", "a", "train", **warped), *pairs("a", "b", **warped)])
    assert (out / "train/cloth-warp/a.jpg").is_file() and (out / "train/cloth-warp-mask/a.jpg").is_file()
    assert {p.name for p in (out / "test").iterdir() if "warp" in p.name} == {
        "unpaired-cloth-warp",
        "unpaired-cloth-warp-mask",
    }


def test_dresscode_files_and_lists(tmp_path: Path) -> None:
    surface = np.stack([np.full((HEIGHT, WIDTH), v, np.uint8) for v in (7, 51, 255)], axis=2)
    atr = np.full((HEIGHT, WIDTH), Atr.NECK, np.uint8)
    rows = [
        finished.row(
            "013_00", "013_00", "train", 0, category="dresses", densepose=surface, garment_caption="a\n dress"
        ),
        finished.row("2", "2", "test", 1, parse_atr=atr, parse=None),
        finished.row("3", "2", "test", 1),
    ]
    rows[2] |= {name: rows[1][name] for name in ("garment_image", "garment_mask")}
    out, report = made(tmp_path, "dresscode", rows)
    assert not report.written.problems and set(report.lossy) == {"keypoints", "parse", "parse_atr"}
    assert (out / "dresses/train_pairs.txt").read_text() == "013_00_0.jpg 013_00_1.jpg\n"
    assert (out / "train_pairs.txt").read_text() == "013_00_0.jpg 013_00_1.jpg 2\n"
    assert (out / "upper_body/test_pairs_paired.txt").read_text() == "2_0.jpg 2_1.jpg\n"
    assert (out / "upper_body/test_pairs_unpaired.txt").read_text() == "3_0.jpg 2_1.jpg\n"
    assert (out / "lower_body/test_pairs_paired.txt").read_bytes() == b""
    assert (out / "dresses/dc_caption.txt").read_text() == "013_00_1.jpg a dress\n"
    found = {str(p.relative_to(out)) for p in (out / "dresses").rglob("013*")}
    names = ("images/%s_0.jpg", "images/%s_1.jpg", "keypoints/%s_2.json", "label_maps/%s_4.png", "skeletons/%s_5.jpg")
    names += ("dense/%s_5.png", "dense/%s_5_uv.npz", "masks/%s_1.png", "agnostic_masks/%s_0.png")
    assert found == {f"dresses/{name.replace('%s', '013_00')}" for name in (*names, "image-densepose/%s_0.jpg")}
    parse = codecs.decode_label_map((out / "dresses/label_maps/013_00_4.png").read_bytes(), "atr")
    assert set(np.unique(parse)) == {0, Atr.UPPER_CLOTHES, Atr.PANTS, Atr.FACE, Atr.LEFT_ARM, Atr.RIGHT_ARM}
    assert (np.asarray(Image.open(out / "upper_body/label_maps/2_4.png")) == Atr.FACE).all()
    assert (np.asarray(Image.open(out / "dresses/dense/013_00_5.png")) == 7).all()
    with np.load(out / "dresses/dense/013_00_5_uv.npz") as arrays:
        assert np.array_equal(np.rint(arrays["uv"] * 255), np.moveaxis(surface[..., 1:], 2, 0))


def test_dresscode_ids_can_be_dashed_for_readers_that_replace_every_0(tmp_path: Path) -> None:
    out, report = made(tmp_path, "dresscode", [finished.row("013_00", "013_00", "train", 0)], ids="dashed")
    assert (out / "upper_body/train_pairs.txt").read_text() == "013-00_0.jpg 013-00_1.jpg\n"
    assert report.renamed == 2


def test_dresscode_keypoints_lie_in_its_own_frame() -> None:
    body = np.zeros((25, 3), np.float32)
    body[Body25.NOSE], body[Body25.RIGHT_HIP], body[Body25.MID_HIP] = (384, 512, 0.5), (96, 64, 0.1), (9, 9, 1)
    points = json.loads(_keypoints.dress_code(body, height=1024, width=768))["keypoints"]
    assert len(points) == 18 and points[Coco18.NOSE] == [192, 256, 0.5, Coco18.NOSE]
    assert points[Coco18.RIGHT_HIP] == [48, 32, 0.1, Coco18.RIGHT_HIP] and points[Coco18.NECK] == [0, 0, 0, -1]


def test_dresscode_needs_categories(tmp_path: Path) -> None:
    rows = [finished.row("a", "a", category=None), finished.row("b", "b", seed=1)]
    out, report = made(tmp_path, "dresscode", rows)
    assert len(report.written.problems) == len(report.left_out) == 1 and "category None" in report.written.problems[0]
    assert [p.name for p in (out / "upper_body/images").iterdir() if "a_" in p.name] == []


def test_tars_hold_nothing_of_this_machine(tmp_path: Path) -> None:
    rows = [*pairs("a.b", "b", "c"), finished.row("x", "x", "train", 7)]
    out, report = made(tmp_path, "webdataset", rows)
    assert [p.name for p in sorted(out.glob("*.tar"))] == ["test-00000.tar", "test-00001.tar", "train-00000.tar"]
    with tarfile.open(out / "test-00000.tar") as tar:
        members = tar.getmembers()
        words = json.load(tar.extractfile("made__test__a_b+b.json"))
        ids = np.asarray(Image.open(tar.extractfile("made__test__a_b+b.parse.png")))
        mask = Image.open(tar.extractfile("made__test__a_b+b.agnostic_mask.png"))
        photo = tar.extractfile("made__test__a_b+b.person_image.jpg").read()
    assert {(m.mtime, m.uid, m.gid, m.uname, m.gname, m.mode) for m in members} == {(0, 0, 0, "", "", 0o644)}
    assert [m.name for m in members] == sorted(m.name for m in members)
    assert words["record_id"] == "made/test/a.b+b" and words["category"] == "upper_body"
    assert np.array_equal(np.float32(words["keypoints"]), rows[0]["keypoints"])
    assert ids.ndim == 2 and set(np.unique(ids)) == {0, 5, 9, 13, 14, 15} and mask.mode == "L"
    assert photo == rows[0]["person_image"]["bytes"] and report.lossy == []


def test_webdataset_reads_the_tars(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    out, _ = made(tmp_path, "webdataset", pairs("a", "b", "c"))
    urls = [str(p) for p in sorted(out.glob("*.tar"))]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["json"]["person_id"] for sample in samples] == ["a", "b", "c"]
    assert set(np.unique(samples[0]["parse.png"])) == {0, 5, 9, 13, 14, 15}


def test_a_kept_tar_tells_again_what_it_lacks(tmp_path: Path) -> None:
    rows = pairs("a", "b", "c")
    rows[1]["agnostic_mask"], rows[2]["parse"] = {"bytes": b"", "path": "x.png"}, None
    out, report = made(tmp_path, "webdataset", rows, require=("parse",))
    assert report.written.problems == ["made/test/b+c: agnostic_mask: empty file"]
    before = tree(out)
    again = run(tmp_path / "shards", "webdataset", out, ("parse",))
    assert (again.written.files, again.written.kept, again.written.records) == (0, 2, 3) and tree(out) == before
    assert (again.written.problems, again.left_out) == (report.written.problems, report.left_out)


@pytest.mark.parametrize("complete", [True, False])
def test_datasets_reads_the_imagefolder(complete: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    rows = [*pairs("a", "b", tags=TAGS), finished.row("t", "t", "train", 3, tags=TAGS)]
    rows[0]["agnostic_mask"] = rows[2]["garment_mask"] = None
    if not complete:  # nothing in train tells JSON what these are
        rows[2] |= {"parse": None, "tags": None, "keypoints": None}
    out, _ = made(tmp_path, "imagefolder", rows)
    assert len(list(out.glob("*/metadata.jsonl"))) == (2 if complete else 0)
    datasets.disable_progress_bars()
    for where in ({"path": str(out)}, {"path": "imagefolder", "data_dir": str(out)}):
        loaded = datasets.load_dataset(**where, cache_dir=str(tmp_path / "cache"))
        assert {split: len(loaded[split]) for split in loaded} == {"test": 2, "train": 1}
        for row, item in zip(rows, [*loaded["test"], *loaded["train"]], strict=True):
            assert item["record_id"] == row["record_id"] and item["tags"] == row["tags"]
            assert np.array_equal(np.asarray(item["image"]), codecs.decode_image(row["person_image"]["bytes"]))
            if row["parse"] is None:
                assert item["parse"] is None and not item["keypoints"]
            else:
                assert np.array_equal(np.asarray(item["parse"]), codecs.decode_label_map(row["parse"]["bytes"], "cihp"))
                assert np.array_equal(np.float32(item["keypoints"]), row["keypoints"])


@pytest.mark.parametrize("layout", ["vitonhd", "webdataset"])
def test_onto_a_store(layout: str, tmp_path: Path) -> None:
    out, _ = made(tmp_path, layout, pairs("a", "b"))
    store = RemoteFolder(f"memory://{tmp_path.name}")
    opened = rewrite.open_finished(str(tmp_path / "shards"), export.SMALL)
    export.export(opened, layout, exports.load(layout).Config(), store)
    assert {name: store.read(name) for name in tree(out)} == tree(out)


def test_nothing_that_fits_is_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shards = finished.write(tmp_path / "shards", pairs("a", "b", split="train"))
    assert export.main([str(shards), "--layout", "vitonhd", "--output", str(tmp_path / "out")]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["left_out"] == 2 and "left out, unpaired" in told.err


def test_every_layout_needs_its_columns(tmp_path: Path) -> None:
    shards = finished.write(tmp_path / "shards", [finished.row("a", "a")])
    opened = rewrite.open_finished(str(shards), export.SMALL)
    for name in exports.names():
        module = exports.load(name)
        with pytest.raises(UsageError):
            module.Export(module.Config(), opened.schema.empty_table().select(["height"]).schema, [])


def test_options_of_another_layout_are_refused(tmp_path: Path) -> None:
    shards = finished.write(tmp_path / "shards", [finished.row("a", "a")])
    words = [str(shards), "--layout", "dresscode", "--output", str(tmp_path / "out"), "--vitonhd-names", "first"]
    with pytest.raises(UsageError, match="--vitonhd-names is an option of --layout vitonhd"):
        export.main(words)
