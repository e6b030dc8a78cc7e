"""Garment foreground on a plain background, without a model: distance from the background's colour, cleaned up.

The shipped masks of VITON-HD are one component with its holes filled (inside of collars, lace, straps); so are these.
White garments on white, and worn or cluttered photos, need a segmentation model: `is_doubtful` says when to look.
"""

import cv2
import numpy as np

from annotators.functional import boxes, masks
from schemas.labels import Category, Cihp

BORDER = 8  # pixels of frame that the background is measured on
CLEAR = 5.0  # Lab distance (OpenCV's 8-bit Lab) from where on a pixel is garment, by itself
CLEAR_AT_EDGES = 15.0  # and at most beside a strong contrast, where
BLEEDING = 0.25  # of that contrast is what a sharp edge bleeds outwards
FAINT = 2.0  # distance from where on an area wider than WIDE pixels is garment: white cloth on VITON-HD's 246
FAINT_INSIDE = 1.2  # the same between two parts of the garment, in gaps of up to GAP pixels: white stripes, collars
RINGING = 0.02  # of the contrast within a JPEG block's reach is what compression leaves in the background
WIDE, GAP, RIM = 9, 15, 5  # pixels; rims that JPEG leaves around edges are narrower than RIM
LARGEST_HOLE = 0.005  # of the frame; larger gaps stay open where they show the background
SMALLEST_PART = 0.02  # of the largest component

_FITS = ((3, 12), (3, 12), (6, 8), (6, 6), (6, 5), (6, 4))  # a plane along the border, then a quadric inwards


def garment_mask(image: np.ndarray, refine: bool = False) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of a garment photo uint8 [h w 3] RGB on a plain, possibly tinted or shaded background.

    `refine` adds GrabCut: about a second, and IoU .993 instead of .990 with VITON-HD's masks. Raises ValueError when
    nothing stands out.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"photo is {image.dtype} {image.shape}; allowed is uint8 [h w 3]")
    distance, noise = background_distance(image)
    mask = _clear(distance, noise)
    mask = cv2.bitwise_or(mask, _faint(distance, mask, noise))
    mask = cv2.bitwise_or(mask, _inside(distance, mask, noise))
    mask = _close(mask, cv2.MORPH_CROSS, 3)
    mask = _clean(mask, distance, noise)
    if refine and mask.any():
        mask = _clean(grabcut(image, mask), distance, noise)
    if not mask.any():
        raise ValueError("nothing stands out from the background")
    return mask


def is_doubtful(mask: np.ndarray) -> bool:
    """True when the mask covers < 5 % or > 90 % of the frame: white on white, or no plain background."""
    return not 0.05 <= masks.share(mask) <= 0.9


def background_distance(image: np.ndarray) -> tuple[np.ndarray, float]:
    """Euclidean distance in OpenCV's 8-bit Lab, float32 [h w], from the background that the frame's border shows.

    With it, how far the background itself strays (95th percentile on the border).
    """
    lab = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2LAB)
    rows, columns = _border(*lab.shape[:2])
    colours = lab[rows, columns].astype(np.float32)
    colour = np.median(colours[_near(colours, _most_common(colours))], axis=0)
    like_it = _near(colours, colour, 25)
    noise = float(np.percentile(np.linalg.norm(colours[like_it] - colour, axis=1), 95))
    if noise <= FAINT:
        return _difference(lab, colour), noise
    surface = _shading(lab, colour)
    distance = _difference(lab, surface)
    return distance, float(np.percentile(distance[rows, columns][like_it], 95))


def grabcut(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The mask refined by GrabCut (Rother 2004), five rounds; free to change within 7 px of its edge."""
    height, width = mask.shape
    box = boxes.of_mask(mask)
    if box is None:
        raise ValueError("an empty mask can't be refined")
    box = boxes.clip(boxes.grow(box, 32), height, width)
    state = np.full(mask.shape, cv2.GC_BGD, np.uint8)
    state[masks.dilate(mask, 15) > 0] = cv2.GC_PR_BGD
    state[mask > 0] = cv2.GC_PR_FGD
    state[masks.erode(mask, 15) > 0] = cv2.GC_FGD
    part = np.ascontiguousarray(boxes.crop(state, box))
    if (part == cv2.GC_BGD).any() and (part == cv2.GC_FGD).any():
        cv2.setRNGSeed(0)  # of this thread: the same result every time
        photo = np.ascontiguousarray(boxes.crop(image, box)[..., ::-1])
        models = np.zeros((1, 65)), np.zeros((1, 65))
        cv2.grabCut(photo, part, (0, 0, 0, 0), *models, 5, cv2.GC_INIT_WITH_MASK)
    refined = np.zeros_like(mask)
    boxes.crop(refined, box)[:] = masks.as_mask((part == cv2.GC_FGD) | (part == cv2.GC_PR_FGD))
    return refined


def _clear(distance: np.ndarray, noise: float) -> np.ndarray:
    """What differs clearly from the background; beside dark cloth the blur of its edge doesn't count."""
    contrast = cv2.dilate(distance, np.ones((5, 5), np.uint8))
    threshold = np.clip(BLEEDING * contrast, max(CLEAR, 1.5 * noise), max(CLEAR_AT_EDGES, 1.5 * noise))
    return cv2.compare(distance, threshold, cv2.CMP_GT)


def _faint(distance: np.ndarray, mask: np.ndarray, noise: float) -> np.ndarray:
    """Wide areas outside the mask that differ little."""
    contrast = cv2.dilate(distance, np.ones((17, 17), np.uint8))
    differing = cv2.compare(distance, np.maximum(RINGING * contrast, FAINT + noise), cv2.CMP_GT)
    differing = cv2.bitwise_and(differing, cv2.bitwise_not(mask))
    return cv2.bitwise_and(masks.dilate(_open(differing, WIDE), WIDE), differing)


def _inside(distance: np.ndarray, mask: np.ndarray, noise: float) -> np.ndarray:
    """Gaps of the mask that differ very little."""
    gaps = cv2.bitwise_and(_close(mask, cv2.MORPH_RECT, GAP), cv2.bitwise_not(mask))
    return _open(cv2.bitwise_and(gaps, masks.as_mask(distance > FAINT_INSIDE + noise)), RIM)


def _open(mask: np.ndarray, size: int) -> np.ndarray:
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, np.ones((size, size), np.uint8))


def _close(mask: np.ndarray, shape: int, size: int) -> np.ndarray:
    """Morphological closing; the frame's edge doesn't attract the mask."""
    padded = np.pad(mask, size)
    closed: np.ndarray = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, cv2.getStructuringElement(shape, (size, size)))
    return closed[size:-size, size:-size]


def _clean(mask: np.ndarray, distance: np.ndarray, noise: float) -> np.ndarray:
    """Without specks; holes filled that are small or don't show the bare background."""
    mask = masks.keep_components(mask, SMALLEST_PART)
    box = boxes.of_mask(mask)
    if box is None:
        return mask
    box = boxes.clip(boxes.grow(box, 1), *mask.shape)
    ids, areas, enclosed = masks.holes(boxes.crop(mask, box))
    bare = np.bincount(ids[boxes.crop(distance, box) <= 1 + noise], minlength=len(areas))
    filled = enclosed & ((areas <= LARGEST_HOLE * mask.size) | (2 * bare < areas))
    boxes.crop(mask, box)[filled[ids]] = 255
    return mask


def _shading(lab: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """float32 [h w 3]: a quadratic surface through the background, found outwards in from the border's `colour`."""
    height, width = lab.shape[:2]
    small = cv2.resize(lab, (96, 128), interpolation=cv2.INTER_AREA).astype(np.float32)
    y, x = (axis.ravel() for axis in np.mgrid[-1:1:128j, -1:1:96j].astype(np.float32))
    basis = np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=1)
    background = np.zeros(small.shape[:2], bool)
    background[_border(128, 96, 2)] = True
    surface = np.broadcast_to(colour, small.shape).copy()
    for terms, tolerance in _FITS:
        background = (_difference(small, surface) < tolerance) & (background if terms == 3 else True)
        background = _touching_border(background)
        if np.count_nonzero(background) < 64:
            break  # no plain background
        fit = np.linalg.lstsq(basis[background.ravel(), :terms], small[background], rcond=None)[0]
        surface = np.asarray(basis[:, :terms] @ fit, np.float32).reshape(small.shape)
    background = _touching_border(_difference(small, surface) < 5).astype(np.float32)[..., None]
    rest = cv2.GaussianBlur((small - surface) * background, (0, 0), 5)
    weight = cv2.GaussianBlur(background, (0, 0), 5)[..., None]
    surface = surface + rest / (weight + 0.05)  # what shading is left, near where the background shows
    return cv2.resize(np.asarray(surface, np.float32), (width, height))


def _touching_border(chosen: np.ndarray) -> np.ndarray:
    """bool [h w]: the components of `chosen` that reach the frame's edge."""
    _, ids = cv2.connectedComponents(chosen.astype(np.uint8), connectivity=4)
    reached = np.unique(np.concatenate([ids[0], ids[-1], ids[:, 0], ids[:, -1]]))
    return np.asarray(np.isin(ids, reached[reached > 0]))


def _difference(lab: np.ndarray, background: np.ndarray) -> np.ndarray:
    """float32 [h w]: distance of colours [h w 3] from a background's colours [h w 3] or colour [3]."""
    expected = background if background.ndim == 3 else np.append(background, 0)  # OpenCV's scalars have four parts
    difference = cv2.subtract(lab, expected, dtype=cv2.CV_32F)
    return cv2.sqrt(cv2.transform(cv2.multiply(difference, difference), np.ones((1, 3), np.float32)))


def _border(height: int, width: int, thickness: int = BORDER) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of the frame's border pixels."""
    edge = np.ones((height, width), bool)
    edge[thickness:-thickness, thickness:-thickness] = False
    rows, columns = np.nonzero(edge)
    return rows, columns


def _most_common(colours: np.ndarray) -> np.ndarray:
    """A colour from the middle of a histogram's fullest cell: garments that touch the border don't shift it."""
    cells = (colours // 16).astype(np.int64) @ np.array([256, 16, 1])
    middle = colours[cells == np.bincount(cells).argmax()].mean(axis=0)
    return np.asarray(colours[np.linalg.norm(colours - middle, axis=1).argmin()])


def _near(colours: np.ndarray, expected: np.ndarray, distance: float = 12) -> np.ndarray:
    """bool [n]: within a distance of the expected colour."""
    return np.asarray(np.linalg.norm(colours - expected, axis=1) < distance)


_WORN: dict[str, tuple[Cihp, ...]] = {
    Category.UPPER_BODY: (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT),
    Category.LOWER_BODY: (Cihp.PANTS, Cihp.SKIRT),
    Category.DRESSES: (Cihp.DRESS, Cihp.UPPER_CLOTHES, Cihp.SKIRT),
}


def worn(parse: np.ndarray, category: str | None = None) -> np.ndarray:
    """The garment of a category as somebody wears it: parse uint8 [h w] CIHP → mask uint8 [h w] 0/255.

    Without a category, upper body. Raises ValueError for another category. StableVITON's gt_cloth_warped_mask.
    """
    wanted = Category.UPPER_BODY if category is None else category
    if wanted not in _WORN:
        raise ValueError(f"category {category!r}; allowed are {', '.join(Category)}")
    return masks.of_labels(parse, _WORN[wanted])


def on_white(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] RGB: the image where the mask is set, white elsewhere."""
    return np.where(mask[..., None] >= 128, image, np.uint8(255))
