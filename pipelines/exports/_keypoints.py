"""Keypoints as the JSON of other people's datasets. What reads a record's cells raises codecs.CodecError."""

import json
from typing import Any

import numpy as np
import pyarrow as pa

from schemas import codecs, labels, record

DRESS_CODE_FRAME = (512, 384)  # height, width of the picture that Dress Code's keypoints are pixels of
DRESS_CODE_LOSS = "COCO-18 holds no mid-hip, feet, face or hands"


def points(row: dict[str, Any], name: str, schema: pa.Schema) -> Any:
    """float32 [n 3] of a column of keypoints; None where the record has none."""
    return record.decode(schema.field(name), row[name]) if row.get(name) is not None else None


def vitonhd(row: dict[str, Any], schema: pa.Schema) -> bytes:
    """VITON-HD's OpenPose JSON (BODY_25, face and hands where known) with exact numbers."""
    body, face, hands = (points(row, name, schema) for name in ("keypoints", "keypoints_face", "keypoints_hands"))
    return codecs.encode_keypoints(body, face, hands, exact=True)


def dress_code(keypoints: np.ndarray, height: int, width: int) -> bytes:
    """BODY_25 [25 3] in pixels of height × width → {"keypoints": [[x, y, score, index] × 18]}, COCO-18.

    Coordinates are pixels of a 384 × 512 (w × h) picture; an absent joint is 0, 0, 0 with index -1.
    """
    scale_x, scale_y = DRESS_CODE_FRAME[1] / width, DRESS_CODE_FRAME[0] / height
    rows = []
    for i, (x, y, score) in enumerate(labels.body25_to_coco18(keypoints).astype(np.float32)):
        row = [float(x) * scale_x, float(y) * scale_y, float(str(score)), float(i)]
        rows.append(row if x or y else [0.0, 0.0, 0.0, -1.0])
    return json.dumps({"keypoints": rows}).encode()
