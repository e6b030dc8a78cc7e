"""Whatever number of steps is allowed, every one is at a timestep that the schedule has."""

import pytest

import vton_models
from schemas.cli.flags import UsageError

STEPS = (1, 2, 20, 499, 500, 999, 1000)


@pytest.mark.parametrize("steps", STEPS)
@pytest.mark.parametrize("name", vton_models.names())
def test_timesteps_lie_in_the_schedule(name: str, steps: int) -> None:
    system = vton_models.load(name)
    config = system.Config.tiny()
    try:
        settings = config.sampling(num_inference_steps=steps)
        scheduler = system.build(config).scheduler(settings)
    except UsageError as error:
        assert "allowed are" in str(error) or "allowed is" in str(error)
        return
    timesteps, count = scheduler.timesteps.tolist(), len(system.build(config).alphas)
    assert 0 <= min(timesteps) <= max(timesteps) < count
    assert timesteps == sorted(timesteps, reverse=True)
