import numpy as np
import torch

from facenn.steps.sheets import FACES, SIDE, side_by_side, slide


def grey(pixels: np.ndarray, x: int, y: int) -> int:
    return int(pixels[y, x, 0])


def test_side_by_side_shows_engine_imitator_and_difference() -> None:
    engine, drawn = torch.full((1, 3, 64, 64), 0.8), torch.full((1, 3, 64, 64), 0.7)
    sheet = side_by_side(engine, drawn)
    gap = 4
    middles = [gap + i * (64 + gap) + 32 for i in range(3)]
    assert [grey(sheet, x, gap + 32) for x in middles] == [204, 178, 102]


def test_slide_takes_the_first_faces_of_a_sample_apart_and_shrinks_them() -> None:
    shades = torch.tensor([0.2, 0.4, 0.6, 0.8])
    faces = shades[:, None, None, None].expand(4, 3, 512, 512)
    sample = torch.cat([torch.cat(list(faces), 2), torch.cat(list(faces), 2)], 1)
    sheet = slide(sample)
    gap = SIDE // 32
    row = (sheet.shape[0] - gap) // FACES
    assert sheet.shape[1] == 3 * (SIDE + gap) + gap
    assert [grey(sheet, gap + SIDE // 2, gap + i * row + SIDE // 2) for i in range(FACES)] == [51, 102, 153]
    assert [grey(sheet, 3 * gap + SIDE * 2 + SIDE // 2, gap + i * row + SIDE // 2) for i in range(FACES)] == [0, 0, 0]
