"""Shipped annotations of one record against each other: what is plainly the other way round is turned, what can't be
true is left out, and both are noted where the findings look."""

from collections.abc import Callable
from functools import cached_property

import numpy as np

from annotators.functional import crosschecks, densepose, masks, parsing
from pipelines.sources.outcomes import Reading
from schemas import record
from schemas.kinds import tryon

_MOST_OFF = 0.5  # of the joints that are there: more beside the person, and they are another photo's
_SOME_OFF = 0.2
_LEAST_OVERLAP = 0.9  # of two masks of one garment
_MOST_SET = 0.5  # of the frame: a mask of unknown polarity that sets more is worth a look


def settle(reading: Reading, cut_out: np.ndarray | None = None) -> None:
    """Checks label space, joints and polarity, in this order: the later ones go by what the earlier ones left.

    `cut_out`, uint8 [h w], is the garment by its picture's alpha, where a mask was shipped too.
    """
    _label_space(reading)
    evidence = _Evidence(reading)
    _joints(reading, evidence)
    _polarity(reading, "agnostic_mask", lambda mask: _agnostic(reading, mask, evidence))
    _polarity(reading, "person_mask", lambda mask: crosschecks.person_inverted(mask, evidence.body))
    _polarity(reading, "worn_garment_mask", lambda mask: crosschecks.person_inverted(mask, None))
    _polarity(reading, "warped_garment_mask", lambda mask: crosschecks.person_inverted(mask, None))
    _garment_mask(reading, cut_out)


class _Evidence:
    """What other annotations say of the person, computed when a check asks for it and once."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading

    @cached_property
    def parts(self) -> np.ndarray | None:
        """DensePose part ids uint8 [h w] of the shipped arrays."""
        iuv, picture = (_shipped(self.reading, column) for column in ("densepose", "densepose_image"))
        if iuv is not None:
            return iuv[..., 0]
        return None if picture is None or not crosschecks.shows_parts(picture) else densepose.decode(picture)

    @cached_property
    def body(self) -> np.ndarray | None:
        """bool [h w] of the person, by a parse or by DensePose."""
        parse = _shipped(self.reading, "parse")
        told_by_parse = parse is not None and bool(parse.any())
        return crosschecks.person(parse, None if told_by_parse else self.parts, None)

    @cached_property
    def inside(self) -> np.ndarray | None:
        """bool [h w] that a right agnostic mask sets."""
        parse, category = (self.reading.columns.get(column) for column in ("parse", "category"))
        told_by_parse = parse is not None and category is not None
        return crosschecks.must_repaint(category, parse, None if told_by_parse else self.parts)


def _shipped(reading: Reading, column: str) -> np.ndarray | None:
    value = reading.columns.get(column)
    return value if reading.provenance.get(column, {}).get("origin") == "dataset" else None


def _note(reading: Reading, column: str, text: str) -> None:
    entry = reading.provenance[column]
    entry["note"] = "; ".join(filter(None, (entry["note"], text)))


def _label_space(reading: Reading) -> None:
    parse = _shipped(reading, "parse")
    if parse is None or any(reading.columns.get(f"parse_{space}") is not None for space in ("atr", "lip")):
        return
    space = crosschecks.label_space(parse, _shipped(reading, "keypoints"))
    if space is None:
        return
    reading.columns["parse"] = parsing.to_cihp(parse, space)
    reading.kept.pop("parse", None)
    says = f"`--parse-space {space}`, or the column parse_{space} of a table, says so"
    _note(reading, "parse", f"{record.OTHER_SPACE}: looks like {space.upper()} ids, taken as such ({says})")


def _joints(reading: Reading, evidence: _Evidence) -> None:
    keypoints = _shipped(reading, "keypoints")
    if keypoints is None:
        return
    height, width = reading.columns["person_image"].shape[:2]
    there, outside, off = crosschecks.joints_off(keypoints, evidence.body, height, width)
    if not there or outside + off <= _SOME_OFF * there:
        return
    where = f"{record.OFF_PERSON}: of {there} joints {outside} are outside the photo, {off} beside the person"
    if outside + off <= _MOST_OFF * there:
        _note(reading, "keypoints", where)
        return
    for column in ("keypoints", "keypoints_face", "keypoints_hands"):
        if _shipped(reading, column) is not None:
            reading.columns[column] = None
            _note(reading, column, f"{where}; left out: in pixels of another photo or size?")


def _agnostic(reading: Reading, mask: np.ndarray, evidence: _Evidence) -> bool | None:
    """The shipped agnostic picture is the best witness: it is grey where the mask is set."""
    picture, person = _shipped(reading, "agnostic_image"), reading.columns["person_image"]
    if picture is not None and picture.shape == person.shape:
        verdict = tryon.inverted(person, picture, mask)
        if verdict is not None:
            return verdict
    return crosschecks.agnostic_inverted(mask, evidence.inside, evidence.body)


def _garment_mask(reading: Reading, cut_out: np.ndarray | None) -> None:
    """Alpha's polarity is known, and tells that of a mask in a file of its own; where the two differ, the file wins."""
    mask = _shipped(reading, "garment_mask")
    if mask is None:
        return
    if cut_out is None:
        if "garment_mask" in reading.planned.references:
            garment = reading.columns["garment_image"]
            _polarity(reading, "garment_mask", lambda mask: crosschecks.garment_inverted(mask, garment))
    elif mask is not cut_out:
        _polarity(reading, "garment_mask", lambda mask: masks.iou(255 - mask, cut_out) > masks.iou(mask, cut_out))
        overlap = masks.iou(reading.columns["garment_mask"], cut_out)
        if overlap < _LEAST_OVERLAP:
            _note(reading, "garment_mask", f"{record.MASK_AGAINST_ALPHA}: they overlap by {overlap:.2f}")


def _polarity(reading: Reading, column: str, is_inverted: Callable[[np.ndarray], bool | None]) -> None:
    mask = _shipped(reading, column)
    if mask is None or not mask.any():
        return
    verdict = is_inverted(mask)
    if verdict:
        reading.columns[column] = 255 - mask
        _note(reading, column, f"{record.INVERTED}: black and white exchanged")
    elif verdict is None and float(np.mean(mask >= 128)) > _MOST_SET:
        _note(reading, column, f"{record.INVERTED}? It sets more than half of the frame, and nothing else tells")
