"""Findings about one record's pictures, from the numbers of its `quality` column: blurred, dark, cropped and so on.

The limits lie between what the real photos show (6 loose photos, 12 persons and 12 garments of VITON-HD, 12 of each of
Dress Code; MediaPipe's light models, classical garment masks) and what the same photos show when they are spoilt. What
isn't known is not a finding.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

COLUMNS = ("quality", "height", "width", "geometry", "garment_view")

# Persons measure 145 to 2075; blurred by 1.5 px, 26 of 30 are below 80, and all by 3 px. Garments may be plain: they
# measure 38 (a white blouse) to 4606; blurred by 3 px, 24 of 30 are below 20.
LEAST_SHARPNESS = {"person": 80.0, "garment": 20.0}
LEAST_EXPOSURE = 0.2  # of white. Persons have 0.44 to 0.95, garments on white 0.53 to 0.91, black ones included
MOST_AT_SIDE = 0.05  # of the left or right side of the frame. No real person touches one
LEAST_HEAD_ROOM = 0.05  # of the height, above the neck. 0.10 to 0.46: Dress Code cuts its faces off at the mouth
LEAST_SIDE = 256  # pixels: less than half of what any of the models is trained at
LEAST_PIXELS = 16_384  # of the person, in the photo as it was: 256 pixels tall and a fourth as wide
LEAST_AREA = 0.08  # of the frame. Full-length persons fill 0.20 or more; this is one at 63 % of their size
NOBODY_AREA = 0.01
MOST_ARM = 0.4  # of a forearm. 0 for 25 of the 27 seen; 0.27 and 0.30 for a hand in front of the hip; the
# sample's drawn persons with an arm across have 0.64 and 0.73
MOST_GARMENT_AT_SIDE = 0.05  # of a side of the frame. 0 for 29 of 30; 0.03 for a sleeve that touches the edge
MOST_UNCOVERED = 0.01  # of the garment. 0 to 0.0054 (specs/annotations.md §5.12); above it the old garment shows
# 0–255. VITON-HD's garments lie on 246 without a tint, 8 of Dress Code's 12 on 255; its other four on 219 to 242 with
# a tint of 4 or 5. What was trained on one of them shows seams on the other (sangyun884/HR-VITON#44).
LEAST_BACKGROUND = 244.0
MOST_TINT = 2.0
# Of the frame. VITON-HD's agnostic masks fill 0.18 to 0.56, and 0.05 of a person at LEAST_AREA; garments by themselves
# 0.25 to 0.58, also Dress Code's trousers. A threshold above 246 sets the whole frame (specs/annotations.md section 6).
LEAST_MASK = {"agnostic": 0.02, "garment": 0.05}
LEAST_WORN_MASK = 0.02  # a garment mask where somebody wears the garment
MOST_MASK = {"agnostic": 0.95, "garment": 0.9}


@dataclass(frozen=True)
class Check:
    """`test` says in a few words what is wrong with a record, or nothing."""

    kind: str
    severity: str
    test: Callable[[Mapping[str, Any]], str]


def findings(row: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Rows of findings.parquet for a record with `record_id` and COLUMNS; none where it has no quality."""
    return judge(row, CHECKS) if row.get("quality") else iter(())


def judge(row: Mapping[str, Any], checks: Iterable[Check]) -> Iterator[dict[str, Any]]:
    """Rows of findings.parquet for what these checks say of a record."""
    for check in checks:
        detail = check.test(row)
        if detail:
            finding = {"record_id": row["record_id"], "kind": check.kind, "group": ""}
            yield finding | {"severity": check.severity, "detail": detail}


def _blurred(row: Mapping[str, Any]) -> str:
    return _both(row, "sharpness", LEAST_SHARPNESS)


def _dark(row: Mapping[str, Any]) -> str:
    return _both(row, "exposure", dict.fromkeys(("person", "garment"), LEAST_EXPOSURE))


def _both(row: Mapping[str, Any], measure: str, least: Mapping[str, float]) -> str:
    found = []
    for role, limit in least.items():
        value = row["quality"].get(f"{role}_{measure}")
        if value is not None and value < limit:
            found.append(f"{measure} of {role}_image is {value:.2f}, below {limit:g}")
    return "; ".join(found)


def _cropped(row: Mapping[str, Any]) -> str:
    reason = _above(row, "person_at_side", MOST_AT_SIDE, "the person covers {value} of a side of the frame")
    room = row["quality"].get("head_room")
    if room is not None and room < LEAST_HEAD_ROOM:
        head = "the neck isn't in the frame" if room == 0 else f"only {room:.2f} of the height is above the neck"
        reason = "; ".join(filter(None, (reason, head)))
    return reason


def _too_small(row: Mapping[str, Any]) -> str:
    height, width, area = row["height"], row["width"], row["quality"].get("person_area")
    if height and width:
        if min(height, width) < LEAST_SIDE:
            return f"{height}x{width} pixels, a side is below {LEAST_SIDE}"
        if told := _few_pixels(height, width, area, row.get("geometry") or {}):
            return told
    if area is not None and NOBODY_AREA <= area < LEAST_AREA:
        return f"the person fills {area:.3f} of the frame, below {LEAST_AREA}"
    return ""


def _few_pixels(height: int, width: int, area: float | None, geometry: Mapping[str, Any]) -> str:
    """How few pixels the file itself has of what is shown: it was enlarged, or padded from a strip."""
    file_height, file_width = geometry.get("source_height"), geometry.get("source_width")
    scale_x, scale_y = geometry.get("scale_x"), geometry.get("scale_y")
    if not (file_height and file_width and scale_x and scale_y):
        return ""
    if min(file_height, file_width) < LEAST_SIDE:
        size = f"{file_height}x{file_width} pixels"
        return f"the file has {size}, a side is below {LEAST_SIDE}; shown {scale_y:.1f} times as large"
    shown = round(min(height, file_height * scale_y)), round(min(width, file_width * scale_x))
    if min(shown) < LEAST_SIDE:
        return f"of {height}x{width} pixels the photo takes {shown[0]}x{shown[1]}, a side is below {LEAST_SIDE}"
    pixels = 0 if area is None else area * height * width / (scale_x * scale_y)
    if area is not None and area >= NOBODY_AREA and pixels < LEAST_PIXELS:
        return f"the file has {pixels:.0f} pixels of the person, below {LEAST_PIXELS}"
    return ""


def _several_people(row: Mapping[str, Any]) -> str:
    people = row["quality"].get("people")
    return f"{people} people" if people is not None and people > 1 else ""


def _nobody(row: Mapping[str, Any]) -> str:
    people, area = row["quality"].get("people"), row["quality"].get("person_area")
    nowhere = area is not None and area < NOBODY_AREA
    return "nobody was found" if people == 0 or nowhere else ""


def _arms_over_garment(row: Mapping[str, Any]) -> str:
    return _above(row, "arm_over_garment", MOST_ARM, "{value} of a forearm is in front of the torso")


def _garment_outside_frame(row: Mapping[str, Any]) -> str:
    """Of garments photographed by themselves: on a person, the frame may cut them."""
    if row["garment_view"] == "worn":
        return ""
    return _above(row, "garment_at_side", MOST_GARMENT_AT_SIDE, "the garment covers {value} of a side of the frame")


def _mask_not_covering_garment(row: Mapping[str, Any]) -> str:
    return _above(row, "uncovered_garment", MOST_UNCOVERED, "{value} of the worn garment is outside agnostic_mask")


def _tinted_background(row: Mapping[str, Any]) -> str:
    found = []
    luma, tint = (row["quality"].get(f"garment_background_{name}") for name in ("luma", "tint"))
    if luma is not None and luma < LEAST_BACKGROUND:
        found.append(f"the garment's background is {luma:g} of 255, below {LEAST_BACKGROUND:g}")
    if tint is not None and tint > MOST_TINT:
        found.append(f"the channels of the garment's background are {tint:g} apart, above {MOST_TINT:g}")
    return "; ".join(found)


def _empty_mask(row: Mapping[str, Any]) -> str:
    """Of what is repainted and of the garment; a person without pixels is `nobody`."""
    least = LEAST_MASK | ({"garment": LEAST_WORN_MASK} if row["garment_view"] == "worn" else {})
    areas = ((name, row["quality"].get(f"{name}_area"), limit) for name, limit in least.items())
    return "; ".join(
        f"{name}_mask fills {area:.3f} of the frame, below {limit:g}"
        for name, area, limit in areas
        if area is not None and area < limit
    )


def _full_mask(row: Mapping[str, Any]) -> str:
    reasons = (_above(row, f"{name}_area", most, f"{name}_mask fills {{value}}") for name, most in MOST_MASK.items())
    return "; ".join(filter(None, reasons))


def _above(row: Mapping[str, Any], name: str, most: float, text: str) -> str:
    value = row["quality"].get(name)
    return f"{text.format(value=f'{value:.3f}')}, above {most:g}" if value is not None and value > most else ""


CHECKS = (
    Check("blurred", "warning", _blurred),
    Check("dark", "warning", _dark),
    Check("cropped", "warning", _cropped),
    Check("too_small", "warning", _too_small),
    Check("several_people", "warning", _several_people),
    Check("nobody", "error", _nobody),
    Check("arms_over_garment", "warning", _arms_over_garment),
    Check("garment_outside_frame", "warning", _garment_outside_frame),
    Check("mask_not_covering_garment", "error", _mask_not_covering_garment),
    Check("tinted_background", "warning", _tinted_background),
    Check("empty_mask", "error", _empty_mask),
    Check("full_mask", "warning", _full_mask),
)
KINDS = tuple(check.kind for check in CHECKS)
