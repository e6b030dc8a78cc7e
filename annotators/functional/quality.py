"""Numbers by which bad, equal and nearly equal pictures are found."""

import cv2
import numpy as np

SIDE = 512  # pictures are brought to this longer side before sharpness is measured
HASH_BITS = 256


def sharpness(image: np.ndarray) -> float:
    """Variance of the Laplacian of the luma of a picture uint8 [h w 3] RGB, brought to 512 px on its longer side.

    300 to 550 on VITON-HD's persons, about 30 when they are blurred by 2 px, 40 for a plain blouse on white.
    """
    return float(cv2.Laplacian(_grey(image, SIDE), cv2.CV_32F).var())


def exposure(image: np.ndarray) -> float:
    """Mean luma, 0 (black) to 1 (white)."""
    return cv2.mean(_grey(image, SIDE))[0] / 255


def clipped(image: np.ndarray) -> tuple[float, float]:
    """Shares of the pixels that are black (all channels 0) and white (all channels 255)."""
    return float((image.max(axis=2) == 0).mean()), float((image.min(axis=2) == 255).mean())


def perceptual_hash(image: np.ndarray) -> str:
    """256-bit pHash of a picture uint8 [h w 3] RGB as 64 hex digits: two looks alike differ in few bits.

    Signs of the 16 × 16 lowest frequencies of the cosine transform of its luma at 64 × 64, against their median
    (Zauner 2010). The aspect is not part of it.
    """
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (64, 64), interpolation=cv2.INTER_AREA).astype(np.float32)
    low = cv2.dct(small)[:16, :16].ravel()
    return np.packbits(low > np.median(low)).tobytes().hex()


def hash_bits(hashes: list[str]) -> np.ndarray:
    """uint64 [n 4] of n perceptual hashes in hex. Raises ValueError for one of another length."""
    for digits in hashes:
        if len(digits) != HASH_BITS // 4:
            raise ValueError(f"a hash of {len(digits)} hex digits; allowed is {HASH_BITS // 4}")
    return np.frombuffer(bytes.fromhex("".join(hashes)), ">u8").astype(np.uint64).reshape(-1, 4)


def hamming_distance(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Number of differing bits of hashes uint64 [… 4], broadcast: `(bits[:, None], bits)` gives all pairs."""
    return np.asarray(np.bitwise_count(a ^ b).sum(axis=-1, dtype=np.int64))


def _grey(image: np.ndarray, side: int) -> np.ndarray:
    """Luma uint8, the longer side brought to `side`."""
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    scale = side / max(grey.shape)
    size = max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale))
    return cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
