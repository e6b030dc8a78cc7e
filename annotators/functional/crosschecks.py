"""Whether annotations agree with each other: is a mask the other way round, a label map of another space, a skeleton
beside the person, a DensePose picture three numbers.

Everything is asked of arrays of one record at one size. What isn't there is no evidence; answers are None, "" or False
where nothing decides.
"""

import cv2
import numpy as np

from annotators.functional import keypoints as joints
from annotators.functional import masks
from schemas.labels import DENSEPOSE_COLOURS, Atr, Body25, Category, Cihp, DensePose, Lip

# Of a region's pixels. Right agnostic masks set 0.95 of what they must and nothing of the far background.
CLEARLY, HARDLY = 0.7, 0.3
_RIM = 0.02  # of the shorter side: the ring along the frame
_RIM_SET = 0.8  # of the ring. Masks of a garment or a person never set so much of it; their negatives set 0.85 and more
_REACH = 0.03  # of the height: joints lie inside the body, and label maps are a little coarse
_FAR = 0.08  # of the height: the background that no mask of the person reaches

_WORN: dict[str, tuple[Cihp, ...]] = {
    Category.UPPER_BODY: (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.COAT),
    Category.LOWER_BODY: (Cihp.PANTS, Cihp.SKIRT),
    Category.DRESSES: (Cihp.UPPER_CLOTHES, Cihp.DRESS, Cihp.SKIRT, Cihp.COAT),
}
_TORSO = (DensePose.TORSO_BACK, DensePose.TORSO_FRONT)


def must_repaint(category: str | None, parse: np.ndarray | None, parts: np.ndarray | None) -> np.ndarray | None:
    """bool [h w] that a right agnostic mask sets, from a CIHP parse or DensePose parts; None where neither tells."""
    region = None
    if parse is not None and category in _WORN:
        region = masks.of_labels(parse, _WORN[category]) > 0
    elif parts is not None and category != Category.LOWER_BODY:
        region = np.isin(parts, _TORSO)
    return region if region is not None and region.mean() > 0.005 else None


def person(parse: np.ndarray | None, parts: np.ndarray | None, mask: np.ndarray | None) -> np.ndarray | None:
    """bool [h w] of the person by the first that is there: parse ids, DensePose parts, a mask; None without any."""
    for region in (parse, parts, mask):
        if region is not None and (region > 0).any():
            return region > 0
    return None


def agnostic_inverted(mask: np.ndarray, inside: np.ndarray | None, body: np.ndarray | None) -> bool | None:
    """Whether an agnostic mask uint8 0/255 [h w] sets what it should leave.

    `inside` must be set, `body` is the person (both bool [h w]); without them the rim of the frame decides, which no
    agnostic mask sets. None where nothing decides.
    """
    is_set = mask >= 128
    votes = []
    if inside is not None:
        votes.append(_low_or_high(float(is_set[inside].mean())))
    far = None if body is None else ~_grown(body, _FAR)
    if far is not None and far.mean() > 0.02:
        votes.append(_low_or_high(1 - float(is_set[far].mean())))
    if not votes:
        return _rim_says(is_set)
    decided = {vote for vote in votes if vote is not None}
    return decided.pop() if len(decided) == 1 else None


def garment_inverted(mask: np.ndarray, photo: np.ndarray) -> bool | None:
    """Whether a mask of a flat garment is set around it: by the rim, or by which side looks like the photo's rim."""
    is_set = mask >= 128
    by_rim = _rim_says(is_set)
    if by_rim is not None:
        return by_rim
    rim = _rim(is_set.shape)
    background = np.median(photo[rim].reshape(-1, 3), axis=0)
    distance = np.abs(photo.astype(np.int16) - background).max(axis=2)
    inside, outside = distance[is_set], distance[~is_set]
    if not inside.size or not outside.size:
        return None
    if abs(inside.mean() - outside.mean()) < 8:
        return None
    return bool(outside.mean() > inside.mean())


def person_inverted(mask: np.ndarray, body: np.ndarray | None) -> bool | None:
    """Whether a mask of a person, or of what they wear, is set around them; `body` bool [h w] by another annotation."""
    is_set = mask >= 128
    if body is not None and (~body).any():
        covered, spilt = float(is_set[body].mean()), float(is_set[~_grown(body, _REACH)].mean())
        if covered < HARDLY and spilt > CLEARLY:
            return True
        if covered > HARDLY or spilt < HARDLY:
            return False
    return _rim_says(is_set)


def _low_or_high(share: float) -> bool | None:
    """True (inverted) for hardly any, False for most; None between."""
    return True if share < HARDLY else False if share > CLEARLY else None


def _rim_says(is_set: np.ndarray) -> bool | None:
    """True where nearly the whole rim of the frame is set, False where most isn't."""
    share = float(is_set[_rim(is_set.shape)].mean())
    if share >= _RIM_SET and not is_set.all():
        return True
    return False if share <= 1 - CLEARLY else None


def _rim(shape: tuple[int, ...]) -> np.ndarray:
    """bool [h w]: the ring along the frame."""
    width = max(1, round(_RIM * min(shape)))
    ring = np.ones(shape, bool)
    ring[width:-width, width:-width] = False
    return ring


def _grown(region: np.ndarray, share: float) -> np.ndarray:
    """bool [h w], a share of the height wider on all sides."""
    reach = max(1, round(share * region.shape[0]))
    kernel = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    return cv2.dilate(region.astype(np.uint8), kernel) > 0


_MOST_SUNGLASSES = 0.02  # of the frame, by CIHP's id 4, which is ATR's upper clothes
_NECK = 0.6  # of the way from the nose to the neck joint: bare skin in most photos


def label_space(parse: np.ndarray, keypoints: np.ndarray | None) -> str | None:
    """ "atr" or "lip" for ids uint8 [h w] that were taken for CIHP's and aren't; None where they may well be CIHP's.

    The nose shows the face's id: 11 is ATR's. LIP has no neck: below a face of id 13 there is a hole, and no id 10
    anywhere. Without joints, the ids' areas tell: nobody wears sunglasses of a fiftieth of the frame.
    """
    if not parse.size or int(parse.max()) > max(Cihp):
        return None
    nose = None if keypoints is None else _at(parse, keypoints[Body25.NOSE])
    fits_atr = int(parse.max()) <= max(Atr)
    sunglasses = np.count_nonzero(parse == Cihp.SUNGLASSES) / parse.size
    if fits_atr and (nose == Atr.FACE or (nose is None and sunglasses > _MOST_SUNGLASSES)):
        return "atr"
    if nose == Lip.FACE and not (parse == Cihp.NECK).any() and keypoints is not None and _bare_throat(parse, keypoints):
        return "lip"
    return None


def _bare_throat(parse: np.ndarray, keypoints: np.ndarray) -> bool:
    """Whether background shows between face and shoulders, where a throat must be."""
    nose, neck = keypoints[Body25.NOSE], keypoints[Body25.NECK]
    if not neck[:2].any():
        return False
    return _at(parse, nose + _NECK * (neck - nose)) == Lip.BACKGROUND


def _at(parse: np.ndarray, point: np.ndarray) -> int | None:
    """The commonest id in a small square around a joint; None for an absent one or one outside the picture."""
    x, y = round(float(point[0])), round(float(point[1]))
    reach = max(1, parse.shape[0] // 200)
    if not point[:2].any() or not (0 <= x < parse.shape[1] and 0 <= y < parse.shape[0]):
        return None
    square = parse[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1]
    return int(np.bincount(square.ravel()).argmax())


def joints_off(keypoints: np.ndarray, body: np.ndarray | None, height: int, width: int) -> tuple[int, int, int]:
    """(joints that are there, of them outside the picture, of them inside but off the person) of [25 3].

    `body` bool [h w] is the person by another annotation; without it nothing is off.
    """
    points = keypoints[joints.present(keypoints), :2]
    margin = _REACH * height
    x, y = points[:, 0], points[:, 1]
    outside = (x < -margin) | (x > width + margin) | (y < -margin) | (y > height + margin)
    if body is None:
        return len(points), int(outside.sum()), 0
    near = _grown(body, _REACH)
    columns = np.clip(np.rint(x[~outside]), 0, width - 1).astype(int)
    rows = np.clip(np.rint(y[~outside]), 0, height - 1).astype(int)
    return len(points), int(outside.sum()), int((~near[rows, columns]).sum())


_NEAR_A_COLOUR = 24  # of 255, per channel: what JPEG makes of the part colours
_IN_COLOUR = 0.5  # of the person's pixels
_GRID = 96  # samples along the longer side


def shows_parts(picture: np.ndarray) -> bool:
    """Whether what isn't black in a picture uint8 [h w 3] has DensePose's part colours, as far as JPEG leaves them.

    A grid of some thousand pixels tells.
    """
    step = max(1, max(picture.shape[:2]) // _GRID)
    grid = picture[::step, ::step].reshape(-1, 3).astype(np.int16)
    sample = grid[grid.any(axis=1)]
    distances = np.abs(sample[:, None] - DENSEPOSE_COLOURS[None, 1:].astype(np.int16)).max(axis=2)
    return bool(len(sample)) and float(np.mean(distances.min(axis=1) <= _NEAR_A_COLOUR)) > _IN_COLOUR


def densepose_channels(picture: np.ndarray) -> str:
    """ "iuv" or "vui" for a picture uint8 [h w 3] whose channels are numbers; "" for one in DensePose's part colours.

    I is at most 24 and has several values; U and V go up to 255.
    """
    most = max(DensePose)
    highest = [int(picture[..., channel].max(initial=0)) for channel in range(3)]
    if min(highest[0], highest[2]) > most or shows_parts(picture):
        return ""
    body = picture.any(axis=2)
    for order, index, others in (("iuv", 0, (1, 2)), ("vui", 2, (0, 1))):
        several = len(np.unique(picture[..., index][body])) > 1
        if highest[index] <= most < max(highest[other] for other in others) and several:
            return order
    return ""
