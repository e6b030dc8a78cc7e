"""Shipped files as columns: other sizes, other forms, and what follows from them."""

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.layouts import grey_png, npz, resized_png, surface

from annotators.functional import geometry as shapes
from pipelines.building import plan, preflight, shipped
from pipelines.building.configuration import Flags, configs_of, configure
from pipelines.sources.records import Row, Signature
from schemas import codecs, kinds, labels, record
from schemas.folders import Entry
from schemas.labels import Atr, Cihp, Lip

SIZE = (128, 96)


def parts() -> np.ndarray:
    values = np.zeros(SIZE, np.uint8)
    values[16:112, 16:80] = np.arange(1, 25, dtype=np.uint8).repeat(4)[:, None]
    return values


def picture(size: tuple[int, int]) -> bytes:
    return codecs.encode_png(np.zeros((*size, 3), np.uint8) + np.uint8(50))


@pytest.mark.parametrize("size", [(64, 48), (256, 192), (32, 24), (65, 48), (100, 75)])
def test_another_size_of_the_same_shape_is_brought_to_the_photo(size: tuple[int, int]) -> None:
    ids = np.zeros(SIZE, np.uint8)
    ids[:64] = 5
    for column, data in (
        ("parse", codecs.encode_label_map(np.array(Image.fromarray(ids).resize(size[::-1], 0)), "cihp")),
        ("agnostic_mask", resized_png(np.where(ids > 0, np.uint8(255), np.uint8(0)), *size)),
        ("densepose_image", picture(size)),
    ):
        found = shipped.decode(column, data, SIZE)
        value = found.columns[column]
        assert value.shape[:2] == SIZE and not found.bytes_can_stay
        assert found.note == f"{record.WRONG_SIZE}: {size[0]}x{size[1]}, its photo has 128x96"
        if column != "densepose_image":
            assert set(np.unique(value)) <= {0, 5, 255}, "ids and masks are not mixed"
            assert np.mean((value > 0) == (ids > 0)) > 0.97


@pytest.mark.parametrize("size", [(96, 128), (128, 98), (126, 96), (50, 40), (8, 6), (1, 1)])
def test_another_shape_is_unreadable(size: tuple[int, int]) -> None:
    for column in ("pose_image", "agnostic_mask", "densepose_image"):
        with pytest.raises(codecs.CodecError, match=f"{size[0]}x{size[1]} pixels; its photo has 128x96"):
            shipped.decode(
                column, picture(size) if column != "agnostic_mask" else grey_png(np.zeros(size, np.uint8)), SIZE
            )


def test_densepose_in_every_form() -> None:
    ids, rendered = parts(), labels.DENSEPOSE_COLOURS[parts()]
    for data in (grey_png(ids), grey_png((ids.astype(int) * 255 // 24).astype(np.uint8))):
        found = shipped.decode("densepose_image", data, SIZE)
        assert (found.columns["densepose_image"] == rendered).all() and found.note == "drawn from a shipped part map"
        assert not found.bytes_can_stay
        assert (shipped.decode("densepose", data, SIZE).columns[shipped.PARTS] == ids).all()
    kept = shipped.decode("densepose_image", codecs.encode_png(rendered), SIZE)
    assert kept.bytes_can_stay and not kept.note
    whole = np.dstack([ids, ids * 3, ids * 2])
    assert (shipped.decode("densepose", codecs.encode_png(whole), SIZE).columns["densepose"] == whole).all()
    for wrong in (codecs.encode_png(rendered), codecs.encode_jpeg(whole)):
        with pytest.raises(codecs.CodecError, match="not I, U, V"):
            shipped.decode("densepose", wrong, SIZE)
    noisy = Image.fromarray(codecs.decode_image(codecs.encode_jpeg(rendered))).convert(
        "P", palette=Image.Palette.ADAPTIVE
    )
    buffer = io.BytesIO()
    noisy.save(buffer, "PNG")
    assert (
        np.abs(
            shipped.decode("densepose_image", buffer.getvalue(), SIZE).columns["densepose_image"] - rendered.astype(int)
        ).mean()
        < 12
    )


def test_parts_and_coordinates_keep_together_at_another_size() -> None:
    half = parts()[::2, ::2]
    found = shipped.decode_iuv(grey_png(half), npz(uv=surface(*half.shape)), SIZE)
    value = found.columns["densepose"]
    assert found.note.startswith(record.WRONG_SIZE) and value.shape == (*SIZE, 3)
    assert (value[::2, ::2, 0] == half).all()
    with pytest.raises(codecs.CodecError, match=r"part map asks for \[2, 64, 48\]"):
        shipped.decode_iuv(grey_png(half), npz(uv=surface(*SIZE)), SIZE)


def test_parse_follows_from_other_label_spaces() -> None:
    atr = np.zeros(SIZE, np.uint8)
    atr[:20], atr[20:60], atr[60:64], atr[64:], atr[100:, :9] = (
        Atr.FACE,
        Atr.UPPER_CLOTHES,
        Atr.BELT,
        Atr.PANTS,
        Atr.BAG,
    )
    lip = np.zeros(SIZE, np.uint8)
    lip[:10], lip[20:60], lip[90:] = Lip.FACE, Lip.COAT, Lip.JUMPSUITS
    parse, note = shipped.cihp({"atr": atr})
    assert (parse[60:64] == Cihp.PANTS).all() and (parse[:20] == Cihp.FACE).all() and not parse[100:, :9].any()
    assert note == "from the shipped parse_atr; lost BELT (to the garment it touches), BAG; FACE may hold the neck"
    both, note = shipped.cihp({"atr": atr, "lip": lip})
    assert (both[:10] == Cihp.FACE).all() and (both[10:20] == Cihp.NECK).all() and "FACE may" not in note
    alone, note = shipped.cihp({"lip": lip})
    assert (alone[20:60] == Cihp.COAT).all() and note == "from the shipped parse_lip; lost JUMPSUITS; no neck"
    plain, note = shipped.cihp({"atr": np.full(SIZE, Atr.DRESS, np.uint8)})
    assert (plain == Cihp.DRESS).all() and "lost" not in note


def configuration(**values: Any) -> Any:
    return configure(Flags(**values), "dresscode", "dresscode", "root", configs_of(Flags(**values), {}))


@pytest.mark.parametrize(
    ("references", "flags", "expected"),
    [
        ({"parse_atr"}, {}, {"parse_atr", "parse"}),
        ({"parse_atr"}, {"recompute": ("parse",)}, {"parse_atr"}),
        ({"parse_atr"}, {"recompute": ("parsing",)}, set()),
        ({"parse_atr"}, {"skip": ("parse",)}, {"parse_atr"}),
        ({"parse_atr", "parse"}, {"skip": ("parse",)}, {"parse_atr", "parse"}),
        ({"densepose_parts"}, {}, {"densepose_image"}),
        ({"densepose_parts", "densepose_uv"}, {}, {"densepose", "densepose_image"}),
        ({"densepose_parts", "densepose_uv"}, {"recompute": ("densepose",)}, set()),
        ({"densepose_parts", "densepose_uv"}, {"recompute": ("densepose_image",)}, {"densepose"}),
        ({"densepose_parts", "densepose_uv"}, {"skip": ("densepose",)}, {"densepose"}),
        ({"densepose"}, {}, {"densepose", "densepose_image"}),
        ({"keypoints"}, {}, {"keypoints"}),
    ],
)
def test_what_a_record_brings_along(references: set[str], flags: dict[str, Any], expected: set[str]) -> None:
    photos = {"person_image", "garment_image"}
    signature = Signature(("category",), (), tuple(sorted(references | photos)))
    found = preflight.shipped(signature, configuration(**flags))
    assert found & set(kinds.TRYON.fields) == expected | photos | {"category"}


def test_files_are_read_as_long_as_one_of_their_columns_is_wanted() -> None:
    references = {"person_image", "garment_image", "parse_atr", "densepose_parts", "densepose_uv"}
    columns = tuple(sorted(references))
    row = Row("test", "id", "", "{}", Signature((), (), columns), [f"{name}.png" for name in columns])
    files = {path: Entry(size, "") for size, path in enumerate(row.paths)}
    all_read = plan.Planning(files, ("densepose_image", "parse")).row(row)
    assert (all_read.columns, all_read.paths, all_read.sizes) == ([*columns], row.paths, [0, 1, 2, 3, 4])
    few = plan.Planning(files, ("densepose", "densepose_image", "parse", "parse_atr")).row(row)
    assert few.columns == ["garment_image", "person_image"] and few.paths == ["garment_image.png", "person_image.png"]
    assert few.sizes == [files["garment_image.png"].size, files["person_image.png"].size]


def test_everything_moves_along_with_its_photo() -> None:
    geometry = shapes.fit(SIZE, (64, 64), "pad")
    iuv = np.dstack([parts()] * 3)
    moved = shipped.moved("densepose", iuv, geometry)
    assert moved.shape == (64, 64, 3) and set(np.unique(moved)) <= set(range(25))
    assert (shipped.moved(shipped.PARTS, parts(), geometry) == moved[..., 0]).all()
    assert shipped.moved("densepose", iuv, shapes.identity(*SIZE)) is iuv


@pytest.mark.parametrize("reference", ["densepose_image", "densepose"])
@pytest.mark.parametrize("channels", [(0, 1, 2), (2, 1, 0)])
def test_numbers_in_the_picture_folder_and_the_other_way_round(reference: str, channels: tuple[int, ...]) -> None:
    ids = np.clip(np.indices(SIZE)[0] * 24 // SIZE[0], 0, 24).astype(np.uint8)
    iuv = np.dstack([ids, np.where(ids > 0, 200, 0), np.where(ids > 0, 90, 0)]).astype(np.uint8)
    found = shipped.decode(reference, codecs.encode_png(np.ascontiguousarray(iuv[..., list(channels)])), SIZE)
    expected = labels.DENSEPOSE_COLOURS[ids] if reference == "densepose_image" else iuv
    assert (found.columns[reference] == expected).all()
    assert ("V, U, I" in found.note) == (channels[0] == 2)
    assert found.bytes_can_stay == (reference == "densepose" and channels[0] == 0)


def test_annotations_in_other_forms_say_so() -> None:
    set_ = np.zeros(SIZE, bool)
    set_[2:5, 2:4] = True
    small = shipped.decode("agnostic_mask", codecs.encode_png(set_.astype(np.uint8)), SIZE)
    assert ((small.columns["agnostic_mask"] > 0) == set_).all() and "0 and 1" in small.note
    ids = np.where(set_, 5, 13).astype(np.uint8)
    coloured = shipped.decode("parse", codecs.encode_png(labels.PALETTES["cihp"][ids]), SIZE)
    assert (coloured.columns["parse"] == ids).all() and "colours" in coloured.note


@pytest.mark.parametrize(
    ("own", "fits"), [((512, 386), True), ((512, 381), True), ((512, 400), False), ((90, 70), False)]
)
def test_sizes_that_were_rounded(own: tuple[int, int], fits: bool) -> None:
    data = codecs.encode_mask(np.full(own, 255, np.uint8))
    if not fits:
        with pytest.raises(codecs.CodecError, match="its photo has 1024x768"):
            shipped.decode("agnostic_mask", data, (1024, 768))
        return
    assert "another size" in shipped.decode("agnostic_mask", data, (1024, 768)).note
