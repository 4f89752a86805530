import torch

from facenn.perception.cells import CELLS, cells_inside, coarse


def test_cells_inside_cover_a_square_to_the_cell() -> None:
    corners = torch.tensor([[[64.0, 128.0], [192.0, 128.0], [192.0, 256.0], [64.0, 256.0]]])
    cells = cells_inside(corners)[0]
    expected = torch.zeros(CELLS, CELLS)
    expected[8:16, 4:12] = 1
    assert torch.equal(cells, expected)


def test_coarse_colours_are_means() -> None:
    picture = torch.zeros(1, 3, 2 * CELLS, 2 * CELLS)
    picture[0, 1, 0, 0] = 1
    assert coarse(picture)[0, :, 0, 0].tolist() == [0, 0.25, 0] and coarse(picture).sum() == 0.25
