"""Parts that systems are made of: attention processors, diffusion, latents, text, weights; stock diffusers networks."""
