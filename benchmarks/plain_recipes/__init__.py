"""The agnostic recipes written straight from their descriptions: full frame, label by label, joint by joint.

They say what the fast versions must draw, and what their speed is compared with. Parses uint8 [h w], joints float
[n 2+] in the frame that the recipe is written for, masks uint8 [h w] 0/255.
"""

import numpy as np


def labelled(parse: np.ndarray, *ids: int) -> np.ndarray:
    """bool [h w]: where the parse holds one of the ids, one after another."""
    found = np.zeros(parse.shape, bool)
    for label in ids:
        found = np.logical_or(found, parse == label)
    return found


def mask(chosen: np.ndarray) -> np.ndarray:
    return chosen.astype(np.uint8) * np.uint8(255)


def absent(joint: np.ndarray) -> bool:
    return bool(joint[0] <= 1 and joint[1] <= 1)
