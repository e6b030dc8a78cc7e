"""What AnyDoor makes of records, which noise it trains on, and what of it is trained."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support import object_pairs as object_pairs_on_disk  # noqa: E402
from support.model_records import batch, example, viewed  # noqa: E402

from annotators.functional.masks import erode  # noqa: E402
from annotators.functional.placement import collage  # noqa: E402
from schemas.cli.flags import UsageError  # noqa: E402
from schemas.kinds.object_pair import DYNAMICS  # noqa: E402
from vton_models.__main__ import main  # noqa: E402
from vton_models.anydoor import Config, build, official, schedule  # noqa: E402
from vton_models.networks import digests, object_pairs, weights  # noqa: E402
from vton_models.system import Purpose  # noqa: E402
from vton_models.training import loading  # noqa: E402

DRAWS = 20_000


def picture(seed, height=96, width=128):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def disc(y, x, radius, height=96, width=128):
    rows, columns = np.mgrid[:height, :width]
    return np.where((rows - y) ** 2 + (columns - x) ** 2 < radius**2, np.uint8(255), np.uint8(0))


def pair(dynamics="video", **changed):
    record = {
        "reference_image": picture(1),
        "reference_mask": disc(48, 60, 30),
        "target_image": picture(2),
        "target_mask": disc(40, 70, 20),
        "dynamics": dynamics,
    }
    return record | changed


@pytest.fixture(scope="module")
def model():
    return build(Config.tiny())


def test_published_numbers_of_parameters():
    with torch.device("meta"):
        full, without = build(Config()), build(Config(train_projector=False))
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in full.networks.items()}
    assert count == {
        "unet": 865_910_724,
        "controlnet": 364_228_384,
        "vae": 83_653_863,
        "image_encoder": 1_136_480_768,
        "projector": 1_573_888,
    }
    assert sum(p.numel() for p in full.trainable().values()) == 880_039_076
    assert sum(p.numel() for p in without.trainable().values()) == 878_465_188
    decoder = [p for name, p in full.trainable().items() if name.startswith("unet.")]
    in_the_file = sum(p.numel() for p in decoder) + count["controlnet"]
    assert in_the_file == 878_477_028, "with the branch's unused conv_in"


@pytest.mark.parametrize(("dynamics", "share"), [("still", 0.15), ("video", 0.85), ("high_quality", 0.5)])
def test_noise_levels_follow_the_dynamics(dynamics, share):
    kinds = torch.full((DRAWS,), DYNAMICS.index(dynamics))
    drawn = schedule.adaptive(kinds, 1000, torch.Generator().manual_seed(0))
    assert drawn.min() >= 0 and drawn.max() <= 999
    assert float((drawn >= 500).float().mean()) == pytest.approx(share, abs=4 * (share * (1 - share) / DRAWS) ** 0.5)


def test_uniform_timesteps_ignore_the_dynamics():
    uniform = build(Config.tiny(timesteps="uniform"))
    drawn = uniform.draw_timesteps(torch.zeros(DRAWS, dtype=torch.int64), torch.Generator().manual_seed(0))
    assert float((drawn >= 500).float().mean()) == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize(("steps", "first", "count"), [(3, 999, 4), (30, 991, 31), (1000, 999, 1000), (1, 1, 1)])
def test_timesteps_stay_in_the_schedule(steps, first, count):
    """Upstream's list leaves the schedule for the first and the third."""
    listed = schedule.of_sampling(steps, 1000)
    assert (listed[0], len(listed), listed[-1]) == (first, count, 1)


def test_what_is_frozen_and_the_first_convolution_stay_as_they_are():
    model = build(Config.tiny())
    frozen = {name: p.clone() for name, p in model.parameters().items() if not p.requires_grad}
    seen = batch(model.prepare(Purpose.TRAINING), [pair(), pair("still")])
    optimizer = torch.optim.AdamW(model.trainable().values(), lr=1e-2)
    for step in range(2):
        model.loss(seen, torch.Generator().manual_seed(step)).backward()
        optimizer.step()
    now = model.parameters()
    assert all(torch.equal(now[name], before) for name, before in frozen.items())
    assert not any(p.any() for p in model.controlnet.conv_in.parameters())
    assert "controlnet.conv_in.weight" in frozen and "unet.down_blocks.0.resnets.0.conv1.weight" in frozen


def test_the_branch_begins_as_the_encoder(model):
    for part in ("time_embedding", "down_blocks", "mid_block"):
        branch, encoder = (getattr(network, part).state_dict() for network in (model.controlnet, model.unet))
        assert all(torch.equal(branch[name], encoder[name]) for name in encoder)


def test_it_learns_a_pair_on_noise_that_it_has_not_seen():
    """The held-out loss falls to less than a fifth (measured: to 8 %)."""
    model = build(Config.tiny())
    seen = batch(model.prepare(Purpose.VALIDATION), [pair(), pair("still")])
    steps = torch.tensor([700, 300])

    def held_out():
        with torch.no_grad():
            losses = [
                model.loss(seen, torch.Generator().manual_seed(10**6 + seed), timesteps=steps) for seed in range(4)
            ]
        return float(torch.stack(losses).mean())

    before = held_out()
    optimizer = torch.optim.AdamW(model.trainable().values(), lr=3e-3)
    for step in range(60):
        optimizer.zero_grad()
        model.loss(seen, torch.Generator().manual_seed(step), timesteps=steps).backward()
        optimizer.step()
    assert held_out() < before / 5


def test_a_scene_of_many_pixels_reaches_its_crop_whole():
    """Single pixels of black and white, which any reduction before the crop would mix."""
    assert Config().decode_size is None
    scene = np.tile(np.array([[0, 255], [255, 0]], np.uint8)[..., None], (1080, 1920, 3))
    place = (1800, 1000, 2055, 1255)
    record = pair(target_image=scene, target_mask=None, **{object_pairs.PLACE: place})
    prepare = Config().prepare(Purpose.PHOTOS)
    x0, y0, x1, y1 = prepare.visible(record)
    assert (x1 - x0, y1 - y0) == (512, 512)
    assert np.array_equal(prepare(record)["scene"].permute(1, 2, 0).numpy(), scene[y0:y1, x0:x1])


def test_a_still_is_its_own_target():
    still = pair("still", target_image=None, target_mask=None)
    prepared = Config.tiny().prepare(Purpose.VALIDATION)(still)
    spelt_out = pair("still", target_image=still["reference_image"], target_mask=still["reference_mask"])
    same = Config.tiny().prepare(Purpose.VALIDATION)(spelt_out)
    assert all(torch.equal(prepared[name], same[name]) for name in same)
    assert int(prepared["dynamics"]) == DYNAMICS.index("still")


def test_the_mask_has_its_three_values_and_the_collage_the_reference_as_augmented(model):
    prepare = Config.tiny().prepare(Purpose.TRAINING)
    for seed in range(6):
        prepared = prepare(pair(), torch.Generator().manual_seed(seed))
        assert set(prepared["mask"].unique().tolist()) <= {0, 128, 255}
        box = prepared["mask"][0] == 255
        assert box.any()
    reference = collage.Reference(prepared["reference"].permute(1, 2, 0).numpy(), np.full((224, 224), 255, np.uint8))
    assert collage.details(reference).any()


def test_records_that_are_no_pair_say_why(model):
    prepare = Config.tiny().prepare(Purpose.TRAINING)
    generator = torch.Generator().manual_seed(0)
    for changed, words in (
        ({"target_mask": None}, "absent"),
        ({"reference_mask": disc(48, 60, 30, 90)}, "reference_mask is 90x128"),
        ({"target_mask": np.zeros((96, 128), np.uint8)}, "target_mask sets no pixel"),
    ):
        with pytest.raises(ValueError, match=words):
            prepare(pair(**changed), generator)


def test_try_on_records_are_high_quality_and_keep_to_the_rule(model):
    record = viewed(model, example(1))
    prepare = Config.tiny().prepare(Purpose.TRAINING)
    assert int(prepare(record, torch.Generator())["dynamics"]) == DYNAMICS.index("high_quality")
    worn = np.full((96, 72), 255, np.uint8)
    worn[:, :20] = 0
    with pytest.raises(ValueError, match="target_area"):
        prepare(record | {"target_mask": worn}, torch.Generator())
    by_parse = record | {"target_mask": None, "parse": disc(48, 36, 20, 96, 72) // 255 * 5}
    assert prepare(by_parse, torch.Generator())["mask"].max() == 255


def test_kinds_that_it_reads():
    for kind in ("object_pair", "tryon"):
        assert Config().reads(kind).needed
    with pytest.raises(UsageError, match="object_pair"):
        Config().reads("clip")


def test_official_files_bring_all_that_is_trained(tmp_path):
    changed, plain = build(Config.tiny()), build(Config.tiny())
    with torch.no_grad():
        for parameter in changed.trainable().values():
            parameter.add_(0.01)
    for name in ("full.ckpt", "full.safetensors"):
        changed.save_official(tmp_path / name)
        fresh = build(Config.tiny())
        fresh.load_official(tmp_path / name)
        assert digests.of_networks(fresh.networks) == digests.of_networks(changed.networks)
    stored = torch.load(tmp_path / "full.ckpt", weights_only=True)["state_dict"]
    pruned = {name: tensor.half() for name, tensor in stored.items()}
    torch.save({"state_dict": pruned, "pytorch-lightning_version": "1.5.0"}, tmp_path / "pruned.ckpt")
    plain.load_official(tmp_path / "pruned.ckpt")
    for name, parameter in plain.trainable().items():
        torch.testing.assert_close(parameter, changed.trainable()[name], rtol=1e-3, atol=1e-3)
    more = stored | {"more": stored["betas"]}
    for broken, words in (({"betas": stored["betas"]}, "keys missing"), (more, "unexpected 'more'")):
        torch.save({"state_dict": broken}, tmp_path / "broken.ckpt")
        with pytest.raises(ValueError, match=words):
            plain.load_official(tmp_path / "broken.ckpt")
    with pytest.raises(UsageError, match="--no-train-projector beside published weights would lose their projector"):
        build(Config.tiny(train_projector=False)).load_official(tmp_path / "full.ckpt")


def test_sizes_and_options_that_it_refuses():
    with pytest.raises(UsageError, match="squares"):
        build(Config.tiny(height=128))
    with pytest.raises(UsageError, match="nearest is 64x64"):
        build(Config(height=60, width=60))
    with pytest.raises(UsageError, match="reference_dropout"):
        Config(reference_dropout=2)
    with pytest.raises(UsageError, match="timesteps 'late'"):
        Config(timesteps="late")


def test_a_published_file_becomes_a_run_that_needs_no_base(tmp_path, capsys):
    """The trainer's own objects in it are left alone, and what is frozen is the file's."""
    changed = build(Config.tiny())
    with torch.no_grad():
        for parameter in changed.parameters().values():
            parameter.add_(0.01)
    changed.change_networks()
    stored = official.state_dict(changed.networks, changed.config.scheduler_arguments)
    trainers = {"callbacks": {Trainer: Trainer()}, "hyper_parameters": Trainer(), "optimizer_states": [{"state": {}}]}
    torch.save({"state_dict": stored, "epoch": 1} | trainers, tmp_path / "epoch=1.ckpt")
    run = tmp_path / "run"
    assert main(["convert", "anydoor", "--tiny", "--from", str(tmp_path / "epoch=1.ckpt"), "--to", str(run)]) == 0
    _, loaded, _ = loading.load(run)
    assert digests.of_networks(loaded.networks) == digests.of_networks(changed.networks)
    back = tmp_path / "back.ckpt"
    assert main(["convert", "anydoor", "--from", str(run), "--to", str(back)]) == 0
    again = torch.load(back, weights_only=True)["state_dict"]
    assert again.keys() == stored.keys() and all(torch.equal(again[name], stored[name]) for name in stored)
    begun = ["--steps", "1", "--output", str(tmp_path / "more"), "--init", f"base:{run / 'base'}"]
    pairs = object_pairs_on_disk.write(tmp_path / "pairs", [object_pairs_on_disk.row(number) for number in range(4)])
    assert main(["train", "anydoor", "--tiny", "--shards", str(pairs), *begun]) == 0


class Trainer:
    """What a checkpoint of a trainer holds beside tensors."""

    def __init__(self):
        self.best = [1, {"two": 2}]


def test_a_file_that_would_run_something_runs_nothing(tmp_path):
    class Hostile:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    torch.save({"state_dict": {"betas": torch.ones(2)}, "more": Hostile()}, tmp_path / "hostile.ckpt")
    assert torch.equal(weights.read(tmp_path / "hostile.ckpt")["betas"], torch.ones(2))
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("extractor", ["dinov2", "dinov2_global", "clip", "vgg"])
def test_extractors_give_tokens_that_are_learnt_from(extractor):
    model = build(Config.tiny(id_extractor=extractor))
    seen = batch(model.prepare(Purpose.TRAINING), [pair(), pair("still")])
    count = {"dinov2": 257, "dinov2_global": 1, "clip": 65, "vgg": 196}[extractor]
    assert model.tokens(seen["reference"]).shape == (2, count, 16)
    model.loss(seen, torch.Generator().manual_seed(0)).backward()
    assert model.networks["projector"].weight.grad.any()
    assert all(p.grad is None for p in model.networks["image_encoder"].parameters())


def test_tokens_of_the_full_size_extractors():
    """The projector's inputs, by their published widths."""
    for extractor, width in (("dinov2", 1536), ("dinov2_global", 1536), ("clip", 1024), ("vgg", 512)):
        assert Config(id_extractor=extractor).networks["projector"].arguments["in_features"] == width


def test_vgg_has_torchvisions_names_and_sizes():
    with torch.device("meta"):
        network = Config(id_extractor="vgg").networks["image_encoder"].network_class()
    assert sum(p.numel() for p in network.parameters()) == 14_714_688
    assert "features.28.weight" in network.state_dict() and len(network.state_dict()) == 26


@pytest.mark.parametrize("contents", ["high_frequency", "object", "noised", "shuffled", "zeros"])
def test_contents_of_the_collage(contents):
    prepare = Config.tiny(collage=contents).prepare(Purpose.VALIDATION)
    record = pair(reference_image=np.full((96, 128, 3), 200, np.uint8))
    prepared = prepare(record)
    box = erode(prepared["mask"][0].numpy(), 5)  # its rim is mixed with the scene
    inside = prepared["collage"][:, torch.from_numpy(box == 255)].float()
    share = float((inside.sum(dim=0) > 0).float().mean())
    if contents in ("zeros", "high_frequency"):  # the object is of one colour
        assert not inside.any()
    else:
        assert 0.3 < share < 0.9 and abs(float(inside[inside > 60].median()) - 200) < 25
    assert torch.equal(prepared["reference"], Config.tiny().prepare(Purpose.VALIDATION)(record)["reference"])


def test_a_background_can_stay():
    record = pair()
    alone, whole = (
        Config.tiny(remove_background=removes).prepare(Purpose.VALIDATION)(record) for removes in (True, False)
    )
    assert torch.equal(alone["collage"], whole["collage"]), "the details are the object's"
    white = (alone["reference"] == 255).all(dim=0).float().mean()
    assert white > (whole["reference"] == 255).all(dim=0).float().mean() + 0.1


def test_published_files_are_dinov2s(tmp_path):
    with pytest.raises(UsageError, match="published files hold DINOv2"):
        build(Config.tiny(id_extractor="vgg")).save_official(tmp_path / "no.ckpt")
