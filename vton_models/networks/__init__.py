"""The models themselves, one file per system: `build` of `vton_models.<name>` imports its file, and torch with it."""
