"""Noise, targets, guidance and DDIM against their formulas, worked here in float64 where it matters."""

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

from schemas.cli.flags import UsageError  # noqa: E402
from vton_models.networks import diffusion, image_to_image, stable_diffusion  # noqa: E402

ALPHAS = torch.cumprod(1 - torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2, 0)


def seeded(seed):
    return torch.Generator().manual_seed(seed)


def randn(seed, *shape):
    return torch.randn(shape, generator=seeded(seed))


def test_schedule():
    found = diffusion.alphas_cumprod(stable_diffusion.SCHEDULER)
    assert torch.allclose(found.double(), ALPHAS, rtol=1e-4)


def test_fifty_steps_of_the_published_sampler():
    scheduler = diffusion.ddim(stable_diffusion.SCHEDULER)
    scheduler.set_timesteps(50)
    assert scheduler.timesteps.tolist() == list(range(981, 0, -20))


def test_add_noise():
    timesteps = torch.tensor([0, 999])
    latents, noise = randn(0, 2, 4, 3, 3), randn(1, 2, 4, 3, 3)
    found = diffusion.add_noise(ALPHAS.float(), latents, noise, timesteps)
    for item, step in enumerate(timesteps):
        wanted = ALPHAS[step] ** 0.5 * latents[item] + (1 - ALPHAS[step]) ** 0.5 * noise[item]
        assert torch.allclose(found[item], wanted.float(), atol=1e-5)


def test_zero_terminal_snr():
    """Lin 2023, alg. 1: √ᾱ shifted so that the last is 0 and scaled so that the first stays."""
    found = diffusion.alphas_cumprod(stable_diffusion.SCHEDULER | stable_diffusion.ZERO_SNR).double()
    roots = ALPHAS.sqrt()
    wanted = ((roots - roots[-1]) * roots[0] / (roots[0] - roots[-1])) ** 2
    assert torch.allclose(found, wanted, atol=1e-5) and found[-1] == 0
    assert [round(float(found[step]), 4) for step in (500, 900)] == [0.2410, 0.0030], "as the published code has it"


def test_min_snr_weights():
    """min(SNR, 5)/SNR, which is 1 where there is no signal at all."""
    alphas = torch.tensor([0.99, 5 / 6, 0.5, 0.01, 0.0])
    found = diffusion.min_snr_weights(alphas, torch.arange(5), 5.0)
    assert torch.allclose(found, torch.tensor([5 / 99, 1.0, 1.0, 1.0, 1.0]))
    model_pred, target = randn(0, 5, 4, 2, 2), randn(1, 5, 4, 2, 2)
    each = torch.stack([(model_pred[k] - target[k]).square().mean() for k in range(5)])
    assert torch.allclose(diffusion.weighted_loss(model_pred, target, found), (each * found).mean())


def test_offset_noise_moves_whole_channels():
    noise, channels = randn(0, 2, 4, 3, 3), randn(1, 2, 4, 1, 1)
    moved = diffusion.offset_noise(noise, channels, 0.05) - noise
    assert torch.allclose(moved, (0.05 * channels).expand(2, 4, 3, 3), atol=1e-6)


@pytest.mark.parametrize("p", [0.0, 1.0, 10.0, 20.0])
def test_dream(p):
    """d = (ε − ε̂) (√(1−ᾱ))^p; z_t + √(1−ᾱ) d; target ε + d."""
    noise, model_pred, noisy = randn(0, 1, 4, 2, 2), randn(1, 1, 4, 2, 2), randn(2, 1, 4, 2, 2)
    sigma = (1 - ALPHAS[600].float()).sqrt().view(1, 1, 1, 1)
    latents, target = diffusion.dream(model_pred, noise, noisy, sigma, p)
    d = (noise - model_pred) * float(sigma) ** p
    assert torch.allclose(latents, noisy + float(sigma) * d) and torch.allclose(target, noise + d)
    if p == 0:
        assert torch.allclose(target, 2 * noise - model_pred)


@pytest.mark.parametrize("scale", [0.0, 0.5, 1.0, 2.5, 7.5])
def test_guidance(scale):
    """(1 − w) uncond + w cond: w 0 is without condition, w 1 with it, beyond 1 away from the first."""
    uncond, cond = randn(0, 2, 4, 2, 2), randn(1, 2, 4, 2, 2)
    assert torch.allclose(diffusion.guide(uncond, cond, scale), (1 - scale) * uncond + scale * cond, atol=1e-5)
    branches = diffusion.Branches(lambda latents, t, condition: latents * condition["v"], [{"v": uncond}, {"v": cond}])
    ones = torch.ones(2, 4, 2, 2)
    found = diffusion.guided(branches, scale)(ones, 0)
    assert torch.allclose(found, (1 - scale) * uncond + scale * cond, atol=1e-5)
    alone = diffusion.Branches(lambda latents, t, condition: latents * condition["v"], [{"v": cond}])
    assert torch.equal(diffusion.guided(alone, scale)(ones, 0), cond)


def test_guidance_by_garment_and_text():
    uncond, garment, both = (randn(seed, 1, 4, 2, 2) for seed in range(3))
    found = diffusion.guide_jointly(uncond, garment, both, 7.5, 2.5)
    assert torch.allclose(found, 7.5 * both - 5.0 * garment - 1.5 * uncond, atol=1e-5)


def test_guidance_weights_of_the_branches():
    """At scales 7.5 and 2.5; the spec's 7.5, -5.0 and -1.5."""
    one, none = torch.ones(()), torch.zeros(())

    def weights(guide):
        terms = ([one if place == branch else none for place in range(3)] for branch in range(3))
        return [float(guide(*term, 7.5, 2.5)) for term in terms]

    assert weights(diffusion.guide_jointly) == [-1.5, -5.0, 7.5], "nothing, garment, both"
    assert weights(diffusion.guide_independently) == [-9.0, 7.5, 2.5], "nothing, text, garment"


def test_twenty_steps_of_unipc():
    """As diffusers 0.25.1 converted DEIS's settings."""
    deis = stable_diffusion.SCHEDULER | {"timestep_spacing": "linspace", "solver_type": "logrho"}
    scheduler = diffusion.unipc(deis, final_sigmas_type="sigma_min")
    scheduler.set_timesteps(20)
    assert scheduler.timesteps[[0, 1, 9, 10, 19]].tolist() == [999, 949, 549, 500, 50]
    assert (scheduler.config.solver_order, scheduler.config.solver_type) == (2, "bh2")
    assert float(scheduler.sigmas[-1]) == pytest.approx(0.02917, abs=1e-5)


@pytest.mark.parametrize(("steps", "strength", "first"), [(20, 1.0, 0), (20, 0.5, 10), (100, 0.29, 71), (20, 0.05, 19)])
def test_the_first_step_by_strength(steps, strength, first):
    assert image_to_image.first_step(steps, strength) == first


@pytest.mark.parametrize(("steps", "strength"), [(20, 0.0), (20, 0.04), (20, 1.1), (20, -0.5), (20, float("nan"))])
def test_a_strength_without_steps_is_refused(steps, strength):
    with pytest.raises(UsageError, match="--strength"):
        image_to_image.first_step(steps, strength)


@pytest.mark.parametrize("kind", ["ddim", "unipc"])
def test_steps_are_left_out_at_the_beginning(kind):
    """A later start takes the very steps, with whatever the scheduler makes of their places."""
    scheduler = getattr(diffusion, kind)(stable_diffusion.SCHEDULER)
    scheduler.set_timesteps(10)
    step = diffusion.plain_step(scheduler)
    seen = []

    def predict(latents, timestep):
        seen.append(int(timestep))
        return latents * 0

    for after in diffusion.denoise(scheduler, torch.ones(1, 4, 2, 2), predict, step, 6):
        assert after.isfinite().all()
    assert seen == scheduler.timesteps[6:].tolist()


def test_ddim_with_eta_one_draws_in_the_last_step_too():
    """σ_1 = √((1−ᾱ_0)/(1−ᾱ_1) (1−ᾱ_1/ᾱ_0)) of a 50-step run is about 0.0206, not 0: the final ᾱ is ᾱ_0."""
    scheduler = diffusion.ddim(stable_diffusion.SCHEDULER)
    scheduler.set_timesteps(50)
    zeros, noise = torch.zeros(1, 4, 2, 2), randn(0, 1, 4, 2, 2)
    step = diffusion.ddim_step(scheduler, diffusion.Noises(seeded(0), {"step.49": noise}), 1.0)
    sigma = ((1 - ALPHAS[0]) / (1 - ALPHAS[1]) * (1 - ALPHAS[1] / ALPHAS[0])) ** 0.5
    found = step(49, scheduler.timesteps[49], zeros, zeros)
    assert torch.allclose(found, float(sigma) * noise, rtol=1e-3) and abs(float(sigma) - 0.0206) < 1e-4


@pytest.mark.parametrize("eta", [0.0, 0.25, 0.5, 1.0])
@pytest.mark.parametrize("index", [0, 20, 48])
def test_ddim_by_its_formula(eta, index):
    """Song 2021, eq. 12 and 16, in float64: z_s = √ᾱ_s z_0 + √(1−ᾱ_s−σ²) ε̂ + σ ε."""
    scheduler = diffusion.ddim(stable_diffusion.SCHEDULER)
    scheduler.set_timesteps(50)
    timestep = int(scheduler.timesteps[index])
    latents, model_pred, noise = (randn(seed, 1, 4, 2, 2) for seed in range(3))
    step = diffusion.ddim_step(scheduler, diffusion.Noises(seeded(0), {f"step.{index}": noise}), eta)
    now, then = float(ALPHAS[timestep]), float(ALPHAS[timestep - 20])
    clean = (latents - (1 - now) ** 0.5 * model_pred) / now**0.5
    sigma = eta * ((1 - then) / (1 - now) * (1 - now / then)) ** 0.5
    wanted = then**0.5 * clean + (1 - then - sigma**2) ** 0.5 * model_pred + sigma * noise
    found = step(index, scheduler.timesteps[index], model_pred, latents)
    assert torch.allclose(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("eta, draws", [(0.0, 0), (0.3, 5), (1.0, 5)])
def test_one_draw_per_step(eta, draws):
    asked = []

    class Counting(diffusion.Noises):
        def __call__(self, name, shape, device):
            asked.append(name)
            return super().__call__(name, shape, device)

    scheduler = diffusion.ddim(stable_diffusion.SCHEDULER)
    scheduler.set_timesteps(5)
    step = diffusion.ddim_step(scheduler, Counting(seeded(0)), eta)
    after = list(diffusion.denoise(scheduler, randn(0, 1, 4, 2, 2), lambda latents, t: latents / 2, step))
    assert len(after) == 5 and asked == [f"step.{index}" for index in range(draws)]


def test_noises_are_given_or_drawn_in_order():
    device = torch.device("cpu")
    noises = diffusion.Noises(seeded(3), {"b": torch.ones(1, 2)})
    generator = seeded(3)
    assert torch.equal(noises("a", (1, 2), device), torch.randn(1, 2, generator=generator))
    assert torch.equal(noises("b", (1, 2), device), torch.ones(1, 2))
    assert torch.equal(noises("c", (1, 2), device), torch.randn(1, 2, generator=generator))
    with pytest.raises(ValueError, match=r"'b' is \[1, 2\]; allowed is \[2, 2\]"):
        noises("b", (2, 2), device)


def test_a_generator_per_item_frees_items_from_their_batch():
    together = diffusion.draw((3, 4, 2, 2), [seeded(seed) for seed in (5, 6, 7)])
    assert torch.equal(together[1:2], diffusion.draw((1, 4, 2, 2), [seeded(6)]))
    with pytest.raises(ValueError, match="2 generators; allowed are 3"):
        diffusion.draw((3, 1), [seeded(0), seeded(1)])


def test_dropout_keeps_about_its_share():
    kept = diffusion.keep_mask(10_000, 0.1, seeded(0))
    assert set(kept.unique().tolist()) == {0.0, 1.0} and abs(float(kept.mean()) - 0.9) < 0.01
    assert diffusion.keep_mask(100, 0.0, seeded(0)).all() and not diffusion.keep_mask(100, 1.0, seeded(0)).any()


def test_timesteps_are_uniform_over_the_schedule():
    steps = diffusion.uniform_timesteps(20_000, 1000, seeded(0))
    assert steps.min() == 0 and steps.max() == 999 and abs(float(steps.double().mean()) - 499.5) < 10


@pytest.mark.parametrize("sequential, sizes", [(False, [6]), (True, [2, 2, 2])])
def test_branches_share_a_pass_or_take_turns(sequential, sizes):
    seen = []

    def predict(latents, timestep, condition):
        seen.append(len(latents))
        return latents * condition["scale"]

    conditions = [{"scale": torch.full((2, 1), float(k)), "none": None} for k in (1, 2, 3)]
    branches = diffusion.Branches(predict, conditions, sequential)
    latents = randn(0, 2, 3)
    for scale, found in zip((1, 2, 3), branches(latents, 0), strict=True):
        assert torch.equal(found, latents * scale)
    assert seen == sizes
    with pytest.raises(ValueError, match="None in some branches"):
        diffusion.Branches(predict, [conditions[0] | {"none": latents}, conditions[1]])


def test_a_branch_that_lacks_what_others_read_is_a_pass_of_its_own():
    seen = []

    def predict(latents, timestep, condition):
        seen.append((len(latents), sorted(condition)))
        return latents * condition["scale"]

    plain, garment = {"scale": torch.ones(2, 1)}, {"scale": torch.full((2, 1), 3.0), "garment": torch.ones(2, 5, 1)}
    latents = randn(0, 2, 3)
    found = diffusion.Branches(predict, [plain, garment, garment])(latents, 0)
    assert seen == [(2, ["scale"]), (4, ["garment", "scale"])] and len(found) == 3
    assert torch.equal(found[0], latents) and torch.equal(found[1], 3 * latents)


@pytest.mark.parametrize("steps", [1, 4, 30])
def test_ddpm_is_the_library_s(steps):
    """With the noise that it draws; the zero-terminal-SNR betas of IDM-VTON."""
    arguments = stable_diffusion.SCHEDULER | {"rescale_betas_zero_snr": True}
    theirs, ours = diffusion.ddpm(arguments), diffusion.ddpm(arguments)
    for scheduler in (theirs, ours):
        scheduler.set_timesteps(steps)
    latents, step = randn(0, 1, 4, 3, 3), diffusion.ddpm_step(ours, diffusion.Noises(seeded(5)))
    generator, other = seeded(5), latents
    for index, timestep in enumerate(theirs.timesteps):
        model_pred = randn(index, 1, 4, 3, 3)
        latents = step(index, timestep, model_pred, latents)
        other = theirs.step(model_pred, timestep, other, generator=generator).prev_sample
        assert torch.allclose(latents, other, rtol=1e-4, atol=1e-4), index


def test_ddpm_draws_nothing_at_timestep_zero():
    scheduler = diffusion.ddpm(stable_diffusion.SCHEDULER | {"steps_offset": 0})
    scheduler.set_timesteps(2)
    step = diffusion.ddpm_step(scheduler, diffusion.Noises([]))
    assert step(1, scheduler.timesteps[-1], randn(0, 1, 4, 2, 2), randn(1, 1, 4, 2, 2)).isfinite().all()


@pytest.mark.parametrize("steps", [1, 2, 3, 20])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"timestep_spacing": "linspace", "steps_offset": 0, "final_sigmas_type": "sigma_min"},
        {"use_karras_sigmas": True, "final_sigmas_type": "sigma_min"},
    ],
    ids=["to zero", "even", "Karras"],
)
def test_unipc_takes_the_steps_of_diffusers(changes, steps):
    """Of a prediction that isn't linear, so that predictor and corrector both count."""
    from diffusers import UniPCMultistepScheduler

    ours = diffusion.unipc(stable_diffusion.SCHEDULER, **changes)
    theirs = UniPCMultistepScheduler.from_config({**stable_diffusion.SCHEDULER, **changes})
    mixing = randn(1, 4, 4)
    ends = []
    for scheduler in (ours, theirs):
        scheduler.set_timesteps(steps)
        latents, step = randn(0, 1, 4, 8, 8), diffusion.plain_step(scheduler)
        for after in diffusion.denoise(
            scheduler, latents, lambda x, t: (mixing @ x.flatten(2)).tanh().view_as(x), step
        ):
            latents = after
        ends.append(latents)
    assert torch.allclose(*ends, rtol=1e-5, atol=1e-4)
