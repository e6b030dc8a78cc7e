"""VGG-16's convolutions (arXiv:1409.1556), as an extractor of what an object looks like, in the paper's comparison."""

from collections.abc import Iterator, Sequence

from torch import Tensor, nn

LEVELS = (2, 2, 3, 3, 3)  # convolutions between two halvings
CHANNELS = (64, 128, 256, 512, 512)


class Vgg(nn.Module):
    """The layers have torchvision's names, `features.N`; `channels` are those of the five levels."""

    def __init__(self, channels: Sequence[int] = CHANNELS) -> None:
        super().__init__()
        self.features = nn.Sequential(*_layers(channels))

    def forward(self, pictures: Tensor) -> Tensor:
        """Normalised pictures [b 3 h w] → the fifth level's features [b c h/16 w/16]."""
        features: Tensor = self.features(pictures)
        return features


def _layers(channels: Sequence[int]) -> Iterator[nn.Module]:
    width = 3
    for level, (wide, count) in enumerate(zip(channels, LEVELS, strict=True)):
        if level:
            yield nn.MaxPool2d(2)
        for _ in range(count):
            yield nn.Conv2d(width, wide, 3, padding=1)
            yield nn.ReLU()
            width = wide
