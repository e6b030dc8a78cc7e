"""Label vocabularies of the field, one IntEnum each, the maps between them, and their palettes.

Left and right are the person's own: in a frontal photo LEFT_ARM lies on the picture's right side.
Tables: LIP and ATR (Engineering-Purple/SCHP), CIHP as VITON-HD ships it, DensePose part ids
(detectron2, projects/DensePose), BODY_25 and COCO-18 (CMU OpenPose).
"""

from enum import IntEnum, StrEnum

import numpy as np


class Category(StrEnum):
    """What a garment covers; Dress Code's three folder names."""

    UPPER_BODY = "upper_body"
    LOWER_BODY = "lower_body"
    DRESSES = "dresses"


class Lip(IntEnum):
    BACKGROUND = 0
    HAT = 1
    HAIR = 2
    GLOVE = 3
    SUNGLASSES = 4
    UPPER_CLOTHES = 5
    DRESS = 6
    COAT = 7
    SOCKS = 8
    PANTS = 9
    JUMPSUITS = 10
    SCARF = 11
    SKIRT = 12
    FACE = 13
    LEFT_ARM = 14
    RIGHT_ARM = 15
    LEFT_LEG = 16
    RIGHT_LEG = 17
    LEFT_SHOE = 18
    RIGHT_SHOE = 19


class Cihp(IntEnum):
    """What VITON-HD ships: LIP's ids, but 10 is the skin of neck and chest."""

    BACKGROUND = 0
    HAT = 1
    HAIR = 2
    GLOVE = 3
    SUNGLASSES = 4
    UPPER_CLOTHES = 5
    DRESS = 6
    COAT = 7
    SOCKS = 8
    PANTS = 9
    NECK = 10
    SCARF = 11
    SKIRT = 12
    FACE = 13
    LEFT_ARM = 14
    RIGHT_ARM = 15
    LEFT_LEG = 16
    RIGHT_LEG = 17
    LEFT_SHOE = 18
    RIGHT_SHOE = 19


class Atr(IntEnum):
    """ATR's 18 ids (also Dress Code and SegFormer-clothes); OOTDiffusion adds NECK."""

    BACKGROUND = 0
    HAT = 1
    HAIR = 2
    SUNGLASSES = 3
    UPPER_CLOTHES = 4
    SKIRT = 5
    PANTS = 6
    DRESS = 7
    BELT = 8
    LEFT_SHOE = 9
    RIGHT_SHOE = 10
    FACE = 11
    LEFT_LEG = 12
    RIGHT_LEG = 13
    LEFT_ARM = 14
    RIGHT_ARM = 15
    BAG = 16
    SCARF = 17
    NECK = 18


class Fashn(IntEnum):
    """The 18 classes of FASHN's human parser, which tells hands from arms and has no sides."""

    BACKGROUND = 0
    FACE = 1
    HAIR = 2
    TOP = 3
    DRESS = 4
    SKIRT = 5
    PANTS = 6
    BELT = 7
    BAG = 8
    HAT = 9
    SCARF = 10
    GLASSES = 11
    ARMS = 12
    HANDS = 13
    LEGS = 14
    FEET = 15
    TORSO = 16
    JEWELRY = 17


DressCode = Atr  # Dress Code's label_maps use ATR's ids unchanged


class DensePose(IntEnum):
    """Surface part ids of DensePose, channel I; the inner/outer split of arms is detectron2's."""

    BACKGROUND = 0
    TORSO_BACK = 1
    TORSO_FRONT = 2
    RIGHT_HAND = 3
    LEFT_HAND = 4
    LEFT_FOOT = 5
    RIGHT_FOOT = 6
    RIGHT_UPPER_LEG_BACK = 7
    LEFT_UPPER_LEG_BACK = 8
    RIGHT_UPPER_LEG_FRONT = 9
    LEFT_UPPER_LEG_FRONT = 10
    RIGHT_LOWER_LEG_BACK = 11
    LEFT_LOWER_LEG_BACK = 12
    RIGHT_LOWER_LEG_FRONT = 13
    LEFT_LOWER_LEG_FRONT = 14
    LEFT_UPPER_ARM_INNER = 15
    RIGHT_UPPER_ARM_INNER = 16
    LEFT_UPPER_ARM_OUTER = 17
    RIGHT_UPPER_ARM_OUTER = 18
    LEFT_LOWER_ARM_INNER = 19
    RIGHT_LOWER_ARM_INNER = 20
    LEFT_LOWER_ARM_OUTER = 21
    RIGHT_LOWER_ARM_OUTER = 22
    HEAD_RIGHT = 23
    HEAD_LEFT = 24


class Body25(IntEnum):
    NOSE = 0
    NECK = 1
    RIGHT_SHOULDER = 2
    RIGHT_ELBOW = 3
    RIGHT_WRIST = 4
    LEFT_SHOULDER = 5
    LEFT_ELBOW = 6
    LEFT_WRIST = 7
    MID_HIP = 8
    RIGHT_HIP = 9
    RIGHT_KNEE = 10
    RIGHT_ANKLE = 11
    LEFT_HIP = 12
    LEFT_KNEE = 13
    LEFT_ANKLE = 14
    RIGHT_EYE = 15
    LEFT_EYE = 16
    RIGHT_EAR = 17
    LEFT_EAR = 18
    LEFT_BIG_TOE = 19
    LEFT_SMALL_TOE = 20
    LEFT_HEEL = 21
    RIGHT_BIG_TOE = 22
    RIGHT_SMALL_TOE = 23
    RIGHT_HEEL = 24


class Coco18(IntEnum):
    NOSE = 0
    NECK = 1
    RIGHT_SHOULDER = 2
    RIGHT_ELBOW = 3
    RIGHT_WRIST = 4
    LEFT_SHOULDER = 5
    LEFT_ELBOW = 6
    LEFT_WRIST = 7
    RIGHT_HIP = 8
    RIGHT_KNEE = 9
    RIGHT_ANKLE = 10
    LEFT_HIP = 11
    LEFT_KNEE = 12
    LEFT_ANKLE = 13
    RIGHT_EYE = 14
    LEFT_EYE = 15
    RIGHT_EAR = 16
    LEFT_EAR = 17


class Coco17(IntEnum):
    NOSE = 0
    LEFT_EYE = 1
    RIGHT_EYE = 2
    LEFT_EAR = 3
    RIGHT_EAR = 4
    LEFT_SHOULDER = 5
    RIGHT_SHOULDER = 6
    LEFT_ELBOW = 7
    RIGHT_ELBOW = 8
    LEFT_WRIST = 9
    RIGHT_WRIST = 10
    LEFT_HIP = 11
    RIGHT_HIP = 12
    LEFT_KNEE = 13
    RIGHT_KNEE = 14
    LEFT_ANKLE = 15
    RIGHT_ANKLE = 16


SPACES: dict[str, type[IntEnum]] = {"cihp": Cihp, "lip": Lip, "atr": Atr, "densepose": DensePose}


def _same_names(source: type[IntEnum], target: type[IntEnum], **renamed: IntEnum) -> np.ndarray:
    """Lookup table uint8 [len(source)]: each id to the target's id of that name; unnamed ids become 0."""
    table = np.zeros(max(source) + 1, np.uint8)
    for label in source:
        table[label] = renamed.get(label.name, target.__members__.get(label.name, 0))
    return table


# Belt has no counterpart in LIP and CIHP (the caller may give it to the trousers or skirt it touches);
# glove, socks and, from LIP, jumpsuits have none in ATR: see `losses`.
ATR_TO_LIP = _same_names(Atr, Lip)
ATR_TO_CIHP = _same_names(Atr, Cihp)
LIP_TO_ATR = _same_names(Lip, Atr, COAT=Atr.UPPER_CLOTHES, JUMPSUITS=Atr.DRESS)
CIHP_TO_ATR = _same_names(Cihp, Atr, COAT=Atr.UPPER_CLOTHES)
LIP_TO_CIHP = _same_names(Lip, Cihp, JUMPSUITS=Cihp.DRESS)
CIHP_TO_LIP = _same_names(Cihp, Lip)

_CROSSWALKS = {
    ("atr", "lip"): ATR_TO_LIP,
    ("atr", "cihp"): ATR_TO_CIHP,
    ("lip", "atr"): LIP_TO_ATR,
    ("cihp", "atr"): CIHP_TO_ATR,
    ("lip", "cihp"): LIP_TO_CIHP,
    ("cihp", "lip"): CIHP_TO_LIP,
}


def crosswalk(label_map: np.ndarray, source: str, target: str) -> np.ndarray:
    """Label map uint8 [h w] from one space ("cihp", "lip", "atr") to another.

    Raises ValueError for a pair of spaces without a map, or ids outside the source space.
    """
    if source == target:
        return label_map.copy()
    table = _crosswalk_table(source, target)
    check_ids(label_map, source)
    padded = bytes(table).ljust(256, b"\0")
    # A byte string's own table look-up takes a quarter of the time of NumPy's indexing.
    return np.frombuffer(bytearray(label_map.tobytes()).translate(padded), np.uint8).reshape(label_map.shape)


def losses(source: str, target: str) -> list[str]:
    """Names of the source's labels that a cross-walk there and back doesn't bring back, in the order of ids.

    Raises ValueError for a pair of spaces without a map.
    """
    if source == target:
        return []
    there, back = _crosswalk_table(source, target), _crosswalk_table(target, source)
    return [label.name for label in SPACES[source] if back[there[label]] != label]


def lost(label_map: np.ndarray, source: str, target: str) -> list[str]:
    """Those of `losses` that occur in a label map uint8 [h w]. Raises ValueError for ids outside the source space."""
    check_ids(label_map, source)
    counts = np.bincount(label_map.ravel(), minlength=256)
    return [name for name in losses(source, target) if counts[SPACES[source][name]]]


def _crosswalk_table(source: str, target: str) -> np.ndarray:
    if (source, target) not in _CROSSWALKS:
        allowed = ", ".join(f"{a} to {b}" for a, b in _CROSSWALKS)
        raise ValueError(f"no map from {source!r} to {target!r}; there is {allowed}")
    return _CROSSWALKS[source, target]


def check_ids(label_map: np.ndarray, space: str) -> None:
    """Raises ValueError naming the first ids of a label map [h w] that `space` doesn't have."""
    highest = max(SPACES[space])
    if label_map.size and int(label_map.max()) > highest:
        wrong = sorted(int(i) for i in np.unique(label_map) if i > highest)
        raise ValueError(f"label ids {wrong[:5]} outside {space} (0 to {highest})")


def _swap_table(space: type[IntEnum]) -> np.ndarray:
    """Ids under a horizontal flip: LEFT and RIGHT change places."""
    table = np.arange(max(space) + 1, dtype=np.uint8)
    for label in space:
        side = {"LEFT": "RIGHT", "RIGHT": "LEFT"}
        table[label] = space["_".join(side.get(word, word) for word in label.name.split("_"))]
    return table


FLIP: dict[str, np.ndarray] = {name: _swap_table(space) for name, space in SPACES.items()}
FLIP_BODY_25 = _swap_table(Body25)
FLIP_COCO_18 = _swap_table(Coco18)


def voc_palette() -> np.ndarray:
    """uint8 [256 3] RGB: the PASCAL VOC colour rule, used by SCHP and its descendants."""
    ids = np.arange(256)
    colours = np.zeros((256, 3), np.uint8)
    for shift in range(3):
        for channel in range(3):
            colours[:, channel] |= (((ids >> (3 * shift + channel)) & 1) << (7 - shift)).astype(np.uint8)
    return colours


# Measured on VITON-HD's files; not CIHP_PGN's own values, most of which are one higher.
_VITONHD_COLOURS = [
    (0, 0, 0), (128, 0, 0), (254, 0, 0), (0, 85, 0), (169, 0, 51),
    (254, 85, 0), (0, 0, 85), (0, 119, 220), (85, 85, 0), (0, 85, 85),
    (85, 51, 0), (52, 86, 128), (0, 128, 0), (0, 0, 254), (51, 169, 220),
    (0, 254, 254), (85, 254, 169), (169, 254, 85), (254, 254, 0), (254, 169, 0),
]  # fmt: skip


def vitonhd_palette() -> np.ndarray:
    """uint8 [256 3] RGB: the palette of VITON-HD's parse files; entries 20 to 255 are grey."""
    colours = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    colours[: len(_VITONHD_COLOURS)] = _VITONHD_COLOURS
    return colours


# OpenCV's PARULA colour map at level 255 * I // 24, as detectron2's `dp_segm` picture at alpha 1 shows part I.
_DENSEPOSE_COLOURS = [
    (0, 0, 0), (37, 60, 163), (20, 80, 194), (4, 97, 223), (8, 110, 221),
    (14, 122, 216), (20, 132, 212), (15, 144, 208), (11, 156, 203), (6, 166, 198),
    (22, 173, 185), (38, 179, 172), (55, 185, 159), (86, 187, 144), (114, 189, 130),
    (145, 191, 116), (170, 189, 105), (192, 188, 96), (216, 186, 86), (228, 192, 74),
    (240, 199, 60), (252, 206, 46), (251, 220, 36), (250, 235, 25), (249, 251, 14),
]  # fmt: skip
DENSEPOSE_COLOURS = np.array(_DENSEPOSE_COLOURS, np.uint8)  # [25 3] RGB

PALETTES: dict[str, np.ndarray] = {"cihp": vitonhd_palette(), "lip": voc_palette(), "atr": voc_palette()}

_BODY_25_OF_COCO_18 = [Body25[joint.name] for joint in Coco18]


def body25_to_coco18(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints [25 k] to [18 k]; the mid-hip and the feet are lost."""
    return keypoints[_BODY_25_OF_COCO_18].copy()


def coco18_to_body25(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints [18 3] to [25 3]: mid-hip between the hips where both exist, feet absent."""
    full = np.zeros((len(Body25), keypoints.shape[1]), keypoints.dtype)
    full[_BODY_25_OF_COCO_18] = keypoints
    full[Body25.MID_HIP] = _midpoint(full, Body25.RIGHT_HIP, Body25.LEFT_HIP)
    return full


def coco17_to_body25(keypoints: np.ndarray) -> np.ndarray:
    """Keypoints [17 3] (x, y, score) to [25 3]: neck and mid-hip derived, feet absent."""
    full = np.zeros((len(Body25), keypoints.shape[1]), keypoints.dtype)
    for joint in Coco17:
        full[Body25[joint.name]] = keypoints[joint]
    full[Body25.NECK] = _midpoint(full, Body25.RIGHT_SHOULDER, Body25.LEFT_SHOULDER)
    full[Body25.MID_HIP] = _midpoint(full, Body25.RIGHT_HIP, Body25.LEFT_HIP)
    return full


def _midpoint(keypoints: np.ndarray, a: int, b: int) -> np.ndarray:
    """Mean position with the lower of the two scores; zeros where either joint is absent (0, 0)."""
    if not (keypoints[a, :2].any() and keypoints[b, :2].any()):
        return np.zeros(keypoints.shape[1], keypoints.dtype)
    middle = (keypoints[a] + keypoints[b]) / 2
    middle[2:] = np.minimum(keypoints[a, 2:], keypoints[b, 2:])
    return middle
