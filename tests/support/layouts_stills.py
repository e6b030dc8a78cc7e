"""Layouts of stills and of views in miniature: a disc or a box of known pixels in small pictures."""

import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 100, 120


def disc(y: int = 50, x: int = 60, radius: int = 25, height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """bool [h w]"""
    rows, columns = np.mgrid[:height, :width]
    return np.asarray((rows - y) ** 2 + (columns - x) ** 2 <= radius**2)


def picture(mask: np.ndarray, seed: int = 0, ground: tuple[int, int, int] | None = None) -> np.ndarray:
    """uint8 [h w 3]: a coloured thing where the mask is set, on noise or on a ground of one colour."""
    generator = np.random.default_rng(seed)
    pixels = generator.integers(0, 90, (*mask.shape, 3), dtype=np.uint8)
    if ground is not None:
        pixels[:] = ground
    pixels[mask] = generator.integers(120, 230, 3)
    return pixels


def write(path: Path, pixels: np.ndarray, mode: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    image = Image.fromarray(pixels) if mode is None else Image.fromarray(pixels, mode)
    if mode == "P":
        image.putpalette([value for number in range(256) for value in (number, 255 - number, 7 * number % 256)])
    image.save(buffer, "JPEG" if path.suffix == ".jpg" else "PNG", quality=95)
    path.write_bytes(buffer.getvalue())
    return path


def grey(mask: np.ndarray) -> np.ndarray:
    return np.where(mask, np.uint8(255), np.uint8(0))


def labels(mask: np.ndarray, label: int, other: int = 13) -> np.ndarray:
    """Label map: `label` where the mask is set, another thing along its upper edge."""
    values = np.where(mask, np.uint8(label), np.uint8(0))
    values[:5] = other
    return values


def cut_out(mask: np.ndarray, seed: int = 0) -> np.ndarray:
    """uint8 [h w 4]: opaque where the mask is set, by half (which doesn't count) in the first column."""
    alpha = grey(mask)
    alpha[:, 0] = 128
    return np.dstack([picture(mask, seed), alpha])


def runs(mask: np.ndarray) -> list[int]:
    """COCO's uncompressed run lengths, counted pixel by pixel."""
    counts, value = [0], False
    for pixel in mask.T.ravel().tolist():
        if pixel != value:
            counts.append(0)
            value = pixel
        counts[-1] += 1
    return counts


def packed(counts: Sequence[int]) -> str:
    """Run lengths as COCO's library writes them into text: from the fourth on as what is added to the last but one."""
    text = ""
    for position, count in enumerate(counts):
        value = count - (counts[position - 2] if position > 2 else 0)
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr(48 + bits + 32 * more)
    return text


def mvimgnet(root: Path, own_id: str = "1/0100012d", views: int = 10) -> dict[str, np.ndarray]:
    """Frame → mask; the disc wanders."""
    masks = {}
    for number in range(1, views + 1):
        mask = disc(40 + number, 40 + 2 * number, 20 + number)
        folder = root / own_id / "images"
        write(folder / f"{number:03d}.jpg", picture(mask, number))
        write(folder / f"{number:03d}_bg_removed.png", cut_out(mask, number))
        masks[f"{number:03d}"] = mask
    return masks


def vitonhd(root: Path, split: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the garment alone and worn: the latter nearly as large as the picture."""
    garment, worn = disc(), np.zeros((HEIGHT, WIDTH), bool)
    worn[20:95, 12:112] = True
    folder = root / split
    write(folder / "cloth" / f"{name}.jpg", picture(garment, 1))
    write(folder / "cloth-mask" / f"{name}.jpg", grey(garment))
    write(folder / "image" / f"{name}.jpg", picture(worn, 2))
    write(folder / "image-parse-v3" / f"{name}.png", labels(worn, 5), "P")
    return garment, worn


def dresscode(root: Path, category: str, own_id: str, label: int) -> tuple[np.ndarray, np.ndarray]:
    garment, worn = disc(radius=30), disc(45, 50, 20)
    folder = root / category
    write(folder / "images" / f"{own_id}_1.png", picture(garment, 3, (255, 255, 255)))
    write(folder / "images" / f"{own_id}_0.jpg", picture(worn, 4))
    write(folder / "label_maps" / f"{own_id}_4.png", labels(worn, label), "P")
    return garment, worn


def fashiontryon(root: Path, own_id: str, poses: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    garment, worn = disc(), np.zeros((HEIGHT, WIDTH), bool)
    worn[30:80, 30:90] = True
    folder = root / own_id
    write(folder / "target.jpg", picture(garment, 5))
    write(folder / "mask.jpg", grey(garment))
    for number, pose in enumerate(poses):
        write(folder / f"{pose}.jpg", picture(worn, number))
        write(folder / pose / "segment.png", labels(worn, 7))
    return garment, worn


def saliency(root: Path) -> np.ndarray:
    """A photo of every set, and two masks of HFlickr's; all show the same disc."""
    mask = disc()
    write(root / "MSRA10K_Imgs_GT" / "Imgs" / "12.jpg", picture(mask))
    write(root / "MSRA10K_Imgs_GT" / "Imgs" / "12.png", grey(mask))
    for name in ("DUTS-TR", "DUTS-TE"):
        write(root / name / f"{name}-Image" / "ILSVRC_1.jpg", picture(mask))
        write(root / name / f"{name}-Mask" / "ILSVRC_1.png", np.dstack([grey(mask)] * 3))
    write(root / "HFlickr" / "real_images" / "f800.jpg", picture(mask))
    for number in (1, 2):
        write(root / "HFlickr" / "masks" / f"f800_{number}.png", grey(mask))
    return mask


def sam(root: Path, folder: str, name: str, annotations: Sequence[Any], size: tuple[int, int]) -> None:
    write(root / folder / f"{name}.jpg", np.random.default_rng(1).integers(0, 255, (*size, 3), dtype=np.uint8))
    (root / folder / f"{name}.json").write_text(json.dumps({"image": {}, "annotations": list(annotations)}))


def lvis(root: Path, annotations: Sequence[dict[str, Any]]) -> None:
    """Two photos of 120×160, the second without objects; the list lies in a folder of its own."""
    images = []
    for number in (9, 25):
        name = f"{number:012d}.jpg"
        write(root / "train2017" / name, picture(disc(60, 80, 40, 120, 160), number))
        images.append({"id": number, "coco_url": f"http://images.cocodataset.org/train2017/{name}"})
    (root / "annotations").mkdir()
    document = {"images": images, "annotations": [{"image_id": 9, **each} for each in annotations]}
    (root / "annotations" / "lvis_v1_train.json").write_text(json.dumps(document))


def dreambooth(root: Path) -> np.ndarray:
    """Two things, one of them with two cut-outs in a folder, and two scenes: with a mask, and with a box."""
    thing = disc(30, 30, 28, 61, 61)
    write(root / "FG" / "00.png", cut_out(thing, 1))
    for name in ("02.png", "10.png"):
        write(root / "FG" / "dog" / name, cut_out(thing, 2))
    box = np.zeros((HEIGHT, WIDTH), bool)
    box[20:70, 30:90] = True
    write(root / "BG" / "000000000001_GT.png", picture(box, 6))
    write(root / "BG" / "000000000001_mask.png", np.dstack([grey(box)] * 3))
    write(root / "BG" / "000000000002.jpg", picture(box, 7))
    (root / "BG" / "boxes.json").write_text(json.dumps({"000000000002": [10, 20, 60, 90]}))
    return thing
