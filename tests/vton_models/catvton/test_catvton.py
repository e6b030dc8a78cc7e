"""CatVTON beyond its fixture: counts, the steps of training by formula, passes, weights, and learning one pair."""

import pickle
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
from support.model_records import batch, example  # noqa: E402
from torch.nn import functional as F  # noqa: E402

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models import catvton  # noqa: E402
from vton_models.catvton import Config  # noqa: E402
from vton_models.catvton.sampling import Sampling  # noqa: E402
from vton_models.networks import memory  # noqa: E402
from vton_models.system import Purpose  # noqa: E402

NO_DREAM = float("inf")


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def tiny(**changes):
    return catvton.build(Config.tiny(**changes))


def prepared(model, *seeds):
    return batch(model.prepare(Purpose.TRAINING), [example(seed) for seed in seeds])


def entering(network):
    """What enters the network: a list that each pass adds to."""
    seen = []
    network.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0].clone()))
    return seen


# Counts


@pytest.mark.parametrize(
    "trainable, tensors, parameters",
    [("self_attention", 80, 49_574_080), ("transformer", None, 267_239_360), ("unet", 686, 859_535_364)],
)
def test_full_size_counts(trainable, tensors, parameters):
    with torch.device("meta"):
        model = catvton.build(Config(trainable=trainable))
    count = {name: sum(p.numel() for p in network.parameters()) for name, network in model.networks.items()}
    attn2 = sum(p.numel() for name, p in model.parameters().items() if ".attn2." in name)
    assert count == {"unet": 859_535_364, "vae": 83_653_863} and attn2 == 43_962_560
    assert count["unet"] - attn2 == 815_572_804
    assert sum(count.values()) - attn2 == catvton.ABOUT.parameters == 899_226_667
    trained = model.trainable()
    assert sum(p.numel() for p in trained.values()) == parameters and len(trained) == (tensors or len(trained))
    unused = sum(trained[name].numel() for name in model.unused())
    assert unused == (0 if trainable == "self_attention" else 43_962_560)
    assert catvton.ABOUT.trainable == 49_574_080


def test_what_is_unused_gets_no_gradient_and_all_else_does():
    for text in (False, True):
        model = tiny(trainable="unet", text_cross_attention=text, garment_dropout=0.0)
        model.loss(prepared(model, 1), seeded(0)).backward()
        without = {name for name, p in model.trainable().items() if p.grad is None or not p.grad.any()}
        assert model.unused() == (frozenset() if text else without)
        assert all(".attn2." in name for name in without) and bool(without) != text


# One step of training, by formula


def worked_step(model, given, seed):
    """Latents z, condition c, ε and t of spec §3 with stock diffusers calls, drawn in the documented order."""
    generator, config = seeded(seed), model.config
    pixels = {name: value.float() / 127.5 - 1 for name, value in given.items() if name not in ("mask", "input_ids")}
    shown = pixels["source_person"] if config.mask_free else pixels["person"] * (given["mask"] < 128)

    def encode(images):
        posterior = model.vae.encode(images).latent_dist
        return (posterior.mean + posterior.std * torch.randn(posterior.mean.shape, generator=generator)) * 0.18215

    with torch.no_grad():
        person, shown, garment = encode(pixels["person"]), encode(shown), encode(pixels["garment"])
    dropped = torch.rand(len(person), generator=generator) < config.garment_dropout
    steps = torch.randint(0, 1000, (len(person),), generator=generator)
    clean = torch.cat([person, garment], dim=config.dim)
    noise = torch.randn(clean.shape, generator=generator)
    condition = torch.cat([shown, torch.where(dropped.view(-1, 1, 1, 1), 0.0, garment)], dim=config.dim)
    if not config.mask_free:
        mask = F.interpolate((given["mask"] >= 128).float(), size=person.shape[2:], mode="nearest")
        condition = torch.cat([torch.cat([mask, torch.zeros_like(mask)], dim=config.dim), condition], dim=1)
    return clean, condition, noise, steps


def worked_loss(model, given, seed, states=None):
    clean, condition, noise, steps = worked_step(model, given, seed)
    alphas = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000) ** 2, 0)[steps].view(-1, 1, 1, 1)
    noisy = alphas**0.5 * clean + (1 - alphas) ** 0.5 * noise

    def predict(latents):
        return model.unet(torch.cat([latents, condition], dim=1), steps, encoder_hidden_states=states).sample

    target, p = noise, model.config.dream
    if p != NO_DREAM:
        with torch.no_grad():
            d = (noise - predict(noisy)) * ((1 - alphas) ** 0.5) ** p
        noisy, target = noisy + (1 - alphas) ** 0.5 * d, noise + d
    error = (predict(noisy) - target) ** 2
    return error.chunk(2, dim=model.config.dim)[0].mean() if model.config.loss_on == "person" else error.mean()


@pytest.mark.parametrize(
    "changes",
    [
        {"dream": NO_DREAM, "garment_dropout": 0.0},
        {"dream": 0.0},
        {"dream": 1.0},
        {"dream": 20.0, "garment_dropout": 0.5},
        {"dream": NO_DREAM, "garment_dropout": 1.0},
        {"loss_on": "person"},
        {"axis": "width", "width": 64, "height": 48},
        {"mask_free": True},
        {"mask_free": True, "axis": "height", "garment_dropout": 0.5},
    ],
)
def test_loss_by_formula(changes):
    model = tiny(**changes)
    given = prepared(model, 1, 2, 3)
    assert torch.allclose(model.loss(given, seeded(5)), worked_loss(model, given, 5), rtol=1e-4)


def test_loss_with_text_by_formula():
    model = tiny(text_cross_attention=True)
    given = prepared(model, 1, 2)
    states = model.networks["text_encoder"](input_ids=given["input_ids"]).last_hidden_state
    assert torch.allclose(model.loss(given, seeded(5)), worked_loss(model, given, 5, states), rtol=1e-4)
    other = given | {"input_ids": given["input_ids"].roll(1, 0)}
    assert not torch.allclose(model.loss(other, seeded(5)), model.loss(given, seeded(5)), rtol=1e-6)
    assert model.config.reads("tryon").optional == ("caption",) and tiny().config.reads("tryon").optional == ()


def test_dropout_takes_only_the_conditions_garment_half_item_by_item():
    model = tiny(dream=NO_DREAM, garment_dropout=0.5)
    given, seen = prepared(model, *range(8)), entering(model.unet)
    model.loss(given, seeded(1))
    clean, condition, _, _ = worked_step(model, given, 1)
    noisy, mask, shown = seen[0].split([4, 1, 4], dim=1)
    person_half, garment_half = shown.chunk(2, dim=-2)
    dropped = [not half.any() for half in garment_half]
    assert 0 < sum(dropped) < 8
    assert all(half.any() for half in person_half) and all(half.any() for half in clean.chunk(2, dim=-2)[1])
    assert torch.allclose(torch.cat([mask, shown], dim=1), condition, atol=1e-5)
    assert mask.chunk(2, dim=-2)[0].any() and not mask.chunk(2, dim=-2)[1].any()
    assert noisy.chunk(2, dim=-2)[1].std() > 0.3, "the garment's half is noised too"


@pytest.mark.parametrize("dream, passes", [(NO_DREAM, 1), (10.0, 2), (0.0, 2)])
def test_dream_costs_one_pass_without_gradient(dream, passes):
    model = tiny(dream=dream)
    seen = entering(model.unet)
    model.loss(prepared(model, 1), seeded(0))
    assert len(seen) == passes
    assert all(torch.equal(one[:, 4:], seen[0][:, 4:]) for one in seen), "channels 4–8 are untouched"


def test_masked_pixels_are_mid_grey():
    model = tiny()
    given = prepared(model, 1)
    shown = model._shown_person(given)
    hidden = (given["mask"] == 255).expand_as(shown)
    assert (shown[hidden] == 0).all() and torch.equal(shown[~hidden], (given["person"] / 127.5 - 1)[~hidden])


def test_given_timesteps_keep_the_noise():
    model = tiny(dream=NO_DREAM)
    given, seen = prepared(model, 1, 2), entering(model.unet)
    steps = worked_step(model, given, 4)[3]
    drawn = model.loss(given, seeded(4))
    assert torch.equal(drawn, model.loss(given, seeded(4), timesteps=steps))
    assert not torch.equal(drawn, model.loss(given, seeded(4), timesteps=(steps + 500) % 1000))
    assert torch.equal(seen[0], seen[1]) and not torch.equal(seen[0], seen[2])


# Sampling


@pytest.mark.parametrize(
    "scale, sequential, sizes",
    [(2.5, False, [4, 4]), (2.5, True, [2, 2, 2, 2]), (1.0, False, [2, 2]), (0.5, True, [2, 2])],
)
def test_guidance_wastes_no_pass(scale, sequential, sizes):
    model = tiny()
    given, seen = prepared(model, 1, 2), entering(model.unet)
    model.sample(given, Sampling(2, scale), seeded(0), sequential_guidance=sequential)
    assert [len(one) for one in seen] == sizes
    if scale > 1:
        garment = seen[0][:, 5:].chunk(2, dim=-2)[1]
        assert not garment[:2].any(), "the first branch has no garment"


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_equal_full(mode):
    model = tiny()
    given = prepared(model, 1, 2)
    full = model.sample(given, Sampling(3), seeded(0))
    memory.apply_memory(model, mode)
    model.to("cpu")
    found = model.sample(given, Sampling(3), seeded(0))
    assert torch.allclose(found, full, atol=1e-4)
    assert model.sequential_guidance == (mode != "full") and model.vae.use_tiling == (mode == "low")


@pytest.mark.parametrize("mode", memory.MODES)
def test_memory_modes_train_alike(mode):
    plain, saving = tiny(), tiny()
    memory.apply_memory(saving, mode, training=True)
    assert saving.unet.is_gradient_checkpointing == (mode != "full") and not saving.vae.use_tiling
    for model in (plain, saving):
        model.to("cpu").loss(prepared(model, 1, 2), seeded(0)).backward()
    for name, parameter in plain.trainable().items():
        assert torch.allclose(parameter.grad, saving.trainable()[name].grad, rtol=1e-3, atol=1e-5), name
    with pytest.raises(UsageError, match="memory 'small'; allowed are full, medium, low"):
        memory.apply_memory(plain, "small")


def test_low_precision_weights_sample():
    model = tiny().to("cpu", torch.bfloat16)
    image = model.sample(prepared(model, 1), Sampling(2), seeded(0))
    assert image.dtype == torch.float32 and image.isfinite().all()


def test_mask_free_samples_the_source_and_joins_along_width():
    model = tiny(mask_free=True)
    given, seen = prepared(model, 1), entering(model.unet)
    del given["person"]
    image = model.sample(given, Sampling(1), seeded(0))
    assert seen[0].shape == (2, 8, 16, 24) and image.shape == (1, 3, 64, 48)
    assert model.config.reads("tryon").needed == ("person_image", "source_person_image", "garment_image")


# Reading


def test_prepare_stretches_each_picture_by_itself():
    model = tiny()
    record = example(1, 96, 72) | {"garment_image": example(2, 40, 80)["garment_image"]}
    made = model.prepare(Purpose.RECORDS)(record)
    assert {name: tuple(value.shape) for name, value in made.items()} == {
        "person": (3, 64, 48), "garment": (3, 64, 48), "mask": (1, 64, 48)
    }  # fmt: skip
    assert all(value.dtype == torch.uint8 and value.is_contiguous() for value in made.values())
    assert set(made["mask"].unique().tolist()) == {0, 255}
    reduced = {name: record[name][::2, ::2] for name in ("person_image", "garment_image", "agnostic_mask")}
    assert model.prepare(Purpose.RECORDS)(reduced)["person"].shape == (3, 64, 48)


def test_prepare_of_pictures_at_size_copies_them():
    record = example(1, 64, 48)
    made = tiny().prepare(Purpose.RECORDS)(record)
    assert np.array_equal(made["person"].permute(1, 2, 0), record["person_image"])
    assert np.array_equal(made["mask"][0], record["agnostic_mask"])


def test_prepare_can_crop_and_pad_as_the_published_pipeline_does():
    record = example(1, 96, 48) | {"garment_image": example(2, 40, 80)["garment_image"]}
    record["agnostic_mask"][:16] = record["agnostic_mask"][80:] = 0  # the middle holds all of it
    made = tiny().prepare(Purpose.PHOTOS)(record)
    wanted = record["person_image"][16:80], record["agnostic_mask"][16:80]
    assert np.array_equal(made["person"].permute(1, 2, 0), wanted[0])
    assert np.array_equal(made["mask"][0], wanted[1])
    assert (made["garment"][:, :20] == 255).all() and (made["garment"][:, 44:] == 255).all()


def test_prepare_pickles_without_the_networks():
    assert len(pickle.dumps(tiny(text_cross_attention=True).prepare(Purpose.TRAINING))) < 1000


# Settings


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"trainable": "all"}, "trainable 'all'; allowed are self_attention, transformer, unet"),
        ({"dream": -1.0}, "dream -1.0; allowed is 0 or more"),
        ({"dream": float("nan")}, "dream nan"),
        ({"garment_dropout": 1.5}, "garment_dropout 1.5; allowed is 0 to 1"),
        ({"axis": "depth"}, "axis 'depth'; allowed are auto, height, width"),
        ({"loss_on": "garment"}, "loss_on 'garment'"),
    ],
)
def test_settings_are_checked(changes, message):
    with pytest.raises(UsageError, match=message):
        Config(**changes)


@pytest.mark.parametrize(
    "config, best",
    [
        (Config(height=520), "512x384"),
        (Config(height=528, width=400), "544x384"),
        (Config(width=380), "512x384"),
        (Config(mask_free=True, height=544), "576x384"),
        (Config.tiny(height=62), "64x48"),
    ],
)
def test_sizes_the_network_cannot_hold(config, best):
    with pytest.raises(UsageError, match=f"nearest is {best}"):
        catvton.build(config)


@pytest.mark.parametrize(
    "height, width, mask_free", [(512, 384, False), (1024, 768, False), (544, 64, False), (512, 416, True)]
)
def test_sizes_it_holds(height, width, mask_free):
    Config(height=height, width=width, mask_free=mask_free).check_size()


# Learning


@pytest.mark.parametrize("trainable, rate, steps, factor", [("unet", 4e-3, 30, 5.0), ("self_attention", 2e-2, 60, 1.5)])
def test_one_pair_is_learnt(trainable, rate, steps, factor):
    """Loss on noise that training never sees; a frozen random base lets attention alone reach about 2."""
    model = tiny(trainable=trainable, dream=NO_DREAM, garment_dropout=0.0)
    frozen = {name: p.clone() for name, p in model.parameters().items() if not p.requires_grad}
    given = prepared(model, 1, 1)

    def held_out():
        quarters = torch.arange(8).view(4, 2) * 125 + 60
        with torch.no_grad():
            return sum(float(model.loss(given, seeded(10**6), timesteps=steps)) for steps in quarters)

    before = held_out()
    trained = [p for name, p in model.trainable().items() if name not in model.unused()]
    optimizer = torch.optim.AdamW(trained, lr=rate)
    for step in range(steps):
        optimizer.zero_grad()
        model.loss(given, seeded(step)).backward()
        optimizer.step()
    assert before / held_out() >= factor
    assert all(torch.equal(model.parameters()[name], value) for name, value in frozen.items())


def test_presets_are_the_papers_recipes():
    mix, vitonhd = catvton.PRESETS["mix"], catvton.PRESETS["vitonhd"]
    assert (mix.height, mix.width, mix.steps, mix.global_batch_size, mix.learning_rate) == (1024, 768, 48_000, 32, 1e-5)
    assert (vitonhd.height, vitonhd.width, vitonhd.steps, vitonhd.global_batch_size) == (512, 384, 16_000, 128)
    assert {preset.learning_rate for preset in catvton.PRESETS.values()} == {1e-5}
    dropouts = {replace(Config(), **preset.model).garment_dropout for preset in catvton.PRESETS.values()}
    assert dropouts == {0.1}, "the paper drops 10 % of the garments"
    dreams = {replace(Config(), **preset.model).dream for preset in catvton.PRESETS.values()}
    assert dreams == {0.0, 1.0, 10.0, 20.0, NO_DREAM}
