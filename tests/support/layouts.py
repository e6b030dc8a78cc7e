"""Public layouts with every annotation that they know, drawn from people whose annotations are exact."""

import io
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image
from support.helpers import draw

from annotators.functional import skeletons
from annotators.functional.masks import dilate
from pipelines.sources.sample import Truth
from schemas import codecs, labels
from schemas.labels import Atr, Category

SPLITS = ("train", "test")
WORN = {Category.UPPER_BODY: Atr.UPPER_CLOTHES, Category.LOWER_BODY: Atr.PANTS, Category.DRESSES: Atr.DRESS}


def small_people() -> dict[str, Truth]:
    """Twelve crude people of 128×96, two of each category and split; ids hold "_0" in their middle."""
    found = {}
    for number in range(12):
        drawn = draw(number)
        found[f"00{number:03d}_00"] = Truth(
            person_image=drawn["person"],
            garment_image=drawn["garment"],
            parse=drawn["parse"],
            densepose=(drawn["parse"] % 12 * 2).astype(np.uint8),
            keypoints=drawn["keypoints"],
            person_mask=np.where(drawn["parse"] > 0, np.uint8(255), np.uint8(0)),
            garment_mask=drawn["mask"],
            category=list(Category)[number % 3],
            split=SPLITS[number // 6],
        )
    return found


def render_dresscode(folder: Path, people: Mapping[str, Truth] | None = None) -> None:
    """Dress Code's layout: three category folders with lists and annotations, and the same lists in the root."""
    people = small_people() if people is None else people
    for category in Category:
        own = {person_id: drawn for person_id, drawn in people.items() if drawn.category == category}
        for person_id, drawn in own.items():
            for name, data in dresscode_files(person_id, drawn).items():
                _write(folder / category / name, data)
        for name, lines in dresscode_lists(own).items():
            _write(folder / category / name, "".join(f"{line}\n" for line in lines).encode())
            with (folder / name).open("a") as root_list:
                root_list.writelines(f"{line}\t{list(Category).index(category)}\n" for line in lines)
        captions = "".join(f"{person_id}_1.jpg {caption(person_id)}\n" for person_id in own)
        _write(folder / category / "dc_caption.txt", captions.encode())


def caption(person_id: str) -> str:
    return f"a garment of {person_id}, réd"


def dresscode_lists(people: Mapping[str, Truth]) -> dict[str, list[str]]:
    """Pair lists of one category: in the unpaired one each person has the next one's garment."""
    ids = {split: [person_id for person_id in people if people[person_id].split == split] for split in SPLITS}
    crossed = zip(ids["test"], ids["test"][1:] + ids["test"][:1], strict=True)
    return {
        "train_pairs.txt": [f"{own}_0.jpg\t{own}_1.jpg" for own in ids["train"]],
        "test_pairs_paired.txt": [f"{own}_0.jpg\t{own}_1.jpg" for own in ids["test"]],
        "test_pairs_unpaired.txt": [f"{person}_0.jpg\t{garment}_1.jpg" for person, garment in crossed],
    }


def dresscode_files(person_id: str, drawn: Truth) -> dict[str, bytes]:
    height, width = drawn.parse.shape
    coco = labels.body25_to_coco18(drawn.keypoints)
    agnostic = dilate(np.where(dresscode_labels(drawn) == WORN[drawn.category], np.uint8(255), np.uint8(0)), 2)
    return {
        f"images/{person_id}_0.jpg": codecs.encode_jpeg(drawn.person_image),
        f"images/{person_id}_1.jpg": codecs.encode_jpeg(drawn.garment_image),
        f"keypoints/{person_id}_2.json": dresscode_keypoints(coco, height, width),
        f"label_maps/{person_id}_4.png": grey_png(dresscode_labels(drawn)),
        f"skeletons/{person_id}_5.jpg": codecs.encode_jpeg(skeletons.coco18(coco, height, width)),
        f"dense/{person_id}_5.png": grey_png(drawn.densepose),
        f"dense/{person_id}_5_uv.npz": npz(uv=surface(height, width)),
        f"masks/{person_id}_1.png": grey_png(drawn.garment_mask),
        f"image-densepose/{person_id}_0.jpg": codecs.encode_jpeg(labels.DENSEPOSE_COLOURS[drawn.densepose]),
        f"agnostic_masks/{person_id}_0.png": grey_png(agnostic),
    }


def dresscode_labels(drawn: Truth) -> np.ndarray:
    """uint8 [h w] ATR ids 0-17 as Dress Code has them: the neck belongs to the face."""
    atr = labels.crosswalk(drawn.parse, "cihp", "atr")
    atr[atr == Atr.NECK] = Atr.FACE
    return atr


def dresscode_keypoints(coco: np.ndarray, height: int, width: int) -> bytes:
    """Joints [18 3] in pixels of [height width] as Dress Code writes them; absent ones are -1, -1, 0."""
    joints = []
    for number, (x, y, score) in enumerate(coco.astype(float).tolist()):
        present = (x, y) != (0, 0)
        joints.append([x * 384 / width, y * 512 / height, score, number] if present else [-1.0, -1.0, 0.0, -1])
    return json.dumps({"keypoints": joints}).encode()


def surface(height: int, width: int) -> np.ndarray:
    """float32 [2 h w] in 0–1: U grows to the right, V downwards."""
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    return np.stack([columns / width, rows / height])


def grey_png(values: np.ndarray) -> bytes:
    return codecs.encode_png(values)


def npz(**arrays: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def resized_png(values: np.ndarray, height: int, width: int) -> bytes:
    """The values [h w], nearest, at another size."""
    return grey_png(np.array(Image.fromarray(values).resize((width, height), Image.Resampling.NEAREST)))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
