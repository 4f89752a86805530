import pytest
import torch

from facenn.config import TrainConfig
from facenn.errors import ConfigError
from facenn.networks.architectures import CLASSES, build
from facenn.networks.dcgan import INIT_STD, Dcgan
from facenn.networks.pyramid import Pyramid


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_build_offers_what_params_can_ask_for() -> None:
    for name, kind in CLASSES.items():
        assert TrainConfig.model_validate({"architecture": name}).architecture == name
        assert type(build(name, 3, resolution=32)) is kind


def test_build_names_the_architectures_there_are() -> None:
    with pytest.raises(ConfigError, match="expected an architecture among dcgan, pyramid, got 'cathedral'"):
        build("cathedral", 3, resolution=32)


def test_dcgan_has_the_weights_of_the_blog_post() -> None:
    imitator = Dcgan(103)
    weights = [tuple(p.shape) for p in imitator.parameters() if p.ndim == 4]
    assert weights == [(103, 512, 4, 4), (512, 512, 4, 4), (512, 512, 4, 4), (512, 256, 4, 4),
                       (256, 128, 4, 4), (128, 64, 4, 4), (64, 64, 4, 4), (64, 3, 4, 4)]
    assert sum(p.numel() for p in imitator.parameters()) == pytest.approx(12.06e6, rel=0.001)


def test_dcgan_starts_with_small_weights_around_zero() -> None:
    weight = Dcgan(64, resolution=128, generator=seeded()).get_parameter("layers.3.weight")
    assert weight.mean().abs() < INIT_STD / 20
    assert weight.std().item() == pytest.approx(INIT_STD, rel=0.05)


def test_pyramid_adds_detail_to_its_smaller_picture() -> None:
    imitator = Pyramid(6, resolution=128, generator=seeded()).eval()
    vectors = torch.rand(4, 6, generator=seeded())
    with torch.no_grad():
        imitator.get_parameter("levels.1.detail.weight").zero_()
    small, large = imitator(vectors, 64), imitator(vectors, 128)
    enlarged = torch.nn.functional.interpolate(small.logit(), (128, 128), mode="bilinear")
    assert torch.allclose(large, enlarged.sigmoid(), atol=1e-5)


def test_pyramid_starts_from_a_picture() -> None:
    imitator = Pyramid(6, resolution=64, generator=seeded()).eval()
    picture = torch.linspace(0.1, 0.9, 64).repeat(3, 64, 1)
    imitator.start_from(picture)
    drawn = imitator(torch.rand(4, 6, generator=seeded()))
    assert (drawn.mean(0) - picture).abs().max() < 0.05
