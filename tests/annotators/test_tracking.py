"""Trackers: how well they hold an object whose masks are known, and that they let it go when it is gone."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from support import moving

from annotators.functional import masks, shots
from annotators.tracking import seeding
from annotators.tracking.classical import ClassicalTracker
from pipelines.sources.clips.pairs.video import available, open_video


@pytest.fixture(scope="module", params=[0, 1, 2])
def clip(request):
    return moving.render(seed=request.param)


@pytest.fixture(scope="module")
def steps(clip):
    return [steps[0] for steps in ClassicalTracker().follow(clip.pictures, [clip.masks[0]])]


def test_a_moving_object_is_held_until_it_is_gone(clip, steps):
    held = [step for step in steps if step]
    overlaps = [masks.iou(step.mask, clip.masks[number]) for number, step in enumerate(held, start=1)]
    assert np.mean(overlaps) >= 0.7
    assert 0.85 * clip.gone <= len(held) < clip.gone + 2  # also past the post that hides a part of it
    assert all(0 <= step.score <= 1 for step in held)
    assert held[-1].mask.shape == clip.masks[0].shape


def test_a_track_that_has_ended_stays_ended(steps):
    ended = steps.index(None) if None in steps else len(steps)
    assert not any(steps[ended:])


def test_objects_are_followed_by_themselves(clip):
    alone = [steps[0] for steps in ClassicalTracker().follow(clip.pictures[:8], [clip.masks[0]])]
    other = np.zeros_like(clip.masks[0])
    other[200:230, 300:340] = 255
    both = ClassicalTracker().follow(clip.pictures[:8], [other, clip.masks[0]])
    assert all(np.array_equal(a.mask, b[1].mask) for a, b in zip(alone, both, strict=True))


def test_a_track_is_the_same_again(clip):
    runs = [list(ClassicalTracker().follow(clip.pictures[:8], [clip.masks[0]])) for _ in range(2)]
    assert all(np.array_equal(a[0].mask, b[0].mask) and a[0].score == b[0].score for a, b in zip(*runs, strict=True))


def test_an_object_too_small_to_follow_ends_at_once(clip):
    speck = np.zeros_like(clip.masks[0])
    speck[5:8, 5:8] = 255
    assert not any(steps[0] for steps in ClassicalTracker().follow(clip.pictures[:4], [speck]))


@pytest.fixture(scope="module")
def sam2_folder(tmp_path_factory):
    """A SAM 2 of random weights in the released layout, small enough for a test."""
    pytest.importorskip("transformers")
    import torch
    from support.tiny_sam2 import build

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("sam2")
    build().save_pretrained(folder)
    return folder


def test_sam2_looks_for_an_object_where_its_box_is(sam2_folder):
    from annotators.tracking.sam2 import Sam2Tracker

    tracker, picture = Sam2Tracker(sam2_folder), moving.render().pictures[0]
    tracker.model.mask_decoder.pred_obj_score_head.proj_out.bias.data.fill_(100)  # there is an object
    height, width = picture.shape[:2]
    found = [tracker.in_box(picture, box) for box in ((0, 0, width // 2, height // 2), (width // 2, 0, width, height))]
    for mask in found:
        assert mask.shape == (height, width) and mask.dtype == np.uint8 and set(np.unique(mask)) <= {0, 255}
    assert not np.array_equal(*found), "the box is a prompt of the model's"


def test_sam2_runs_from_a_folder_and_forgets_what_it_no_longer_needs(sam2_folder):
    clip = moving.render()
    from annotators.tracking.sam2 import Sam2Tracker

    tracker = Sam2Tracker(sam2_folder)
    seeds = [clip.masks[0], np.roll(clip.masks[0], 100, 1)]
    sessions = []
    original = tracker._session
    tracker._session = lambda *arguments: sessions.append(original(*arguments)) or sessions[-1]
    steps = list(tracker.follow(clip.pictures[:24], seeds))
    assert all(len(one) == 2 for one in steps)
    for step in filter(None, (step for one in steps for step in one)):
        assert step.mask.shape == clip.masks[0].shape and set(np.unique(step.mask)) <= {0, 255}
    (session,) = sessions
    assert sum(frame.numel() for frame in session.processed_frames.values()) == 0
    kept = [number for out in session.output_dict_per_obj.values() for number in out["non_cond_frame_outputs"]]
    assert len(kept) <= 2 * (tracker.remembered + 1)


def test_sam2_equals_transformers_own_session(sam2_folder):
    """Fed frame by frame and forgetting, as over the whole clip held in memory by the model's own loop."""
    import torch
    from transformers.models.sam2_video.modeling_sam2_video import Sam2VideoInferenceSession

    from annotators.tracking import sam2

    clip = moving.render()
    tracker = sam2.Sam2Tracker(sam2_folder)
    pictures = clip.pictures[:6]
    prepared = []
    see = tracker._see
    tracker._see = lambda session, picture, number: (prepared.append(picture), see(session, picture, number))[1]
    ours = [steps[0] for steps in tracker.follow(pictures, [clip.masks[0]])]
    video = torch.cat([_prepared(picture, tracker.side, sam2) for picture in prepared])
    session = Sam2VideoInferenceSession(video=video, video_height=240, video_width=426, dtype=torch.float32)
    mask = torch.from_numpy(clip.masks[0] > 0)[None, None].float()
    mask = torch.nn.functional.interpolate(mask, (tracker.side, tracker.side), mode="bilinear", antialias=True)
    session.add_mask_inputs(session.obj_id_to_idx(0), 0, (mask >= 0.5).float())
    session.obj_with_new_inputs = [0]
    with torch.inference_mode():
        theirs = [
            tracker._steps(output, 240, 426)[0]
            for output in tracker.model.propagate_in_video_iterator(session, start_frame_idx=0)
        ][1:]
    assert [step is None for step in ours] == [step is None for step in theirs]
    for a, b in zip(ours, theirs, strict=True):
        if a and b:
            assert masks.iou(a.mask, b.mask) > 0.999 and a.score == pytest.approx(b.score, abs=1e-4)


def _prepared(picture, side, sam2):
    import torch

    pixels = torch.from_numpy(picture).permute(2, 0, 1)[None].float()
    small = torch.nn.functional.interpolate(pixels, (side, side), mode="bilinear", antialias=True) / 255
    return (small - torch.tensor(sam2.MEAN).view(1, 3, 1, 1)) / torch.tensor(sam2.DEVIATION).view(1, 3, 1, 1)


def test_a_folder_of_something_else_is_refused(tmp_path):
    pytest.importorskip("transformers")
    from annotators.tracking.sam2 import Sam2Tracker

    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="holds no SAM 2 video model"):
        Sam2Tracker(tmp_path)


def test_what_moves_is_found(clip):
    (found, *_) = seeding.moving_objects([clip.pictures[number] for number in (8, 9, 10)])
    assert masks.iou(found, clip.masks[8]) > 0.55


def test_what_moves_between_pictures_is_cut_out_of_bare_ground(clip):
    """Flow spreads over ground without texture; what differs from before and from after doesn't."""
    bare = [
        np.where(clip.masks[number][..., None] > 0, clip.pictures[number], np.uint8(150)) for number in (6, 7, 8, 9, 10)
    ]
    (found,) = seeding.moving_objects(bare, at=2)
    assert masks.iou(found, clip.masks[8]) > 0.85


def test_a_region_without_an_outline_is_no_object():
    """It got brighter here and there, as under a passing cloud."""
    rng = np.random.default_rng(0)
    wall = cv2.resize(rng.integers(60, 160, (30, 54, 3), np.uint8), (426, 240), interpolation=cv2.INTER_CUBIC)
    pictures = [np.roll(wall, shift, 1) for shift in (0, 3, 6)]
    for picture in pictures:
        picture[:, :100] = wall[:, :100]
        picture[:, 300:] = wall[:, 300:]
    assert seeding.moving_objects(pictures, at=1) == []


def test_a_mask_does_not_grow_over_what_stands_still():
    """Chequers as the object's own stand where it passes."""
    clip = moving.render(96)
    block = np.zeros(clip.masks[0].shape, bool)
    block[100:200, 20:250] = True
    chequers = np.where(np.add.outer(range(240), range(426))[..., None] // 9 % 2, (220, 60, 50), (240, 200, 60))
    pictures = [
        np.where((block & (mask == 0))[..., None], chequers, picture).astype(np.uint8)
        for picture, mask in zip(clip.pictures[:24], clip.masks[:24], strict=True)
    ]
    held = [steps[0] for steps in ClassicalTracker().follow(pictures, [clip.masks[0]])]
    assert len(held) == 23 and all(held)
    for number, step in enumerate(held, start=1):
        assert masks.iou(step.mask, clip.masks[number]) > 0.75


def test_what_moves_is_found_before_a_moving_camera(clip):
    panned = [np.roll(clip.pictures[number], 3 * number, 1)[:, 60:-60] for number in (8, 9, 10)]
    (found, *_) = seeding.moving_objects(panned)
    assert masks.iou(found, np.roll(clip.masks[8], 24, 1)[:, 60:-60]) > 0.5


def test_nothing_is_found_where_nothing_moves(clip):
    assert seeding.moving_objects([clip.pictures[8]] * 3) == []
    panned = [
        np.roll(np.where(clip.masks[8][..., None] > 0, 90, clip.pictures[8]), shift, 1)[:, 60:-60] for shift in (0, 3)
    ]
    assert seeding.moving_objects([picture.astype(np.uint8) for picture in panned]) == []


def test_an_object_is_cut_out_of_its_box(clip):
    ys, xs = np.nonzero(clip.masks[8])
    box = (int(xs.min()) - 6, int(ys.min()) - 6, int(xs.max()) + 7, int(ys.max()) + 7)
    assert masks.iou(seeding.in_box(clip.pictures[8], box), clip.masks[8]) > 0.8


@pytest.mark.parametrize(("position", "box"), [(120, (870, 370, 1279, 580)), (222, (800, 400, 970, 600))])
def test_a_light_dog_is_cut_out_of_a_light_floor(data, position, box):
    """Only what lies around the box tells what the ground is like; the whole picture has all the dog's colours."""
    path = data / "video/raw/dog.mp4"
    mask = seeding.in_box(open_video(path, path.name, available()).frame(position).pixels, box)
    x0, y0, x1, y1 = box
    assert masks.area(mask) == masks.area(mask[y0 - 3 : y1 + 3, x0 - 3 : x1 + 3]) > 0.3 * (x1 - x0) * (y1 - y0)
    assert masks.area(mask) < 0.7 * (x1 - x0) * (y1 - y0)


def test_a_cut_is_told_from_motion(clip):
    seen = [shots.colours(picture) for picture in clip.pictures]
    assert not any(shots.is_cut(a, b) for a, b in pairwise(seen))
    other = shots.colours(np.full_like(clip.pictures[0], 230))
    assert shots.is_cut(seen[0], other)
