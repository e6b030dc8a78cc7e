"""Video files as clips: the frame asked for, upright, and files that are no whole video."""

import cv2
import numpy as np
import pytest
from support import videos

from pipelines.sources.clips.pairs.frames import Unreadable
from pipelines.sources.clips.pairs.video import available, open_video

FRAMES = 90
KINDS = [(".mp4", "mpeg4"), (".mp4", "libx264"), (".mov", "libx264"), (".webm", "libvpx-vp9"), (".mkv", "libx264")]

DECODERS = ("decord", "opencv")


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: "-".join(kind))
def of_a_kind(request, tmp_path_factory):
    ending, codec = request.param
    return videos.write(tmp_path_factory.mktemp("video") / f"clip{ending}", range(FRAMES), codec)


@pytest.fixture(scope="module")
def mp4(tmp_path_factory):
    return videos.write(tmp_path_factory.mktemp("video") / "clip.mp4", range(FRAMES))


@pytest.mark.parametrize("decoder", DECODERS)
def test_every_frame_is_the_one_asked_for(of_a_kind, decoder):
    video = open_video(of_a_kind, of_a_kind.name, [decoder])
    assert len(video) == FRAMES
    for position in [0, 30, 31, 60, 59, 12, 11, 89, 89, 0]:
        assert videos.number_of(video.pixels(position)) == position
    assert video.second(60) == pytest.approx(2.0, abs=0.002)


@pytest.mark.parametrize("decoder", DECODERS)
def test_frames_come_upright(tmp_path, mp4, decoder):
    turned = videos.turn(mp4, tmp_path / "turned.mp4")
    upright = open_video(turned, "turned.mp4", [decoder]).pixels(5)
    expected = np.rot90(open_video(mp4, "clip.mp4", [decoder]).pixels(5), -1)
    assert upright.shape == expected.shape
    assert np.abs(upright.astype(int) - expected).mean() < 2


@pytest.mark.parametrize("decoder", DECODERS)
def test_frames_of_a_variable_rate_keep_their_number_and_time(tmp_path, decoder):
    seconds = [number / 30 + (number > 40) * 2.0 for number in range(FRAMES)]
    path = videos.write(tmp_path / "clip.mp4", range(FRAMES), seconds=seconds)
    video = open_video(path, "clip.mp4", [decoder])
    assert len(video) == FRAMES
    assert videos.number_of(video.pixels(50)) == 50
    assert video.second(50) == pytest.approx(seconds[50], abs=0.01)


def test_decoders_give_the_same_pixels(of_a_kind):
    opened = [open_video(of_a_kind, of_a_kind.name, [decoder]) for decoder in DECODERS]
    for position in (0, 30, 44):
        first, *others = (video.pixels(position) for video in opened)
        assert all(np.array_equal(first, other) for other in others)


def test_sampling_gives_what_reading_every_frame_gives(mp4):
    capture, every = cv2.VideoCapture(str(mp4)), []
    while (read := capture.read())[0]:
        every.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2RGB))
    video = open_video(mp4, "clip.mp4", available())
    for position in range(0, FRAMES, 30):
        assert np.array_equal(video.pixels(position), every[position])


def test_a_file_without_its_end_gives_the_frames_that_are_there(tmp_path, mp4):
    data = mp4.read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(data[: len(data) * 2 // 3])
    video = open_video(cut, "cut.mp4", DECODERS)
    assert 10 < len(video) < FRAMES
    assert videos.number_of(video.pixels(9)) == 9
    assert video.frame(9).notes == (f"frame 9, decoded by {video.decoder.NAME}",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "no video file"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", "no video file"),
        (b"ffconcat version 1.0\nfile /etc/passwd\n", "no video file"),
        (b"\x00\x00\x00\x18ftypisom" + bytes(400), "decord: "),
    ],
)
def test_what_is_no_video_is_refused(tmp_path, content, reason):
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(Unreadable, match=reason) as raised:
        open_video(tmp_path / "clip.mp4", "folder/clip.mp4", DECODERS)
    assert raised.value.path == "folder/clip.mp4"
    assert str(tmp_path) not in str(raised.value)


def test_a_video_without_frames_is_refused(tmp_path, mp4):
    data = mp4.read_bytes()
    (tmp_path / "none.mp4").write_bytes(data[: data.index(b"mdat") + 4])
    with pytest.raises(Unreadable, match="opencv: no frame"):
        open_video(tmp_path / "none.mp4", "none.mp4", DECODERS)


def test_a_damaged_frame_costs_no_other(tmp_path, mp4):
    data = bytearray(mp4.read_bytes())
    middle = len(data) * 3 // 4
    data[middle : middle + 3000] = bytes(3000)
    (tmp_path / "bad.mp4").write_bytes(bytes(data))
    video = open_video(tmp_path / "bad.mp4", "bad.mp4", DECODERS)
    assert videos.number_of(video.pixels(5)) == 5
