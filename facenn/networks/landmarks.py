"""478 points on a face: BlazeFace finds it, FaceMesh places 468 points, the iris network refines the eyes."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from facenn.networks.cropping import crop, mirrored, moved, turned_square
from facenn.networks.detection import Detection, detect
from facenn.networks.graph import Graph

POINTS = 478
AROUND = 1.5  # side of the square that FaceMesh sees, as a multiple of the face's longer side (MediaPipe)
AROUND_EYE = 2.3  # the same for the iris network and the eye's width (MediaPipe)
# corners of the eye in the picture's left and of the one in its right: outer, inner
EYES = ((33, 133), (263, 362))
# where the mesh has the lid contour that comes first in the iris network's result, in its order
LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
        (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398))
PUPILS = (468, 473)  # iris centres: eye in the picture's left, in its right


class FaceFinder:
    """Finds faces and their landmarks.

    Points 0-467 are FaceMesh's; 468-472 the iris of the eye in the picture's left, its centre first, and
    473-477 that of the other eye.

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
        along = F.normalize(flat[:, 263] - flat[:, 33], dim=-1)
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
        return moved(points.reshape(len(squares), 468, 3), squares), presence.reshape(-1).sigmoid()

    def _with_irises(self, pictures: Tensor, points: Tensor) -> Tensor:
        fixed, size = points.detach(), self.iris.size
        maps = []
        for (outer, inner), other in zip(EYES, (False, True), strict=True):
            a, b = fixed[:, outer, :2], fixed[:, inner, :2]
            width = (b - a).norm(dim=-1) * AROUND_EYE
            square = turned_square((a + b) / 2, a - b if other else b - a, width, size=size)
            maps.append(mirrored(square, size=size) if other else square)
        contours, irises = self.iris(torch.cat([crop(pictures, m, size) for m in maps]))
        lids = moved(contours.reshape(-1, 71, 3)[:, :16, :2], torch.cat(maps)).chunk(2)
        centres = moved(irises.reshape(-1, 5, 3)[..., :2], torch.cat(maps)).chunk(2)
        flat, depth = points[..., :2].clone(), points[..., 2:]
        extra = []
        for where, lid, centre, corners in zip(LIDS, lids, centres, EYES, strict=True):
            flat[:, list(where)] = lid
            middle = depth[:, list(corners)].mean(1, keepdim=True).expand(-1, 5, -1)
            extra.append(torch.cat([centre, middle], -1))
        return torch.cat([torch.cat([flat, depth], -1), *extra], 1)
