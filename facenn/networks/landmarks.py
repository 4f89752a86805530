"""The landmarks of a face: BlazeFace finds it, FaceMesh places its points, the iris network refines the eyes."""

from collections.abc import Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.networks.cropping import crop, mirrored, transform_points, turned_square
from facenn.networks.detection import Detection, detect
from facenn.networks.facemesh import EYE_CORNERS, LID_CONTOURS, MESH, OUTER_EYE_CORNERS
from facenn.networks.graph import Graph, load_graph, network_file

AROUND = 1.5  # side of the square that FaceMesh sees, as a multiple of the face's longer side (MediaPipe)
AROUND_EYE = 2.3  # the same for the iris network and the eye's width (MediaPipe)
CONTOUR, LIDS, IRIS = 71, 16, 5  # the iris network's points: around an eye, the first of them on its lids; of an iris


class FaceFinder:
    """Finds faces and their landmarks, in the order of ``facenn.networks.facemesh``.

    Args:
        blazeface: detector, 256 x 256.
        facemesh: landmarks, 192 x 192.
        iris: eyes, 64 x 64; it knows one eye only, the other is shown to it in a mirror.
    """

    def __init__(self, blazeface: Graph, facemesh: Graph, iris: Graph) -> None:
        self.blazeface, self.facemesh, self.iris = blazeface, facemesh, iris

    def detect(self, picture: Tensor, *, threshold: float = 0.5) -> list[Detection]:
        """The faces of one picture, best first.

        Args:
            picture: (3, H, W) RGB in [0, 1], of any size.
            threshold: least score of a face.
        """
        return detect(self.blazeface, picture, threshold=threshold)

    @torch.no_grad()
    def settle(self, picture: Tensor, detections: Sequence[Detection], *, passes: int = 2) -> Tensor:
        """Where to look for the landmarks of detected faces, without gradients.

        Args:
            picture: (3, H, W) in which they were detected.
            detections: N faces.
            passes: how often the landmarks found so far tell where to look next.

        Returns:
            (N, 2, 3) squares for ``landmarks``.
        """
        boxes = torch.stack([d.box for d in detections])
        eyes = torch.stack([d.keypoints[1] - d.keypoints[0] for d in detections])
        side = (boxes[:, 2:] - boxes[:, :2]).amax(1) * AROUND
        squares = turned_square((boxes[:, :2] + boxes[:, 2:]) / 2, eyes, side, size=self.facemesh.size)
        for _ in range(passes):
            squares = self.square(self._mesh(picture[None], squares)[0])
        return squares

    def square(self, points: Tensor) -> Tensor:
        """Where to look next time, from where the landmarks are now; never with gradients.

        Args:
            points: (B, 468 or more, 2 or 3) landmarks in pixels.

        Returns:
            (B, 2, 3) maps from FaceMesh's pixels to picture pixels: an upright square around the face.
        """
        flat = points.detach()[..., :2]
        left, right = OUTER_EYE_CORNERS
        along = F.normalize(flat[:, right] - flat[:, left], dim=-1)
        across = torch.stack([-along[:, 1], along[:, 0]], -1)
        axes = torch.stack([along, across], -1)
        turned = flat @ axes
        low, high = turned.amin(1), turned.amax(1)
        centre = ((low + high) / 2)[:, None] @ axes.mT
        return turned_square(centre[:, 0], along, (high - low).amax(1) * AROUND, size=self.facemesh.size)

    def landmarks(self, pictures: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        """The landmarks of one face in each picture.

        Args:
            pictures: (B, 3, H, W) RGB in [0, 1]; B may be 1 for several faces of one picture.
            squares: (B, 2, 3) where to look, from ``settle`` or ``square``.

        Returns:
            (B, 478, 3) x, y in pixels and depth in the same unit, smaller is nearer; differentiable in the
            pictures. (B,) presence in [0, 1]: whether there is a face at all.
        """
        points, presence = self._mesh(pictures, squares)
        return self._with_irises(pictures, points), presence

    @torch.no_grad()
    def find(self, pictures: Tensor) -> Tensor | None:
        """Landmarks of the best face in each of (B, 3, H, W) pictures, (B, 478, 3); None when one shows no face."""
        squares = []
        for picture in pictures:
            faces = self.detect(picture)
            if not faces:
                return None
            squares.append(self.settle(picture, faces[:1])[0])
        return self.landmarks(pictures, torch.stack(squares))[0]

    def _mesh(self, pictures: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
        points, presence = self.facemesh(crop(pictures, squares, self.facemesh.size))
        return transform_points(points.reshape(len(squares), MESH, 3), squares), presence.reshape(-1).sigmoid()

    def _with_irises(self, pictures: Tensor, points: Tensor) -> Tensor:
        fixed, size = points.detach(), self.iris.size
        maps = []
        for (outer, inner), other in zip(EYE_CORNERS, (False, True), strict=True):
            a, b = fixed[:, outer, :2], fixed[:, inner, :2]
            width = (b - a).norm(dim=-1) * AROUND_EYE
            square = turned_square((a + b) / 2, a - b if other else b - a, width, size=size)
            maps.append(mirrored(square, size=size) if other else square)
        contours, irises = self.iris(torch.cat([crop(pictures, m, size) for m in maps]))
        lids = transform_points(contours.reshape(-1, CONTOUR, 3)[:, :LIDS, :2], torch.cat(maps)).chunk(2)
        centres = transform_points(irises.reshape(-1, IRIS, 3)[..., :2], torch.cat(maps)).chunk(2)
        flat, depth = points[..., :2].clone(), points[..., 2:]
        extra = []
        for where, lid, centre, corners in zip(LID_CONTOURS, lids, centres, EYE_CORNERS, strict=True):
            flat[:, list(where)] = lid
            middle = depth[:, list(corners)].mean(1, keepdim=True).expand(-1, IRIS, -1)
            extra.append(torch.cat([centre, middle], -1))
        return torch.cat([torch.cat([flat, depth], -1), *extra], 1)


def load_finder(folder: Path, device: torch.device | str = "cpu") -> FaceFinder:
    """The three networks that find faces and landmarks; from the files ``blazeface``, ``facemesh`` and ``iris``."""
    names = ("blazeface", "facemesh", "iris")
    return FaceFinder(*(load_graph(network_file(folder, name), device=device) for name in names))
