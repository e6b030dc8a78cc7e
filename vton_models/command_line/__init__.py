"""What the subcommands share: a model's own flags, and the weights that a command line names."""
