import pytest
import torch

from facenn.errors import ConfigError, SchemaError
from facenn.networks.architectures import CLASSES, build
from facenn.networks.imitator import RESOLUTIONS, Imitator

pytestmark = pytest.mark.parametrize("architecture", CLASSES)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(architecture: str, parameters: int = 6, resolution: int = 32, seed: int = 0) -> Imitator:
    return build(architecture, parameters, resolution=resolution, generator=seeded(seed))


def test_imitator_draws_512_pixels_in_0_to_1(architecture: str) -> None:
    drawn = made(architecture, 103, 512)(torch.rand(2, 103, generator=seeded()))
    assert drawn.shape == (2, 3, 512, 512)
    assert drawn.min() >= 0 and drawn.max() <= 1


@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_imitator_draws_in_each_of_its_sizes(architecture: str, resolution: int) -> None:
    imitator = made(architecture, 5, resolution).eval()
    vector = torch.rand(1, 5)
    assert list(imitator.sides) == sorted(imitator.sides) and imitator.sides[-1] == imitator.resolution == resolution
    for side in imitator.sides:
        assert imitator(vector, side).shape == (1, 3, side, side)
    assert torch.equal(imitator(vector), imitator(vector, resolution))


def test_imitator_starts_the_same_from_the_same_seed(architecture: str) -> None:
    one, same, other = (made(architecture, seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


def test_imitator_passes_gradients_to_every_parameter(architecture: str) -> None:
    imitator = made(architecture).double().eval()
    vector = torch.rand(2, 6, generator=seeded(), dtype=torch.float64, requires_grad=True)
    (gradient,) = torch.autograd.grad(imitator(vector).square().mean(), vector)
    assert (gradient != 0).all()
    assert torch.autograd.gradcheck(lambda v: imitator(v).mean((1, 2, 3)), (vector,))


def test_imitator_passes_gradients_to_every_weight(architecture: str) -> None:
    imitator = made(architecture, resolution=64).train()
    imitator(torch.rand(2, 6, generator=seeded())).square().mean().backward()
    assert all(weight.grad is not None and (weight.grad != 0).any() for weight in imitator.parameters())


def test_imitator_draws_a_face_the_same_alone_and_in_company_in_eval_mode(architecture: str) -> None:
    imitator = made(architecture).eval()
    vectors = torch.rand(3, 6, generator=seeded())
    torch.testing.assert_close(imitator(vectors)[1:2], imitator(vectors[1:2]))


def test_imitator_starts_from_a_colour(architecture: str) -> None:
    imitator = made(architecture, resolution=64).eval()
    colour = torch.tensor([0.2, 0.5, 0.7])
    imitator.start_from(colour[:, None, None].expand(3, 64, 64))
    drawn = imitator(torch.rand(4, 6, generator=seeded()))
    assert torch.allclose(drawn.mean((0, 2, 3)), colour, atol=0.02)


def test_imitator_refuses_vectors_of_another_length(architecture: str) -> None:
    with pytest.raises(SchemaError, match=r"expected \(B, 6\) parameters, got shape \(2, 7\)"):
        made(architecture)(torch.rand(2, 7))


@pytest.mark.parametrize(("parameters", "resolution"), [(0, 64), (5, 16), (5, 100), (5, 1024)])
def test_imitator_refuses_what_it_cannot_be(architecture: str, parameters: int, resolution: int) -> None:
    with pytest.raises(ConfigError, match="expected"):
        made(architecture, parameters, resolution)
