"""What each column of a record holds, a sentence for a card or a page."""

import pyarrow as pa

from schemas import fields

_MEANINGS = {
    "record_id": "dataset/split/entry, the same in every build of the same list",
    "dataset": "name of the source",
    "split": "train or test, as the source has it",
    "category": "upper_body, lower_body or dresses",
    "garment_type": "the source's finer word for the garment",
    "person_id": "whose photo person_image is",
    "garment_id": "whose photo garment_image is",
    "paired": "whether the person wears this garment",
    "source_person_image": "the person in other clothes, where the source has such a photo",
    "person_image": "photo of the person; what is aligned has its size",
    "garment_image": "photo of the garment",
    "garment_view": "whether the garment lies flat or is worn",
    "person_mask": "the whole person, white = set",
    "garment_mask": "the garment in garment_image, white = set",
    "worn_garment_mask": "the garment as it is worn in person_image, white = set",
    "warped_garment_image": "the garment bent to the person's pose",
    "warped_garment_mask": "where it lies in person_image, white = set",
    "parse": "a class per pixel, 20 of CIHP",
    "parse_lip": "a class per pixel, 20 of LIP",
    "parse_atr": "a class per pixel, 18 of ATR",
    "keypoints": "BODY_25 joints: x, y in pixels and score, absent = 0 0 0",
    "person_box": "the person, x0 y0 x1 y1 in pixels",
    "keypoints_face": "70 points of the face: x, y in pixels and score",
    "keypoints_hands": "21 points of each hand: x, y in pixels and score",
    "pose_image": "the joints, drawn",
    "densepose": "part, u and v of the body's surface per pixel",
    "densepose_image": "DensePose's parts, drawn",
    "agnostic_image": "the person with the garment's region painted over",
    "agnostic_mask": "the region to repaint, white = repaint",
    "parse_agnostic": "parse without the garment",
    "high_frequency_map": "edges and texture of the garment or the object",
    "caption": "a sentence about the picture",
    "garment_caption": "a sentence about the garment",
    "captions": "all captions with the models that wrote them",
    "tags": "named properties, as the source tags them",
    "height": "of the first photo, pixels",
    "width": "of the first photo, pixels",
    "geometry": "how the photo was cut and scaled from its source",
    "quality": "sharpness, exposure, areas and hashes by which records are chosen",
    "provenance": "of each column: dataset, annotator or manual, by whom, and the digest of its source",
    "video_id": "the clip, or the photo",
    "object_id": "the object within it",
    "reference_frame": "number of the frame that shows the object first",
    "target_frame": "number of the frame that it is to be placed in",
    "dynamics": "still, video or high_quality: decides the noise levels of training",
    "reference_image": "the object as it is shown to the model",
    "reference_mask": "the object in reference_image, white = set",
    "target_image": "the picture that the object is placed in",
    "target_mask": "the object in target_image, white = set",
    "target_box": "where the object goes, x0 y0 x1 y1 in pixels",
}
_OF_KIND = {
    "image": "a picture",
    "mask": "a mask, white = set",
    "label_map": "a class per pixel",
    "keypoints": "points: x, y in pixels and score",
    "box": "x0 y0 x1 y1 in pixels",
    "text": "text",
    "number": "a number",
    "struct": "named values",
    "table": "rows of named values",
}
_RECIPE = "agnostic_mask_"


def of(field: pa.Field) -> str:
    """A sentence without a full stop; of a column that nobody knows, what kind of values it has."""
    if field.name in _MEANINGS:
        return _MEANINGS[field.name]
    if field.name.startswith(_RECIPE):
        return f"the region to repaint by the recipe {field.name.removeprefix(_RECIPE)}, white = repaint"
    if fields.is_tensor(field):
        return f"what a frozen network makes of {', '.join(fields.sources(field))}"
    return _OF_KIND[fields.kind(field)]
