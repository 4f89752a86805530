import pytest
import torch

from facenn.errors import ConfigError, SchemaError
from facenn.networks.imitator import INIT_STD, RESOLUTIONS, Imitator


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_imitator_has_the_weights_of_the_blog_post() -> None:
    imitator = Imitator(103)
    weights = [tuple(p.shape) for p in imitator.parameters() if p.ndim == 4]
    assert weights == [(103, 512, 4, 4), (512, 512, 4, 4), (512, 512, 4, 4), (512, 256, 4, 4),
                       (256, 128, 4, 4), (128, 64, 4, 4), (64, 64, 4, 4), (64, 3, 4, 4)]
    assert sum(p.numel() for p in imitator.parameters()) == pytest.approx(12.06e6, rel=0.001)


def test_imitator_draws_512_pixels_in_0_to_1() -> None:
    drawn = Imitator(103, generator=seeded())(torch.rand(2, 103, generator=seeded()))
    assert drawn.shape == (2, 3, 512, 512)
    assert drawn.min() >= 0 and drawn.max() <= 1


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_imitator_draws_in_each_resolution(resolution: int) -> None:
    assert Imitator(5, resolution=resolution).eval()(torch.rand(1, 5)).shape == (1, 3, resolution, resolution)


def test_imitator_starts_with_small_weights_around_zero() -> None:
    weight = Imitator(64, resolution=128, generator=seeded()).get_parameter("layers.3.weight")
    assert weight.mean().abs() < INIT_STD / 20
    assert weight.std().item() == pytest.approx(INIT_STD, rel=0.05)


def test_imitator_starts_the_same_from_the_same_seed() -> None:
    one, same, other = (Imitator(4, resolution=32, generator=seeded(s)).state_dict() for s in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["layers.0.weight"], other["layers.0.weight"])


def test_imitator_passes_gradients_to_every_parameter() -> None:
    imitator = Imitator(6, resolution=32, generator=seeded()).double().eval()
    vector = torch.rand(2, 6, generator=seeded(), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(imitator(vector).square().mean(), vector)
    assert (gradient != 0).all()
    assert torch.autograd.gradcheck(lambda v: imitator(v).mean((1, 2, 3)), (vector,))


def test_imitator_draws_a_face_the_same_alone_and_in_company_in_eval_mode() -> None:
    imitator = Imitator(6, resolution=32, generator=seeded()).eval()
    vectors = torch.rand(3, 6, generator=seeded())
    torch.testing.assert_close(imitator(vectors)[1:2], imitator(vectors[1:2]))


def test_imitator_refuses_vectors_of_another_length() -> None:
    with pytest.raises(SchemaError, match=r"expected \(B, 6\) parameters, got shape \(2, 7\)"):
        Imitator(6, resolution=32)(torch.rand(2, 7))


@pytest.mark.parametrize(("parameters", "resolution"), [(0, 64), (5, 16), (5, 100), (5, 1024)])
def test_imitator_refuses_what_it_cannot_be(parameters: int, resolution: int) -> None:
    with pytest.raises(ConfigError, match="expected"):
        Imitator(parameters, resolution=resolution)
