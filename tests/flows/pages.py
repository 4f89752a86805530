"""What tests read from the page of a run."""

import base64
import io
import re
from pathlib import Path

import numpy as np
from PIL import Image
from prefect.client.orchestration import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterKey
from prefect.client.schemas.sorting import ArtifactSort

from facenn.images import write_pixels

GREY, RED = (128, 128, 128), (255, 0, 0)


def paint(path: Path, colour: tuple[int, int, int]) -> None:
    write_pixels(path, np.full((8, 8, 3), colour, np.uint8))


def pictures(markdown: str) -> list[Image.Image]:
    """The pictures inside a markdown text."""
    encoded = re.findall(r"\(data:image/jpeg;base64,([^)]+)\)", markdown)
    return [Image.open(io.BytesIO(base64.b64decode(text))) for text in encoded]


def newest_artifact(key: str) -> str:
    """The text of the newest artifact of a key."""
    with get_client(sync_client=True) as client:  # Artifact.get leaves its connection open
        found = client.read_artifacts(artifact_filter=ArtifactFilter(key=ArtifactFilterKey(any_=[key])),
                                      sort=ArtifactSort.CREATED_DESC, limit=1)
    return str(found[0].data)
