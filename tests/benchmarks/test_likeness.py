import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from benchmarks.likeness import chosen_people, find_people, fit_people, score, table
from facenn.errors import FormatError, MissingFileError, PhotoError
from facenn.steps.fit import FitReport, Fitter, Job, Refusal


def photos(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).write_bytes(b"not opened")
    return folder


def test_find_people_pairs_photos_by_what_stands_before_the_underscore(tmp_path: Path) -> None:
    photos(tmp_path, "02_smiling.jpg", "02_neutral.jpg", "01_b.png", "01_a.png", "03_alone.jpg", "01_points.json",
           "x.jpg")
    (tmp_path / "info.csv").write_text("id,sex,age,ethnicity\n01,female,24,white\n")
    first, second = find_people(tmp_path)
    assert (first.name, first.fitted.name, first.other.name) == ("01", "01_a.png", "01_b.png")
    assert first.group == "female white"
    assert (second.name, second.fitted.name, second.group) == ("02", "02_neutral.jpg", "")


def test_find_people_refuses_a_folder_without_pairs(tmp_path: Path) -> None:
    with pytest.raises(MissingFileError, match="two photos of each person"):
        find_people(photos(tmp_path, "01_a.jpg"))
    with pytest.raises(MissingFileError, match="expected a folder"):
        find_people(tmp_path / "nowhere")


def test_find_people_names_the_columns_that_are_missing(tmp_path: Path) -> None:
    photos(tmp_path, "01_a.jpg", "01_b.jpg")
    (tmp_path / "info.csv").write_text("id,age,ethnicity\n01,24,white\n")
    with pytest.raises(FormatError, match=r"info\.csv: expected columns id, sex and ethnicity, found no sex"):
        find_people(tmp_path)


class FakeFitter:
    """Refuses what it cannot open, as ``Fitter`` does."""

    def fit_many(self, jobs: list[Job], **options: object) -> list[FitReport | Refusal]:
        outcomes: list[FitReport | Refusal] = []
        for job in jobs:
            if not job.photo.is_file():
                outcomes.append(Refusal(job.photo.name, f"{job.photo}: expected a picture, found none"))
                continue
            job.folder.mkdir(parents=True, exist_ok=True)
            (job.folder / "measures.json").write_text(json.dumps({"seconds": 7.0, "pictures_drawn": 9}))
            outcomes.append(FitReport(job.photo.name, job.folder, None, 7.0))
        return outcomes


def test_fit_people_tells_what_a_fit_costs_or_why_there_is_none(tmp_path: Path) -> None:
    people = find_people(photos(tmp_path, "01_a.jpg", "01_b.jpg", "02_a.jpg", "02_b.jpg"))
    fitter = cast(Fitter, FakeFitter())
    assert fit_people(fitter, people, tmp_path / "out") == [{"seconds": 7.0, "pictures_drawn": 9.0}] * 2
    assert (tmp_path / "out" / "01" / "measures.json").is_file()
    people[1].fitted.unlink()
    with pytest.raises(PhotoError, match=r"02_a\.jpg: expected a picture, found none"):
        fit_people(fitter, people, tmp_path / "out")


def test_chosen_people_names_who_is_missing(tmp_path: Path) -> None:
    people = find_people(photos(tmp_path, "01_a.jpg", "01_b.jpg"))
    assert chosen_people(people, "01") == people
    with pytest.raises(MissingFileError, match="09"):
        chosen_people(people, "01,09")


def test_score_knows_ranks_of_a_small_gallery() -> None:
    gallery = np.array([[0.0], [1.0], [2.0], [10.0]])
    found = score(np.array([[0.1], [0.2]]), [0, 1], gallery, ["a", "b", "b", "a"])
    assert found.own == pytest.approx(0.45)
    assert found.others == pytest.approx((0.9 + 1.9 + 9.9 + 0.2 + 1.8 + 9.8) / 6)
    assert found.auc == pytest.approx(11 / 12)
    assert (found.rank_1, found.rank_5, found.group_rank_1, found.group_rank_5) == (0.5, 1.0, 1.0, 1.0)


def test_score_without_groups_says_nothing_about_them() -> None:
    found = score(np.array([[0.1]]), [0], np.array([[0.0], [1.0]]), ["", ""])
    assert found.group_rank_1 is None
    assert "| fit | 1 | 0.100 |" in table({"fit": found}, [{"seconds": 3.0, "pictures_drawn": 5.0}], 2)
