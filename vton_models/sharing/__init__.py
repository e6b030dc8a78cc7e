"""A finished run as a model of the hub: what it is bound by, its card, and the files that go."""
