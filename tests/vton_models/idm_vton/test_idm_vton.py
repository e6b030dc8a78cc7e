"""IDM-VTON beyond its fixture: counts, passes, ablations, augmentation, approximation, and learning one pair."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.model_records import batch, example  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import idm_vton  # noqa: E402
from vton_models.idm_vton import Config, augment  # noqa: E402
from vton_models.idm_vton.sampling import Sampling  # noqa: E402
from vton_models.networks import attention, components, image_prompt, memory  # noqa: E402
from vton_models.system import Purpose  # noqa: E402

ADD_EMBEDDING = 2816 * 1280 + 1280 + 1280 * 1280 + 1280  # of the garment network's file: 4 tensors that nothing reads


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return idm_vton.build(Config.tiny(**changes))


def prepared(model, *seeds, purpose=Purpose.RECORDS):
    return batch(model.prepare(purpose), [example(seed) for seed in seeds])


@pytest.fixture(scope="module")
def full():
    with torch.device("meta"):
        return idm_vton.build(Config())


# Counts


def test_full_size_counts(full):
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in full.networks.items()}
    assert count["unet"] + count["ip_adapter"] == 2_991_238_468 == idm_vton.ABOUT.trainable
    assert count["unet"] == 2_567_489_604 and count["garment_unet"] + ADD_EMBEDDING == 2_567_463_684
    pairs = sum(p.numel() for p in full.ip_adapter.ip_adapter.parameters())
    assert (pairs, len(list(full.ip_adapter.ip_adapter.parameters()))) == (340_787_200, 140)
    assert sum(p.numel() for p in full.ip_adapter.image_proj.parameters()) == 82_961_664
    assert (count["text_encoder"], count["text_encoder_2"]) == (123_060_480, 694_659_840)
    assert (count["image_encoder"], count["vae"]) == (632_076_800, 83_653_863)
    assert sum(count.values()) == idm_vton.ABOUT.parameters


@pytest.mark.parametrize(
    "trainable, tensors, parameters",
    [
        ("tryon_net", 1871, 2_991_238_468),
        ("attention", 360, 482_757_120),
        ("attention_ip", 432, 655_772_160),
        ("attentions", None, 1_288_032_000),
        ("decoder", None, 1_497_099_520),
    ],
)
def test_what_is_trained(full, trainable, tensors, parameters):
    named = full.parameters()
    names = components.trained(replace(full.config, trainable=trainable).networks, named)
    assert sum(named[name].numel() for name in names) == parameters and len(names) == (tensors or len(names))


def test_published_layout_at_full_size(full):
    extras = full.ip_adapter.in_unet(attention.blocks(full.unet))
    assert len(full.unet.state_dict()) == 1680 and len(extras) == 191
    assert extras["encoder_hid_proj.layers.3.0.to_kv.weight"].shape == (2560, 1280)
    assert extras["encoder_hid_proj.latents"].shape == (1, 16, 1280)
    assert extras["mid_block.attentions.0.transformer_blocks.9.attn2.processor.to_v_ip.weight"].shape == (1280, 2048)
    sites = [full.unet.get_submodule(block).attn1.to_q.in_features for block in attention.blocks(full.unet)]
    assert sites == [640] * 4 + [1280] * 20 + [1280] * 30 + [640] * 6 + [1280] * 10


# Passes


def counting(network):
    """Items and timestep of every pass."""
    seen = []

    def enter(module, inputs):
        seen.append((len(inputs[0]), float(torch.as_tensor(inputs[1]).max())))

    network.register_forward_pre_hook(enter)
    return seen


@pytest.mark.parametrize(
    "scale, sequential, sizes",
    [(2.0, False, [4, 4]), (2.0, True, [2, 2, 2, 2]), (1.0, False, [2, 2]), (0.5, True, [2, 2])],
)
def test_the_garment_network_runs_once_per_step_for_the_batch_alone(scale, sequential, sizes):
    model = tiny()
    denoiser, garment = counting(model.unet), counting(model.garment_unet)
    model.sample(prepared(model, 1, 2), Sampling(2, scale), seeded(0), sequential_guidance=sequential)
    assert [items for items, _ in denoiser] == sizes
    assert garment == [(2, 501.0), (2, 1.0)], "at the step's own timestep"


def test_both_processors_stay_where_they_were_set():
    model = tiny()
    kinds = {name.split(".")[-2]: type(one) for name, one in model.unet.attn_processors.items()}
    assert kinds == {"attn1": attention.Recall, "attn2": image_prompt.ImagePrompt}


def test_a_frozen_timestep_is_an_approximation_that_tells_its_error():
    model = tiny()
    given = prepared(model, 1)
    exact = model.sample(given, Sampling(4), seeded(0))
    assert model.approximated == {}
    garment = counting(model.garment_unet)
    near = model.sample(given, Sampling(4, garment_timestep=500), seeded(0))
    assert [timestep for _, timestep in garment].count(500.0) == 1
    assert len(garment) == 4, "once for all steps, and in three of them for comparison"
    (error,) = model.approximated.values()
    assert 0 < error < 0.5 and not torch.equal(near, exact)


def test_zero_features_are_not_the_absence_of_features():
    """Zeros take their share of the softmax."""
    model = tiny()
    given = prepared(model, 1)
    absent = tiny(garment_net="off")
    absent.unet.load_state_dict(model.unet.state_dict())
    results = [one.sample(given, Sampling(2, 2.0), seeded(0)) for one in (model, absent)]
    assert not torch.allclose(*results, atol=1e-4)
    assert "garment_unet" not in absent.networks and absent.loss(given, seeded(0)).isfinite()


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_equal_full(mode):
    model = tiny()
    given = prepared(model, 1, 2)
    full = model.sample(given, Sampling(3), seeded(0))
    memory.apply_memory(model, mode)
    found = model.to("cpu").sample(given, Sampling(3), seeded(0))
    assert torch.allclose(found, full, atol=1e-4)


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_train_alike(mode):
    plain, saving = tiny(), tiny()
    memory.apply_memory(saving, mode, training=True)
    for model in (plain, saving):
        model.to("cpu").loss(prepared(model, 1, 2), seeded(0)).backward()
    for name, parameter in plain.trainable().items():
        assert torch.allclose(parameter.grad, saving.trainable()[name].grad, rtol=1e-3, atol=1e-5), name


def test_accelerators_sample_in_16_bits_but_for_the_vae():
    model = tiny()
    memory.choose_dtypes(model, memory.Use(device="cuda"))
    assert set(model.dtypes) == set(model.networks) - {"vae"} and set(model.dtypes.values()) == {torch.float16}
    memory.choose_dtypes(model, memory.Use(device="cuda", training=True, mixed_precision="bf16"))
    assert set(model.dtypes) == {"garment_unet", "image_encoder", "text_encoder", "text_encoder_2"}


def test_half_precision_samples():
    model = tiny().to("cpu", torch.bfloat16)
    image = model.sample(prepared(model, 1), Sampling(2), seeded(0))
    assert image.dtype == torch.float32 and image.isfinite().all()


# Loss


def test_min_snr_weighs_by_timestep_and_bears_the_signal_of_zero():
    plain, weighted = tiny(), tiny(min_snr=5.0)
    given = prepared(plain, 1, 2)
    for timestep, factor in ((999, 1.0), (600, 1.0), (10, None)):
        steps = torch.full((2,), timestep)
        losses = [float(model.loss(given, seeded(0), timesteps=steps).detach()) for model in (plain, weighted)]
        alpha = float(plain.alphas[timestep])
        expected = factor or 5 * (1 - alpha) / alpha
        assert losses[1] == pytest.approx(losses[0] * expected, rel=1e-4) and np.isfinite(losses[1])
    assert plain.alphas[999] == 0 and float(plain.alphas[958]) == pytest.approx(3.96e-4, rel=1e-2)


@pytest.mark.parametrize("steps, first, last", [(30, 958, 1), (4, 751, 1)])
def test_timesteps(steps, first, last):
    timesteps = tiny().scheduler(Sampling(steps)).timesteps
    assert (int(timesteps[0]), int(timesteps[-1]), len(timesteps)) == (first, last, steps)


def test_one_pair_is_learnt():
    """Loss on noise that training never sees; the garment network and the encoders stay to the bit."""
    model = tiny()
    frozen = {name: p.clone() for name, p in model.parameters().items() if not p.requires_grad}
    given = prepared(model, 1, 1)

    def held_out():
        quarters = torch.arange(8).view(4, 2) * 125 + 60
        with torch.no_grad():
            return sum(float(model.loss(given, seeded(10**6), timesteps=steps)) for steps in quarters)

    before = held_out()
    optimizer = torch.optim.AdamW(model.trainable().values(), lr=4e-3, weight_decay=0.0)
    for step in range(50):
        model.loss(given, seeded(step)).backward()
        optimizer.step()
        optimizer.zero_grad()
    after = held_out()
    assert after * 5 < before, (before, after)
    assert all(torch.equal(frozen[name], model.parameters()[name]) for name in frozen)


# Captions and pictures


def test_sentences_reach_the_networks_of_their_own():
    model = tiny()
    record = example(1) | {"garment_caption": "Short Sleeve Round Neck T-shirts"}
    tokenizer = model.tokenizer
    articles = {Purpose.TRAINING: "", Purpose.VALIDATION: "", Purpose.RECORDS: "a ", Purpose.PHOTOS: "a "}
    for purpose, article in articles.items():
        seen = model.prepare(purpose)(record, seeded(0))
        assert seen["input_ids"].tolist() == tokenizer(f"model is wearing {article}Short Sleeve Round Neck T-shirts")
        assert seen["garment_input_ids"].tolist() == tokenizer("a photo of Short Sleeve Round Neck T-shirts")
        assert len(seen["input_ids"]) == 2 * 12
    silent = tiny(captions="none").prepare(Purpose.RECORDS)(record)
    assert silent["input_ids"].tolist() == silent["garment_input_ids"].tolist() == tokenizer("")


def test_augmentation_keeps_what_lies_on_the_photo_together():
    person = np.zeros((64, 48, 3), np.uint8)
    person[20:40, 10:30] = 200
    mask = person[..., 0].copy()
    mask[mask > 0] = 255
    pictures = {"person": person, "pose": person.copy(), "garment": person.copy(), "mask": mask}
    changed = set()
    for seed in range(40):
        seen = augment.augment(pictures, seeded(seed))
        assert set(np.unique(seen["mask"])) <= {0, 255}
        assert np.array_equal(seen["pose"][..., 0] > 0, seen["mask"] > 0), "moved alike, black beyond"
        changed |= {name for name in pictures if not np.array_equal(seen[name], pictures[name])}
    assert changed == set(pictures)
    shifted = augment.move(person, 1, 0.25, -0.125, 128)
    assert np.array_equal(shifted[:56, 12:], person[8:, :36]) and (shifted[:, :12] == 128).all()
    assert (augment.move(mask, 0.5, 0, 0, 0) > 0).sum() == 100


def test_dark_colours_survive_the_jitter():
    """Upstream's loader jittered in −1–1, which cut off everything below mid-grey."""
    dark = np.full((8, 8, 3), 40, np.uint8)
    assert np.array_equal(augment.jitter(dark, 1, 1, 0, 1), dark)
    assert np.abs(augment.jitter(dark, 1.3, 0.5, 0, 1.5).astype(int) - 20).max() <= 1
    red = np.zeros((8, 8, 3), np.uint8)
    red[..., 0] = 200
    assert augment.jitter(red, 1, 1, 1 / 3, 1)[0, 0].tolist() == [0, 200, 0]
    assert augment.jitter(red, 1, 1, 0, 0)[0, 0].tolist() == [60, 60, 60]


# Settings


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"trainable": "all"}, "trainable 'all'; allowed are tryon_net, attention"),
        ({"garment_net": "none"}, "garment_net 'none'; allowed are on, off"),
        ({"captions": "some"}, "captions 'some'; allowed are detailed, category, none"),
        ({"min_snr": -1.0}, "min_snr -1.0"),
        ({"min_snr": float("nan")}, "min_snr nan"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(UsageError, match=message):
        Config(**changes)


def test_sampling_settings_are_checked():
    with pytest.raises(UsageError, match="--num-inference-steps 500; allowed are 1 to 499"):
        Sampling(500)
    with pytest.raises(UsageError, match="--garment-timestep 1000; allowed are -1 to 999"):
        Sampling(garment_timestep=1000)


def test_sizes_the_network_cannot_hold():
    with pytest.raises(UsageError, match="nearest is 1024x768"):
        Config(width=780).check_size()
    with pytest.raises(UsageError, match="can't read records of kind 'object_pair'"):
        Config().reads("object_pair")
    assert Config(masks="dresscode").reads("tryon").mask_recipe == "idm_vton"
