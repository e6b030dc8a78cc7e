"""A finished build as a data set of the hub: its card with pictures of some records, and the files that go."""
