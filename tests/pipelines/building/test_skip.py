"""What `--skip` means: a column, or an annotator and what nobody else writes."""

import pytest

from pipelines.building.configuration import DEFAULT_ANNOTATORS, skipped
from schemas.cli.flags import UsageError

BOTH = ("caption", "caption_tags")


@pytest.mark.parametrize(
    ("words", "named", "columns"),
    [
        (("caption",), None, ("captions",)),
        (("caption_tags",), None, ("caption", "garment_caption")),
        (("caption", "caption_tags"), None, ("caption", "captions", "garment_caption")),
        (("garment_caption",), None, ("garment_caption",)),
        (("parsing",), None, ("parse", "parse_atr", "parse_lip")),
        (("pose",), None, ("keypoints", "keypoints_face", "keypoints_hands", "person_box", "pose_image")),
        (("densepose",), None, ("densepose", "densepose_image")),
        (("keypoints", "garment_caption"), BOTH, ("garment_caption", "keypoints")),
        ((), None, ()),
    ],
    ids=str,
)
def test_columns_that_are_skipped(
    words: tuple[str, ...], named: tuple[str, ...] | None, columns: tuple[str, ...]
) -> None:
    assert skipped(words, named, named or DEFAULT_ANNOTATORS) == columns


def test_an_annotator_that_is_named_and_skipped_is_a_clash() -> None:
    with pytest.raises(UsageError, match="'caption_tags' is in both --annotators and --skip"):
        skipped(("caption_tags",), BOTH, BOTH)
