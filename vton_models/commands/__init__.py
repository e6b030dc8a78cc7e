"""The subcommands of `python -m vton_models`, a module each: `main(arguments)` returns the exit code."""
