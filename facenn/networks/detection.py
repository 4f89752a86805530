"""Where faces are in a picture: BlazeFace over the whole picture, then around it, then over its parts."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.networks.graph import Graph

STRIDES = ((16, 2), (32, 6))  # of face_detection_back: cell side in pixels, anchors in each cell
SAME_FACE = 0.3  # boxes that overlap more than this, intersection over union, are averaged (MediaPipe)
SEARCHES = (1.0, 1.6, 0.6, 0.4)  # sides of the searched squares as parts of the picture's longer side
NEAR = 0.2  # boxes smaller than this part of the searched square are off by a good part of their size
AROUND = 3  # side of the square for another look, as a multiple of the box
LOOKS = 3  # at most; the first one already makes a box exact but for the tiniest faces
PLACES = (1, 0, 1, 1, 1, 1, 1, 1)  # which rows of a raw box are places; its second row is an extent


@dataclass(frozen=True)
class Detection:
    """A face that was found.

    Attributes:
        score: in [0, 1].
        box: (4,) left, top, right, bottom in pixels.
        keypoints: (6, 2) eye in the picture's left, eye in its right, nose tip, mouth, ear left, ear right.
    """

    score: float
    box: Tensor
    keypoints: Tensor


@torch.no_grad()
def detect(blazeface: Graph, picture: Tensor, *, threshold: float) -> list[Detection]:
    """The faces of a picture, best first.

    The whole picture is searched first. Only when it shows no face, the search goes on with the picture made
    smaller (for a face that fills it) and then with overlapping parts of it (for small faces). So a small
    face beside a large one may stay unseen.

    Args:
        blazeface: the network, taking 256 x 256.
        picture: (3, H, W) RGB in [0, 1].
        threshold: least score of a face.
    """
    longest = max(picture.shape[1:])
    for part in SEARCHES:
        side = round(longest * part)
        found = [
            raw for left, top in _corners(picture, side)
            for raw in _search(blazeface, picture, (left, top, side), threshold)
        ]
        faces = [_nearer(blazeface, picture, face, side, threshold) for face in _merge(found)]
        if any(faces):
            return _distinct([face for face in faces if face])
    return []


def _nearer(
    blazeface: Graph, picture: Tensor, face: Detection, side: int, threshold: float
) -> Detection | None:
    """A face that is small in the searched square, looked at again from nearer until its box is exact.

    None when there is no face to be seen from nearer.
    """
    for _ in range(LOOKS):
        left, top, right, bottom = face.box.tolist()
        extent = max(right - left, bottom - top)
        if extent > side * NEAR:
            break
        side = round(extent * AROUND)
        square = (round((left + right - side) / 2), round((top + bottom - side) / 2), side)
        again = [f for f in _merge(_search(blazeface, picture, square, threshold)) if _inside(f, face)]
        if not again:
            return None
        face = again[0]
    return face


def _inside(face: Detection, other: Detection) -> bool:
    """Whether the middle of one face lies in the box of another."""
    middle = (face.box[:2] + face.box[2:]) / 2
    return bool((other.box[:2] < middle).all() and (middle < other.box[2:]).all())


def _distinct(faces: list[Detection]) -> list[Detection]:
    """Best first; what has its middle in the box of a better one is a part of it."""
    kept: list[Detection] = []
    for face in sorted(faces, key=lambda f: -f.score):
        if not any(_inside(face, better) for better in kept):
            kept.append(face)
    return kept


def _corners(picture: Tensor, side: int) -> Iterator[tuple[int, int]]:
    """Left and top of the squares that cover a picture; neighbours share a third or more of their side."""
    height, width = picture.shape[1:]
    for top in _starts(height, side):
        for left in _starts(width, side):
            yield left, top


def _starts(length: int, side: int) -> list[int]:
    if length <= side:
        return [(length - side) // 2]
    count = 1 + -(-(length - side) * 3 // (side * 2))
    return [round(i * (length - side) / (count - 1)) for i in range(count)]


def _search(
    blazeface: Graph, picture: Tensor, square: tuple[int, int, int], threshold: float
) -> list[tuple[float, Tensor]]:
    """Score and (8, 2) centre, extent and six points, in pixels, of every anchor that sees a face."""
    left, top, side = square
    inside = picture[:, max(top, 0) : top + side, max(left, 0) : left + side]
    before_x, before_y = max(-left, 0), max(-top, 0)
    around = (before_x, side - inside.shape[2] - before_x, before_y, side - inside.shape[1] - before_y)
    whole = F.pad(inside, around)[None]
    size = blazeface.size
    small = F.interpolate(whole, (size, size), mode="bilinear", antialias=True, align_corners=False)
    boxes, logits = blazeface(small)
    scores = logits[0, :, 0].clamp(-80, 80).sigmoid()
    keep = scores > threshold
    places = boxes.new_tensor(PLACES)[:, None]
    parts = boxes[0][keep].view(-1, 8, 2) / size + places * _anchors(size).to(boxes)[keep][:, None]
    pixels = parts * side + places * boxes.new_tensor([left, top])
    return [(float(score), box) for score, box in zip(scores[keep], pixels, strict=True)]


def _anchors(size: int) -> Tensor:
    """(N, 2) centres of BlazeFace's anchors as parts of the picture."""
    centres = []
    for stride, count in STRIDES:
        steps = (torch.arange(size // stride) + 0.5) * stride / size
        ys, xs = torch.meshgrid(steps, steps, indexing="ij")
        centres.append(torch.stack([xs, ys], -1).reshape(-1, 2).repeat_interleave(count, 0))
    return torch.cat(centres)


def _merge(found: list[tuple[float, Tensor]]) -> list[Detection]:
    """Boxes that overlap are one face: their mean, weighted by score."""
    left, faces = sorted(found, key=lambda f: -f[0]), []
    while left:
        group = [f for f in left if _overlap(f[1], left[0][1]) > SAME_FACE] or left[:1]
        weights = torch.tensor([score for score, _ in group]).to(group[0][1])
        mean = (torch.stack([box for _, box in group]) * weights[:, None, None]).sum(0) / weights.sum()
        corners = torch.cat([mean[0] - mean[1] / 2, mean[0] + mean[1] / 2])
        faces.append(Detection(left[0][0], corners, mean[2:]))
        chosen = {id(box) for _, box in group}
        left = [f for f in left if id(f[1]) not in chosen]
    return faces


def _overlap(first: Tensor, second: Tensor) -> float:
    """Intersection over union of two boxes whose first rows are centre and extent."""
    low = torch.maximum(first[0] - first[1] / 2, second[0] - second[1] / 2)
    high = torch.minimum(first[0] + first[1] / 2, second[0] + second[1] / 2)
    both = float((high - low).clamp_min(0).prod())
    return both / (float(first[1].prod()) + float(second[1].prod()) - both)
