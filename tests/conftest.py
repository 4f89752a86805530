"""What several test files share: the repository's data, engines, and a toy Imitator whose pictures show no face."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facenn.engine import renderer
from facenn.engine.characters import character
from facenn.engine.head.asset import Head, Part
from facenn.engine.renderer import Engine
from facenn.engine.skin.maps import SkinMaps
from facenn.networks.checkpoints import save_imitator
from facenn.networks.dcgan import Dcgan
from facenn.networks.frozen import Frozen, load_frozen
from facenn.networks.imitator import Imitator
from facenn.networks.landmarks import FaceFinder
from facenn.schema import ParameterSchema
from facenn.tracking import local_store

ROOT = Path(__file__).resolve().parents[1]
PRETRAINED = ROOT / "data" / "pretrained"


@pytest.fixture(scope="session")
def frozen() -> Frozen:
    return load_frozen(PRETRAINED)


@pytest.fixture(scope="session")
def finder(frozen: Frozen) -> FaceFinder:
    return frozen.finder


@pytest.fixture(scope="session")
def tracking_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One store for all tests: making its database takes seconds."""
    return tmp_path_factory.mktemp("tracking")


@pytest.fixture(scope="session")
def tracking(tracking_folder: Path) -> str:
    """The tracking URI of that store."""
    return local_store(tracking_folder)


@pytest.fixture(scope="session")
def london() -> Path:
    folder = ROOT.parent / "shared" / "data" / "london"
    if not folder.is_dir():
        pytest.skip("the London photos are not present")
    return folder


@pytest.fixture(scope="session")
def portrait() -> ParameterSchema:
    return character("portrait").schema


@pytest.fixture(scope="session")
def astronaut() -> Tensor:
    """(3, 512, 512) a public-domain photo with one face."""
    from skimage.data import astronaut as photo

    from facenn.images import to_tensor

    return to_tensor(np.asarray(photo()))


@pytest.fixture(scope="session")
def face_points(frozen: Frozen, astronaut: Tensor) -> Tensor:
    """(478, 3) landmarks of the astronaut."""
    square = frozen.finder.settle(astronaut, frozen.finder.detect(astronaut)[:1])
    return frozen.finder.landmarks(astronaut[None], square)[0][0].detach()


@pytest.fixture(scope="session")
def toy_imitator(portrait: ParameterSchema, face_points: Tensor) -> Imitator:
    """An untrained Imitator of 64 pixels, framed as the astronaut's photo."""
    imitator = Dcgan(portrait.size, resolution=64, generator=torch.Generator().manual_seed(3))
    imitator.frame.copy_(face_points[:, :2])
    # statistics of a real batch, or the untrained network would draw every face alike
    for module in imitator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = 1.0
    samples = np.stack([portrait.sample(np.random.default_rng(i)) for i in range(32)])
    with torch.no_grad():
        imitator.train()(torch.from_numpy(samples))
    return imitator.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def toy_model(toy_imitator: Imitator, portrait: ParameterSchema, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same Imitator as a file."""
    path = tmp_path_factory.mktemp("model") / "imitator.safetensors"
    save_imitator(path, toy_imitator, portrait)
    return path


@pytest.fixture(scope="session")
def head() -> Head:
    return Head()


@pytest.fixture(scope="session")
def skin(head: Head) -> Part:
    return head.part("body")


@pytest.fixture(scope="session")
def maps(head: Head, skin: Part) -> SkinMaps:
    return SkinMaps(head, skin)


@pytest.fixture(scope="session")
def make_engine(maps: SkinMaps) -> Callable[[str, int], Engine]:
    """Engines of a character and a side; painted maps and hair are the same for all of them, and slow to make."""
    scenes: dict[str, renderer.Scene] = {}

    def make(name: str, side: int) -> Engine:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(renderer, "SkinMaps", lambda head, skin: maps)
            made = Engine(name, side=side)
        made._scenes = scenes
        return made

    return make


@pytest.fixture(scope="session")
def engine(make_engine: Callable[[str, int], Engine]) -> Engine:
    return make_engine("portrait", renderer.SIDE)


@pytest.fixture(scope="session")
def small_engine(make_engine: Callable[[str, int], Engine]) -> Engine:
    """The portrait at a quarter of the pixels."""
    return make_engine("portrait", 256)


@pytest.fixture(scope="session")
def classic(make_engine: Callable[[str, int], Engine]) -> Engine:
    return make_engine("classic", renderer.SIDE)
