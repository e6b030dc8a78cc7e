"""Garment foreground on a plain background, without a model: what a flood from the frame doesn't reach.

The background is looked for, not the garment: white cloth on white has a rim of about one Lab unit, which stops the
flood. Then the fringe, shadows and JPEG's ringing, is taken off up to the first edge, and the outline is cut half way
between the colours on its two sides.

The shipped masks of VITON-HD are one component with its holes filled (inside of collars, lace, rings of straps); so
are these: enclosed background stays open only where it is large. White cloth whose rim is clipped away, and worn or
cluttered photos, need a segmentation model: `is_doubtful` says when to look.
"""

import cv2
import numpy as np

from annotators.functional import boxes, canvas, masks
from annotators.functional.backdrop import background, fringe, gradients, grain, margin, outline
from annotators.functional.backdrop.background import Background
from schemas.labels import Category, Cihp

LARGEST_HOLE = 0.005  # of the frame; larger gaps stay open where they show the background
SMALLEST_PART = 0.02  # of the largest component
LEAST, MOST = 0.005, 0.98  # of the frame: a belt takes 0.02
PLAUSIBLE = (0.03, 0.95)  # share of an inner photo that its garment takes
OPAQUE = 128  # of 255: shadows in alpha are fainter
LEAST_ALPHA = 0.002  # of the frame: fewer see-through, or opaque, pixels are edges or dust
RECTANGLE = 0.97  # of its bounding box: a photo in a transparent margin, or with round corners
RECTANGLE_RIM = 0.03  # of its shorter side: round corners
ONE_COLOUR, ONE_COLOUR_SHARE = 16, 0.8  # levels, and share of a border
SURROUNDED = 0.95  # of the frame's pixels: what is opaque there is the background
MARGINS = 2  # one within another, at most
MOST_UNSEEN = 0.2  # of the outline: of 37 garments of VITON-HD and Dress Code it is up to 0.11, of wrong masks 0.25–1


def garment_mask(image: np.ndarray, refine: bool = False) -> np.ndarray:
    """As `find`. Raises ValueError also when nothing stands out."""
    mask = find(image, refine)
    if not mask.any():
        raise ValueError("nothing stands out from the background")
    return mask


def find(image: np.ndarray, refine: bool = False) -> np.ndarray:
    """Mask uint8 [h w] 0/255 of a garment photo uint8 [h w 3] RGB on a plain, possibly tinted or shaded background.

    Empty when nothing stands out. `refine` adds GrabCut, about a second.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ValueError(f"photo is {image.dtype} {image.shape}; allowed is uint8 [h w 3]")
    height, width = image.shape[:2]
    if max(height, width) > canvas.MASKED_AT:
        reduced = find(canvas.reduce(image), refine)
        enlarged = cv2.resize(reduced, (width, height), interpolation=cv2.INTER_LINEAR)
        return np.asarray(cv2.threshold(enlarged, 127, 255, cv2.THRESH_BINARY)[1])
    return _segment(np.ascontiguousarray(image), refine, MARGINS)


def _segment(image: np.ndarray, refine: bool, margins: int) -> np.ndarray:
    """Mask uint8 [h w]; of the inner photo where the photo was set into a margin."""
    levels = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    box = margin.inner(levels) if margins else None
    if box is not None:
        within = _segment(np.ascontiguousarray(boxes.crop(image, box)), refine, margins - 1)
        if PLAUSIBLE[0] < masks.share(within) < PLAUSIBLE[1]:
            mask = np.zeros(image.shape[:2], np.uint8)
            boxes.crop(mask, box)[:] = within
            return mask
    lab = grain.without(levels.astype(np.float32))
    steep = gradients.steepness(lab)
    ground = background.find(lab, steep)
    garment = outline.without_specks(~fringe.reached(ground, steep), ground)
    mask = _clean(masks.as_mask(outline.halfway(lab, garment)), ground)
    return _clean(grabcut(image, mask), ground) if refine and mask.any() else mask


def of_alpha(alpha: np.ndarray, image: np.ndarray) -> tuple[np.ndarray | None, str]:
    """Mask uint8 [h w] 0/255 of a cut-out's alpha uint8 [h w], and a note; None where alpha doesn't cut a garment out.

    It doesn't where hardly anything is transparent or opaque, where what is opaque is a whole photo on its background,
    by the picture uint8 [h w 3], or where it lies around what is transparent.
    """
    mask = np.where(alpha >= OPAQUE, np.uint8(255), np.uint8(0))
    share, box = masks.share(mask), boxes.of_mask(mask)
    if share > 1 - LEAST_ALPHA:
        return None, ""
    if box is None or share < LEAST_ALPHA:
        return None, "hardly anything of it is opaque"
    if masks.share(boxes.crop(mask, box)) > RECTANGLE and _has_a_background(boxes.crop(image, box)):
        return None, "what is opaque is a photo with its background"
    rim = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    if masks.share(rim) > SURROUNDED:
        return None, "what is opaque lies around what is transparent"
    return mask, "from the alpha of the garment's picture"


def _has_a_background(photo: np.ndarray) -> bool:
    """Whether a photo uint8 [h w 3], but for its corners and rim, is of one colour at its border and not within."""
    height, width = photo.shape[:2]
    inset = round(RECTANGLE_RIM * min(height, width))
    part = photo[inset : height - inset, inset : width - inset].astype(np.int16)
    border = np.concatenate([part[0], part[-1], part[:, 0], part[:, -1]])
    colour = np.median(border, axis=0)
    near = np.abs(border - colour).max(axis=1) < ONE_COLOUR
    other = np.abs(part - colour).max(axis=2) >= ONE_COLOUR
    return bool(near.mean() > ONE_COLOUR_SHARE and other.mean() > PLAUSIBLE[0])


def doubt(mask: np.ndarray, image: np.ndarray) -> str:
    """Why a mask uint8 [h w] of a garment photo uint8 [h w 3] can't be right; "" where nothing speaks against it.

    It is empty or hardly anything, covers the whole photo, has narrow rifts, or much of its outline lies where nothing
    is to be seen.
    """
    share = masks.share(mask)
    if not share:
        return "nothing stands out from the background"
    if share > MOST:
        return f"{share:.0%} of the photo stands out, and no background is left"
    if share < LEAST:
        return f"only {share:.2%} of the photo stands out"
    if canvas.is_torn(mask):
        return "the mask is torn by narrow rifts"
    reduced = canvas.reduce(image)
    lab = cv2.cvtColor(reduced, cv2.COLOR_RGB2LAB).astype(np.float32)
    unseen = outline.unseen(lab, masks.resize(mask, *reduced.shape[:2]))
    return f"{unseen:.0%} of its outline can't be seen in the photo" if unseen > MOST_UNSEEN else ""


def is_doubtful(mask: np.ndarray) -> bool:
    """True when the mask covers < 5 % or > 90 % of the frame: white on white, or no plain background."""
    return not 0.05 <= masks.share(mask) <= 0.9


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


def _clean(mask: np.ndarray, ground: Background) -> np.ndarray:
    """Without specks; holes filled that are small or don't show the bare background."""
    mask = masks.keep_components(mask, SMALLEST_PART)
    box = boxes.of_mask(mask)
    if box is None:
        return mask
    box = boxes.clip(boxes.grow(box, 1), *mask.shape)
    ids, areas, enclosed = masks.holes(boxes.crop(mask, box))
    filled = enclosed & (areas <= LARGEST_HOLE * mask.size)
    for hole in np.flatnonzero(enclosed & ~filled):
        bare = np.count_nonzero(boxes.crop(ground.distance, box)[ids == hole] <= ground.noise)
        filled[hole] = 2 * bare < areas[hole]
    if filled.any():
        boxes.crop(mask, box)[filled[ids]] = 255
    return mask


_WORN: dict[str, tuple[Cihp, ...]] = {
    Category.UPPER_BODY: (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT),
    Category.LOWER_BODY: (Cihp.PANTS, Cihp.SKIRT),
    Category.DRESSES: (Cihp.DRESS, Cihp.UPPER_CLOTHES, Cihp.SKIRT),
}


def worn(parse: np.ndarray, category: str | None = None) -> np.ndarray:
    """The garment of a category as somebody wears it: parse uint8 [h w] CIHP → mask uint8 [h w] 0/255.

    Without a category, upper body. Raises ValueError for another category. StableVITON's gt_cloth_warped_mask.
    """
    category_of_mask = Category.UPPER_BODY if category is None else category
    if category_of_mask not in _WORN:
        raise ValueError(f"category {category!r}; allowed are {', '.join(Category)}")
    return masks.of_labels(parse, _WORN[category_of_mask])


def on_white(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """uint8 [h w 3] RGB: the image where the mask is set, white elsewhere."""
    return np.where(mask[..., None] >= 128, image, np.uint8(255))
