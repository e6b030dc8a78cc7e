"""What a user wants to know of a system before training it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class About:
    """Paper, repository, licences; `parameters` and `trainable` count the full-size networks."""

    title: str
    paper: str
    repository: str
    licence: str  # of the published code and weights
    base: str  # the weights that training starts from
    parameters: int
    trainable: int
