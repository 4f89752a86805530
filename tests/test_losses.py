import math

import pytest
import torch
from torch import Tensor

from facenn.losses import colour_loss, identity_loss, imitation_loss, landmark_loss, prior_loss

EYES = (33, 263)


def noise(*shape: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=torch.float64)


def face(scale: float = 100.0) -> Tensor:
    """(1, 478, 3) points whose outer eye corners are ``scale`` apart."""
    points = scale * noise(1, 478, 3)
    points[0, EYES[0]], points[0, EYES[1]] = torch.tensor([0.0, 5, 9]), torch.tensor([scale, 5, -9])
    return points


EVEN = torch.ones(478, dtype=torch.float64)


def test_imitation_loss_is_the_mean_difference_of_each_picture() -> None:
    black, grey = torch.zeros(2, 3, 4, 4), torch.stack([torch.full((3, 4, 4), 0.25), torch.ones(3, 4, 4)])
    assert imitation_loss(black, grey).tolist() == [0.25, 1.0]


def test_imitation_loss_is_symmetric_and_zero_on_itself() -> None:
    one, other = noise(2, 3, 4, 4), noise(2, 3, 4, 4).flip(0)
    assert torch.equal(imitation_loss(one, other), imitation_loss(other, one))
    assert imitation_loss(one, one).tolist() == [0, 0]


def test_identity_loss_has_known_values() -> None:
    east, north = torch.tensor([[1.0, 0]]), torch.tensor([[0, 1.0]])
    assert identity_loss(torch.cat([east, north, -east]), east).tolist() == [0, 1, 2]


def test_identity_loss_ignores_the_length_of_an_embedding() -> None:
    embedding = noise(4, 256)
    assert identity_loss(embedding, 3 * embedding).abs().max() < 1e-9


def test_landmark_loss_is_zero_on_itself_with_a_gradient_that_is_zero() -> None:
    points = face().requires_grad_()
    loss = landmark_loss(points, points.detach(), weights=EVEN, eyes=EYES).sum()
    (gradient,) = torch.autograd.grad(loss, points)
    assert loss.item() == pytest.approx(0, abs=1e-12)
    assert gradient.abs().max() == 0


def test_landmark_loss_of_a_shift_is_the_shift_in_eye_distances() -> None:
    points = face(100.0)
    shifted = points + torch.tensor([30.0, 40.0, 0])
    assert landmark_loss(shifted, points, weights=EVEN, eyes=EYES).item() == pytest.approx(0.5, abs=1e-3)


def test_landmark_loss_ignores_depth_and_the_size_of_the_picture() -> None:
    drawn, photo = face() + 7 * noise(1, 478, 3).flip(1), face()
    loss = landmark_loss(drawn, photo, weights=EVEN, eyes=EYES)
    torch.testing.assert_close(landmark_loss(3 * drawn, 3 * photo, weights=EVEN, eyes=EYES), loss)
    deeper = drawn + torch.tensor([0.0, 0, 50])
    torch.testing.assert_close(landmark_loss(deeper, photo, weights=EVEN, eyes=EYES), loss)


def test_landmark_loss_counts_only_weighted_points() -> None:
    weights = torch.zeros(478, dtype=torch.float64)
    weights[10], weights[20] = 3, 1
    photo = face(100.0)
    drawn = photo.clone()
    drawn[0, 10, 0] += 40  # 0.4 eye distances, three quarters of the weight
    drawn[0, 11, 0] += 99
    assert landmark_loss(drawn, photo, weights=weights, eyes=EYES).item() == pytest.approx(0.3, abs=1e-3)


def test_landmark_loss_measures_each_face_of_a_batch_alone() -> None:
    photo = face()
    drawn = torch.cat([photo, photo + torch.tensor([100.0, 0, 0])])
    assert landmark_loss(drawn, photo, weights=EVEN, eyes=EYES).tolist() == pytest.approx([0, 1], abs=2e-3)


def test_prior_loss_has_known_values() -> None:
    mean, whitening = torch.tensor([0.5, 0.5]), torch.diag(torch.tensor([2.0, 4.0]))
    sliders = torch.tensor([[0.5, 0.5], [1.0, 0.5], [0.5, 1.0]])
    assert prior_loss(sliders, mean, whitening).tolist() == [0, 0.5, 2]
    both = torch.stack([whitening, 2 * whitening])
    assert prior_loss(sliders[1:], mean.expand(2, 2), both).tolist() == [0.5, 8]


def test_prior_loss_is_one_in_the_mean_of_its_people() -> None:
    generator = torch.Generator().manual_seed(0)
    spread = torch.tensor([[0.2, 0.0], [0.15, 0.1]])
    people = 0.4 + torch.randn(4000, 2, generator=generator) @ spread.T
    loss = prior_loss(people, torch.full((2,), 0.4), torch.linalg.inv(spread))
    assert loss.mean().item() == pytest.approx(1, rel=0.1)


def test_colour_loss_is_the_weighted_mean_over_cells_of_each_face() -> None:
    rendered, photo = torch.zeros(2, 3, 2, 2), torch.zeros(2, 3, 2, 2)
    photo[0, :, 0, 0], photo[1, 0] = 0.4, 0.3  # one cell in all channels; all cells in one channel
    weights = torch.tensor([[3.0, 1.0], [0.0, 0.0]]).expand(2, 2, 2)
    assert colour_loss(rendered, photo, weights=weights).tolist() == pytest.approx([0.3, 0.1])


def test_losses_have_the_gradients_that_they_claim() -> None:
    points, photo, weights = face(), face() + noise(1, 478, 3), noise(478).abs()
    near, cells = noise(2, 6), noise(2, 4, 4).abs()
    checked = [
        torch.autograd.gradcheck(lambda a, b: imitation_loss(a, b),
                                 (noise(2, 3, 2, 2).requires_grad_(), noise(2, 3, 2, 2).flip(0))),
        torch.autograd.gradcheck(identity_loss, (noise(2, 8).requires_grad_(), noise(2, 8).flip(0))),
        torch.autograd.gradcheck(lambda p: landmark_loss(p, photo, weights=weights, eyes=EYES),
                                 (points.requires_grad_(),), fast_mode=True),
        torch.autograd.gradcheck(lambda v: prior_loss(v, noise(6), noise(6, 6)), (near.requires_grad_(),)),
        torch.autograd.gradcheck(lambda c: colour_loss(c, noise(2, 3, 4, 4).flip(0), weights=cells),
                                 (noise(2, 3, 4, 4).requires_grad_(),)),
    ]
    assert all(checked)


def test_landmark_loss_is_smooth_where_points_meet() -> None:
    photo = face(1.0)
    step = torch.zeros_like(photo)
    step[0, 50, 0] = 1e-4
    slopes = []
    for times in (-1, 0, 1):
        points = (photo + times * step).requires_grad_()
        (gradient,) = torch.autograd.grad(landmark_loss(points, photo, weights=EVEN, eyes=EYES).sum(), points)
        slopes.append(gradient[0, 50, 0].item() * 478)
    assert slopes[1] == 0 and slopes[0] == pytest.approx(-slopes[2])
    assert 0 < slopes[2] < 0.2 and math.isfinite(slopes[2])
