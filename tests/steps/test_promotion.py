from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from facenn.arrays import Rows
from facenn.exchange.renders import RendersFolder, image_file, write_table
from facenn.images import to_pixels, write_pixels
from facenn.networks.checkpoints import save_imitator
from facenn.networks.dcgan import Dcgan
from facenn.networks.imitator import Imitator
from facenn.schema import ParameterSchema, Slider
from facenn.steps.project import Project
from facenn.steps.promotion import Contest, challenge
from facenn.steps.record import SEEN_FILE, write_seen
from facenn.steps.registry import model_name
from facenn.tracking import mark, registered, training_run

LEARNED, ROWS = np.arange(6), np.arange(6, 10)  # what is learned from, and what is held out


def toy_schema(character: str, version: int = 1) -> ParameterSchema:
    return ParameterSchema(character, version, (Slider("nose", "face", "Nose"), Slider("chin", "face", "Chin")))


def imitator(seed: int, resolution: int = 32) -> Imitator:
    return Dcgan(2, resolution=resolution, generator=torch.Generator().manual_seed(seed)).eval()


GOOD, BAD = imitator(1), imitator(2)


class Game:
    """A character whose engine draws as GOOD does, its renders, and its registered Imitators."""

    def __init__(self, character: str, folder: Path, tracking: str) -> None:
        self.schema, self.path = toy_schema(character), folder
        self.project = Project(folder / "pretrained", folder / "state", tracking)
        vectors = np.random.default_rng(0).random((10, 2), np.float32)
        names = [f"{i}" for i in range(10)]
        with torch.no_grad():
            pictures = F.interpolate(GOOD(torch.from_numpy(vectors)), (64, 64), mode="bilinear")
        for name, picture in zip(names, pictures, strict=True):
            write_pixels(image_file(folder, name, suffix=".png"), to_pixels(picture))
        write_table(folder, self.schema, names, vectors)
        self.renders = RendersFolder.open(folder)

    def register(self, network: Imitator, *, schema: ParameterSchema | None = None,
                 learned: Rows = LEARNED) -> tuple[str, str]:
        """The version and the run of a new candidate."""
        save_imitator(self.path / "imitator.safetensors", network, schema or self.schema)
        write_seen(self.path / SEEN_FILE, self.renders, learned)
        with training_run(self.project.tracking, "imitator", {}) as run:
            version = run.register(self.path / "imitator.safetensors", name=model_name(self.schema.character),
                                   beside=[self.path / SEEN_FILE])
        return version, run.run_id

    def crown(self, version: str) -> None:
        known = registered(self.project.tracking, model_name(self.schema.character))
        mark(self.project.tracking, known[int(version) - 1], {}, alias="champion")

    def ship(self, network: Imitator, *, schema: ParameterSchema | None = None) -> None:
        save_imitator(self.project.pretrained / f"imitator-{self.schema.character}.safetensors", network,
                      schema or self.schema)

    def challenge(self, network: Imitator, entered: tuple[str, str], *, promote: bool = True) -> Contest:
        version, run_id = entered
        return challenge(network, self.renders, ROWS, version=version, run_id=run_id, project=self.project,
                         promote=promote)

    def champion(self) -> str | None:
        known = registered(self.project.tracking, model_name(self.schema.character))
        return next((m.version for m in known if "champion" in m.aliases), None)


@pytest.fixture
def game(tracking: str, tmp_path: Path) -> Game:
    return Game(tmp_path.name, tmp_path, tracking)  # a character of its own, so nobody else's models


def test_better_imitator_takes_the_place_of_the_champion(game: Game) -> None:
    game.crown(game.register(BAD)[0])
    contest = game.challenge(GOOD, game.register(GOOD))
    assert contest.promoted
    assert contest.champion == f"{model_name(game.schema.character)}-1"
    assert contest.l1 is not None and contest.challenger_l1 is not None
    assert contest.challenger_l1 < contest.l1
    assert contest.faces == len(ROWS)
    assert f"{contest.l1:.4f} on 4 renders" in contest.verdict
    assert game.champion() == "2"
    stored: Any = registered_tags(game, "2")
    assert stored == {"champion_before": contest.champion, "verdict": contest.verdict}


def test_worse_imitator_leaves_the_champion_where_it_is(game: Game) -> None:
    game.crown(game.register(GOOD)[0])
    contest = game.challenge(BAD, game.register(BAD))
    assert not contest.promoted
    assert "-1 stays: L1" in contest.verdict and contest.verdict.endswith("% worse")
    assert game.champion() == "1"


def test_equal_imitator_leaves_the_champion_where_it_is(game: Game) -> None:
    game.crown(game.register(GOOD)[0])
    contest = game.challenge(GOOD, game.register(GOOD))
    assert contest.l1 == contest.challenger_l1
    assert game.champion() == "1"


def test_champion_that_is_evaluated_again_stays_champion(game: Game) -> None:
    entered = game.register(GOOD)
    game.crown(entered[0])
    assert game.challenge(GOOD, entered).verdict.endswith("-1 is the champion already")
    assert game.champion() == "1"


def test_first_imitator_of_a_character_becomes_champion(game: Game) -> None:
    contest = game.challenge(BAD, game.register(BAD))
    assert (contest.promoted, contest.champion, contest.l1) == (True, None, None)
    assert game.champion() == "1"


def test_shipped_imitator_is_the_champion_until_a_better_one_is_registered(game: Game) -> None:
    game.ship(GOOD)
    contest = game.challenge(BAD, game.register(BAD))
    assert (contest.promoted, contest.champion) == (False, f"imitator-{game.schema.character}.safetensors")
    game.ship(BAD)
    assert game.challenge(GOOD, game.register(GOOD)).promoted
    assert game.champion() == "2"


def test_champion_is_judged_on_renders_that_it_has_not_learned_from(game: Game) -> None:
    game.crown(game.register(BAD, learned=np.arange(1, 8))[0])
    contest = game.challenge(GOOD, game.register(GOOD))
    assert (contest.promoted, contest.faces) == (True, 2)


def test_champion_that_learned_from_all_that_is_held_out_cannot_be_compared(game: Game) -> None:
    game.crown(game.register(BAD, learned=ROWS)[0])
    contest = game.challenge(GOOD, game.register(GOOD))
    assert not contest.promoted
    assert "cannot be compared fairly" in contest.verdict
    assert game.champion() == "1"


@pytest.mark.parametrize(("champions", "promoted"), [(1, True), (3, False)])
def test_newer_schema_takes_the_place_of_an_older_one(game: Game, champions: int, promoted: bool) -> None:
    game.schema = replace(game.schema, version=2)
    game.schema.save(game.path / "schema.json")
    game.renders = RendersFolder.open(game.path)
    game.crown(game.register(GOOD, schema=replace(game.schema, version=champions))[0])
    contest = game.challenge(BAD, game.register(BAD))
    assert contest.promoted == promoted
    assert f"got version {champions}" in contest.verdict
    assert game.champion() == ("2" if promoted else "1")


def test_imitators_of_two_resolutions_are_compared_at_the_larger_one(game: Game) -> None:
    large = imitator(3, resolution=64)
    game.crown(game.register(large)[0])
    assert game.challenge(GOOD, game.register(GOOD)).promoted
    contest = game.challenge(large, game.register(large))
    assert not contest.promoted and contest.l1 is not None and contest.l1 < 0.01


@pytest.mark.parametrize(("entered", "promote", "reason"), [
    (lambda own: own, False, "evaluate.promote is off"),
    (lambda own: (own[0], "another run"), True, "its version is not in this registry"),
    (lambda own: ("7", own[1]), True, "its version is not in this registry"),
], ids=["off", "run", "version"])
def test_nothing_changes_without_leave_or_without_a_version(
    game: Game, entered: Callable[[tuple[str, str]], tuple[str, str]], promote: bool, reason: str
) -> None:
    own = game.register(GOOD)
    game.ship(BAD)
    contest = game.challenge(GOOD, entered(own), promote=promote)
    assert not contest.promoted
    assert "better than the champion" in contest.verdict and reason in contest.verdict
    assert game.champion() is None


def registered_tags(game: Game, version: str) -> Any:
    from mlflow import MlflowClient

    store = MlflowClient(tracking_uri=game.project.tracking, registry_uri=game.project.tracking)
    return store.get_model_version(model_name(game.schema.character), version).tags
