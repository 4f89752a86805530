"""What training and fitting minimise: pure functions, one unreduced loss per face."""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

SMOOTHING = 1e-3  # in inter-ocular distances, about 0.1 pixel of a 512 pixel crop: bends |d| into a bowl at 0


def imitation_loss(drawn: Tensor, rendered: Tensor) -> Tensor:
    """How far the Imitator's picture is from the engine's.

    Mean absolute error over channels and pixels, |G(x) - y|: L_G of arXiv:1909.01064, per picture.

    Args:
        drawn: (B, 3, H, W) the Imitator's pictures G(x), RGB in [0, 1].
        rendered: (B, 3, H, W) the engine's pictures y of the same parameters.

    Returns:
        (B,) one loss per picture, unreduced, in [0, 1].
    """
    return (drawn - rendered).abs().flatten(1).mean(1)


def identity_loss(rendered: Tensor, photo: Tensor) -> Tensor:
    """How differently the recognition network F1 sees two faces.

    L1 = 1 - cos(F1(G(x)), F1(y_r)): the "discriminative loss" of arXiv:1909.01064. 0 means the same
    direction, 2 the opposite one.

    Args:
        rendered: (B, E) embeddings F1(G(x)).
        photo: (B, E) or (1, E) embeddings F1(y_r).

    Returns:
        (B,) one loss per face, unreduced.

    Example:
        >>> identity_loss(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([[3.0, 0.0]])).tolist()
        [0.0, 1.0]
    """
    return 1 - cosine_similarity(rendered, photo, dim=-1)


def landmark_loss(rendered: Tensor, photo: Tensor, *, weights: Tensor, eyes: tuple[int, int]) -> Tensor:
    """How far the landmarks of two faces lie apart, in units of the photo's inter-ocular distance.

    sum_k w_k |p_k - q_k| / (D sum_k w_k), with D = |q_i - q_j| between the outer corners i, j of the photo's
    eyes. Distances are two-dimensional, in the picture: the depth that a landmark network gives is a guess.
    |d| stands for sqrt(d^2 + s^2) - s with s = 0.001 D, which has a gradient where points coincide, is short
    of |d| by at most s, and is 0 at 0.

    Args:
        rendered: (B, N, 3) landmarks of the drawn faces: x, y, depth, in pixels.
        photo: (B, N, 3) or (1, N, 3) the same landmarks of the photos in the same crop.
        weights: (N,) how much each point counts, not negative, not all 0.
        eyes: numbers i, j of the outer corners of the eyes, as in ``facenn.networks.facemesh.OUTER_EYE_CORNERS``.

    Returns:
        (B,) one loss per face, unreduced.
    """
    flat = photo[..., :2]
    first, second = eyes
    eye_distance = torch.linalg.vector_norm(flat[:, first] - flat[:, second], dim=-1)
    squared = ((rendered[..., :2] - flat) / eye_distance[:, None, None]).square().sum(-1)
    distances = (squared + SMOOTHING**2).sqrt() - SMOOTHING
    loss: Tensor = (distances * weights).sum(-1) / weights.sum()
    return loss


def prior_loss(sliders: Tensor, mean: Tensor, whitening: Tensor) -> Tensor:
    """How unusual a face is among people.

    |W (x - m)|^2 / D: minus twice the logarithm of its probability under the normal distribution of mean m and
    covariance (W^T W)^-1, per slider, but for a constant. 1 in the mean of the people of that distribution.

    Args:
        sliders: (B, D) sliders x.
        mean: (D,) or (B, D) of the people m.
        whitening: (D, D) or (B, D, D) matrix W that makes deviations from the mean independent, of variance 1.

    Returns:
        (B,) one loss per face, unreduced.
    """
    return (whitening @ (sliders - mean)[..., None]).square().mean((-2, -1))


def colour_loss(rendered: Tensor, photo: Tensor, *, weights: Tensor) -> Tensor:
    """How far the coarse colours of two faces lie apart.

    sum_c w_c |a_c - b_c| / sum_c w_c over cells c, mean over channels. It sees what a recognition network is
    trained to ignore: skin tone, hair, lips, beard. Not in the papers; a content loss without a parsing
    network.

    Args:
        rendered: (B, 3, C, C) mean colours of the cells of the drawn faces.
        photo: (B, 3, C, C) the same of the photos.
        weights: (B, C, C) how much each cell counts, not negative, not all 0.

    Returns:
        (B,) one loss per face, unreduced.
    """
    difference = (rendered - photo).abs().mean(1)
    return (difference * weights).flatten(1).sum(1) / weights.flatten(1).sum(1)
