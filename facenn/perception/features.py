"""What is seen of a face as vectors, the same for photos and drawn pictures: what a Translator reads."""

from dataclasses import dataclass

import numpy as np

from facenn.arrays import Floats
from facenn.networks.cropping import procrustes
from facenn.networks.facemesh import MESH, OUTER_EYE_CORNERS
from facenn.perception.observation import Observation
from facenn.perception.skin import SkinSpots

VIEW = 2  # of the recognition networks: the one that crops faces as they were made for
YEARS = 10.0  # unit of age


@dataclass(frozen=True)
class FeatureReader:
    """Turns observations into features.

    Attributes:
        reference: (478, 2) landmarks of a character's neutral face, as parts of the picture's side.
        spots: of the skin that were looked at, which are tied to the same landmarks.
    """

    reference: Floats
    spots: SkinSpots

    @classmethod
    def of(cls, reference: Floats) -> "FeatureReader":
        """The reader for faces whose skin was looked at with the spots of a neutral face."""
        return cls(reference, SkinSpots(reference))

    def read(self, seen: Observation, traits: Floats) -> dict[str, Floats]:
        """(B, F) of each kind of features.

        ``points`` are the mesh, without where it is, how large and how turned, in distances between the eyes; ``tones``
        the colours of patches of skin, ``relief`` its finer light and dark; the others are what they are in an
        ``Observation``. ``traits`` are decades, and how much more probable a man is than a woman, -1 to 1.

        Args:
            seen: in B pictures. The irises of photos are without what is mirrored in them, see
                ``facenn.perception.irises.cleared``.
            traits: (B, 2) years, and the logit of a man against a woman.
        """
        mesh = self.reference[:MESH]
        left, right = OUTER_EYE_CORNERS
        points = procrustes(seen.points[:, :MESH], mesh) / np.linalg.norm(mesh[right] - mesh[left])
        kinds = {"embedding": seen.embedding, "points": points, "tones": self.spots.tones(seen.skin),
                 "relief": self.spots.relief(seen.skin), "iris": seen.iris, "cover": seen.cover, "hair": seen.hair,
                 "traits": np.stack([traits[:, 0] / YEARS, np.tanh(traits[:, 1] / 2)], 1)}
        return {kind: values.reshape(len(seen), -1).astype(np.float32) for kind, values in kinds.items()}
