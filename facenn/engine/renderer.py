"""Draws one face: parameters -> 512x512 picture and exact label map."""

from copy import copy
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from facenn.arrays import Floats
from facenn.engine.camera import FRAME, STUDIO, Camera, Conditions, TurnedBack, camera, lights, studio_wall, turned
from facenn.engine.characters import Look, character
from facenn.engine.hair.growth import grow
from facenn.engine.hair.strands import lash_texture, strand_texture
from facenn.engine.hair.styles import HAIR_STYLES
from facenn.engine.head.asset import EYEBALLS, LASHES, MOUTH, Head, Part, below_collar, eyeball, fit_sphere
from facenn.engine.head.mesh import Points, surroundings, triangle_normals, weighted_sums
from facenn.engine.kernels import raster, resolve
from facenn.engine.kernels.tables import Hits, Lights, Mesh, Output, Palette, Textures
from facenn.engine.layout import Attribute, Material, Strength
from facenn.engine.skin.canvas import on_canvas
from facenn.engine.skin.maps import SkinMaps

SIDE = 512  # pixels of a picture, unless told otherwise
SHADOW_SIDE = 384
HOLLOW_SHADE = np.float32(14.0)  # loss of light per decimetre that a point lies below its surroundings
EYE_BEHIND = np.array([0, 0, 0.06], np.float32)  # decimetres: a ball that pierces its lid by less is hidden by it
COLLAR_OFFSET = np.float32(0.035)  # decimetres by which the shirt stands off the skin


@dataclass(frozen=True)
class Render:
    """One drawn face.

    Attributes:
        picture: (S, S, 3) uint8 sRGB.
        labels: (S, S) uint8, indices into ``facenn.engine.layout.LABELS``.
    """

    picture: NDArray[np.uint8]
    labels: NDArray[np.uint8]


@dataclass(frozen=True)
class Piece:
    """Render vertices that come from one linear map of the head's vertices."""

    positions_of: sp.csr_matrix
    triangles: NDArray[np.int32]
    material: int
    uv: Floats
    occlusion: Floats
    front: Floats  # (R, 2) place on the face canvas
    skin_position: NDArray[np.integer] | None = None  # where a vertex takes its normal from
    offset: Floats | None = None
    normals: Floats | None = None
    root_height: Floats | None = None  # (T,) degrees of hair above the hairline


@dataclass(frozen=True)
class Scene:
    """Everything of one hair style that the sliders do not change. Eyeballs come last."""

    pieces: tuple[Piece, ...]
    starts: tuple[int, ...]
    positions_of: sp.csr_matrix
    uv: Floats
    occlusion: Floats
    front: Floats
    vertex_material: NDArray[np.int32]
    triangles: NDArray[np.int32]
    triangle_material: NDArray[np.int32]
    root_height: Floats  # (T,) degrees above the hairline; infinite for what is no hair


class Stage(NamedTuple):
    """One face that is ready to be photographed: everything that decides a picture.

    Attributes:
        scene: of its hair style.
        weights: (len(head.names),) of the head's displacements.
        vertices: (V, 3) of the head, upright.
        positions: (N, 3) of the vertices, decimetres.
        normals: (N, 3).
        occlusion: (N,) share of the sky that is open.
        screen: (N, 3) vertices on the square of samples, and their depth.
        mesh: what may be seen.
        textures: of the mesh.
        look: how the head is coloured.
        lamps: of the picture.
        view: its camera.
        background: (S, S, 3) sRGB behind the head.
        turn: undoes the turn of the head for gradients.
    """

    scene: Scene
    weights: Floats
    vertices: Floats
    positions: Floats
    normals: Floats
    occlusion: Floats
    screen: Floats
    mesh: Mesh
    textures: Textures
    look: Look
    lamps: Lights
    view: Camera
    background: NDArray[np.uint8]
    turn: TurnedBack


class Engine:
    """The embedded engine of one character. Not for several threads at once: it reuses its buffers.

    Example:
        >>> engine = Engine("classic", side=64)
        >>> render = engine.draw(engine.schema.neutral())
        >>> render.picture.shape, render.labels.shape
        ((64, 64, 3), (64, 64))

    Args:
        name: character, see ``facenn.engine.characters``.
        side: of the pictures in pixels.

    Raises:
        ConfigError: no such character.
    """

    def __init__(self, name: str, *, side: int = SIDE) -> None:
        chosen = character(name)
        self.schema, self.look_of = chosen.schema, chosen.look
        self.head = Head()
        self.skin = self.head.part("body")
        self.skin_positions = self.skin.positions_of.astype(np.float32)
        self.skin_normals = self.skin.normals_of.astype(np.float32)
        self.around = surroundings(self.skin.positions_of.shape[0], self.skin.position_triangles)
        self._maps = SkinMaps(self.head, self.skin)
        self.shape_columns = [self.head.names.index(s.name) for s in self.schema.sliders
                               if s.name in self.head.names]
        self.from_vector = [i for i, s in enumerate(self.schema.sliders) if s.name in self.head.names]
        self.two_sided = np.array([self.schema.sliders[i].two_sided for i in self.from_vector])
        self._strands, self._lashes = strand_texture(np.random.default_rng(3)), lash_texture(np.random.default_rng(1))
        self.eyeball, self._eyeball_triangles = eyeball()
        self.eye_vertices = [self.head.vertices_of(group) for group in EYEBALLS]
        self.colouring = self._colouring()
        self._fixed = self._fixed_pieces()
        self._scenes: dict[str, Scene] = {}
        self._set_up(side)

    def _set_up(self, side: int) -> None:
        """Buffers for pictures of a size."""
        self.side = side
        samples = (2 * side, 2 * side)
        self.hits = Hits(np.empty(samples, np.int32), *np.empty((2, *samples), np.float32))
        self._depth = np.empty(samples, np.float32)
        self._wall = studio_wall(side)

    def twin(self, *, side: int | None = None) -> "Engine":
        """The same engine for another thread or another size of pictures: with buffers of its own, all else shared.

        Args:
            side: of its pictures in pixels; None takes this one's.
        """
        other = copy(self)
        other._set_up(self.side if side is None else side)
        return other

    def draw(self, vector: Floats, conditions: Conditions = STUDIO) -> Render:
        """Draw one face.

        Example:
            >>> engine = Engine("classic", side=64)
            >>> neutral = engine.schema.neutral()
            >>> straight, turned = engine.draw(neutral), engine.draw(neutral, Conditions(yaw=20))
            >>> bool((straight.labels != turned.labels).any())
            True

        Args:
            vector: (schema.size,) float32 parameters in [0, 1]; values are projected to what is valid.
            conditions: pose, expression, light, background and distance; no part of the character.

        Raises:
            SchemaError: a vector of another length, or with a value that is not a number.
        """
        return self.photograph(self.stage(vector, conditions))

    def stage(self, vector: Floats, conditions: Conditions = STUDIO) -> Stage:
        """Everything of a picture but what its samples see; see ``draw``."""
        vector = self.schema.project(vector)
        look = self.look(vector)
        scene = self._scene(look.hair_style)
        weights = self._shape_weights(vector)
        for name, share in conditions.expression:
            weights[self.head.names.index(f"expression.{name}")] = share
        vertices = self.head.shape(weights).astype(np.float32)
        positions, normals, occlusion = self._geometry(vertices, scene)
        turn = turned(positions, normals, conditions)
        return self._lit(scene, weights, vertices, positions, normals, occlusion, look, conditions, turn)

    def photograph(self, stage: Stage) -> Render:
        """Draw what is on the stage; ``hits`` says afterwards what each sample saw."""
        f4 = np.float32
        raster.visibility(stage.screen, stage.mesh, stage.textures, stage.look.strengths[Strength.LASHES], self.hits,
                          self._depth)
        output = Output(stage.background, np.empty((self.side, self.side, 3), np.uint8),
                        np.empty((self.side, self.side), np.uint8))
        resolve.resolve(self.hits, stage.mesh, stage.textures, Palette(stage.look.colours, stage.look.strengths),
                        stage.lamps, f4(stage.view.half_tangent), f4(FRAME / self.side), resolve.TONE_CURVE,
                        resolve.LABELS_OF_MATERIALS, output)
        return Render(output.picture, output.labels)

    def brow_map(self, style: str) -> NDArray[np.uint8]:
        """The map of a style of eyebrows."""
        return self._maps.brows(style)

    def look(self, vector: Floats) -> Look:
        """How parameters (P,) colour the head."""
        return self.look_of(self.schema.to_named(vector))

    def _colouring(self) -> list[int]:
        """Numbers of the sliders on which the look depends, as it does at the neutral parameters and their ends."""
        neutral, found = self.schema.neutral(), []
        for k in range(len(self.schema.sliders)):
            ends = np.repeat(neutral[None], 2, 0)
            ends[:, k] = 0, 1
            low, high = (self.look(end) for end in ends)
            if not (np.array_equal(low.colours, high.colours) and np.array_equal(low.strengths, high.strengths)):
                found.append(k)
        return found

    def _shape_weights(self, vector: Floats) -> Floats:
        weights = np.zeros(len(self.head.names), np.float32)
        values = vector[self.from_vector]
        weights[self.shape_columns] = np.where(self.two_sided, 2 * values - 1, values)
        return weights

    def _fixed_pieces(self) -> list[Piece]:
        head, skin = self.head, self.skin
        rest = skin.positions_of @ head.base
        front = on_canvas(rest)[skin.position]
        pieces = [Piece(skin.positions_of[skin.position], skin.triangles[head.seen], Material.SKIN, skin.uv,
                         head.occlusion[skin.position], front, skin_position=skin.position)]
        for group in LASHES:
            part = head.part(group)
            upper = group.endswith("2")
            pieces.append(self._piece(part, Material.LASH, self._lash_uv(part, rest, upper=upper), 1.0))
        for group in MOUTH:
            part = head.part(group)
            pieces.append(self._piece(part, Material.MOUTH, part.uv, 0.55))
        depth = below_collar(rest)
        shirt = skin.triangles[(depth[skin.position_triangles] > -0.02).any(1)]
        distance = depth[skin.position].astype(np.float32)
        pieces.append(Piece(skin.positions_of[skin.position], shirt, Material.CLOTH,
                             np.stack([distance, np.zeros_like(distance)], 1), head.occlusion[skin.position],
                             front, skin_position=skin.position))
        return pieces

    @staticmethod
    def _piece(part: Part, material: int, uv: Floats, openness: float) -> Piece:
        """A small part whose normals all look forward."""
        count = len(part.position)
        return Piece(part.positions_of[part.position], part.triangles, material, uv,
                      np.full(count, openness, np.float32), np.zeros((count, 2), np.float32),
                      normals=np.tile(np.array([0, 0.1, 1], np.float32), (count, 1)))

    def _lash_uv(self, part: Part, skin: Points, *, upper: bool) -> Floats:
        """Texture coordinates: u along the lid, v by the distance from the skin."""
        positions = part.positions_of @ self.head.base
        away = np.clip((cKDTree(skin).query(positions)[0] - 0.004) / 0.05, 0, 1)[part.position]
        along = np.clip((np.abs(positions[part.position, 0]) - 0.15) / 0.40, 0, 0.99)
        uv = np.stack([along * 0.48 + (0 if upper else 0.51), 1 - away], 1)
        return uv.astype(np.float32)

    def _scene(self, hair_style: str) -> Scene:
        """The scene of a hair style, built on first use."""
        if hair_style not in self._scenes:
            pieces = list(self._fixed)
            style = HAIR_STYLES[hair_style]
            if style is not None:
                on_skin = np.zeros((self.skin.positions_of.shape[0], 2), np.float32)
                on_skin[self.skin.position] = self.skin.uv
                ears = self._maps.mask_at("ears", on_skin)
                cards = grow(self.head, self.skin, ears, style, np.random.default_rng(11))
                pieces.append(Piece(cards.positions_of, cards.triangles, Material.HAIR, cards.uv, cards.occlusion,
                                     np.zeros_like(cards.uv), offset=cards.offset, normals=cards.normals,
                                     root_height=cards.root_height))
            self._scenes[hair_style] = self._assemble(pieces)
        return self._scenes[hair_style]

    def _assemble(self, pieces: list[Piece]) -> Scene:
        sizes = [len(p.uv) for p in pieces] + [len(self.eyeball)] * 2
        starts = np.concatenate([[0], np.cumsum(sizes)])
        all_triangles = [p.triangles for p in pieces] + [self._eyeball_triangles] * 2
        shifted = [t + s for t, s in zip(all_triangles, starts, strict=False)]
        materials = [p.material for p in pieces] + [Material.EYE, Material.EYE]
        heights = [np.full(len(t), np.inf, np.float32) for t in all_triangles]
        for k, piece in enumerate(pieces):
            if piece.root_height is not None:
                heights[k] = piece.root_height
        # u tells on which side of the nose an eye lies; v and the place on the canvas hold its own frame
        eyes = np.concatenate([np.stack([np.full(len(self.eyeball), side), self.eyeball[:, 2]], 1)
                               for side in (1, -1)]).astype(np.float32)
        open_eyes = np.ones(len(eyes), np.float32)
        return Scene(
            pieces=tuple(pieces),
            starts=tuple(int(s) for s in starts),
            positions_of=sp.vstack([p.positions_of for p in pieces]).tocsr().astype(np.float32),
            uv=np.concatenate([*(p.uv for p in pieces), eyes]),
            occlusion=np.concatenate([*(p.occlusion for p in pieces), open_eyes]),
            front=np.concatenate([*(p.front for p in pieces), *[self.eyeball[:, :2]] * 2]),
            vertex_material=np.repeat(np.array(materials, np.int32), sizes),
            triangles=np.concatenate(shifted).astype(np.int32),
            triangle_material=np.repeat(np.array(materials, np.int32), [len(t) for t in all_triangles]),
            root_height=np.concatenate(heights),
        )

    def _geometry(self, vertices: Points, scene: Scene) -> tuple[Floats, Floats, Floats]:
        """Positions, normals and openness of all render vertices."""
        count = len(scene.uv)
        positions, normals = np.empty((count, 3), np.float32), np.empty((count, 3), np.float32)
        occlusion = scene.occlusion.copy()
        mapped = weighted_sums(scene.positions_of, vertices)
        positions[: len(mapped)] = mapped
        surface = weighted_sums(self.skin_positions, vertices)
        face_normals = triangle_normals(surface, self.skin.position_triangles)
        skin_normals = weighted_sums(self.skin_normals, face_normals)
        skin_normals /= np.sqrt((skin_normals**2).sum(1, keepdims=True)) + np.float32(1e-12)
        hollow = ((weighted_sums(self.around, surface) - surface) * skin_normals).sum(1)
        for piece, start in zip(scene.pieces, scene.starts, strict=False):
            where = slice(start, start + len(piece.uv))
            if piece.skin_position is not None:
                normals[where] = skin_normals[piece.skin_position]
                if piece.material == Material.CLOTH:
                    positions[where] += normals[where] * COLLAR_OFFSET
                else:
                    occlusion[where] *= np.clip(1 - HOLLOW_SHADE * hollow[piece.skin_position], 0.35, 1.15)
            else:
                normals[where] = piece.normals
            if piece.offset is not None:
                positions[where] += piece.offset
        for eye, start in zip(self.eye_vertices, scene.starts[-3:-1], strict=True):
            where = slice(start, start + len(self.eyeball))
            centre, radius = fit_sphere(vertices[eye])
            positions[where] = centre + radius * self.eyeball
            normals[where] = self.eyeball
        return positions, normals, occlusion

    def _lit(self, scene: Scene, weights: Floats, vertices: Floats, positions: Floats, normals: Floats,
             occlusion: Floats, look: Look, conditions: Conditions, turn: TurnedBack) -> Stage:
        f4 = np.float32
        lamps = lights(conditions)
        view = camera(conditions, lamps)
        shown = scene.root_height >= look.strengths[Strength.HAIRLINE]
        triangles, material = scene.triangles[shown], scene.triangle_material[shown]
        screen, shadow_screen = np.empty_like(positions), np.empty_like(positions)
        raster.project(positions, view.view, f4(2 * self.side), screen)
        eyes = slice(scene.starts[-3], None)
        behind = np.empty_like(positions[eyes])
        raster.project(positions[eyes] - EYE_BEHIND, view.view, f4(2 * self.side), behind)
        screen[eyes, 2] = behind[:, 2]
        raster.project(positions, view.light, f4(SHADOW_SIDE), shadow_screen)
        shadow = np.full((SHADOW_SIDE, SHADOW_SIDE), raster.FAR, f4)
        raster.depth_map(shadow_screen, triangles, material, shadow)
        attributes = np.empty((len(positions), len(Attribute)), f4)
        attributes[:, Attribute.U:Attribute.V + 1] = scene.uv
        attributes[:, Attribute.FACE_X:Attribute.FACE_Y + 1] = scene.front
        raster.light_vertices(normals, occlusion, scene.vertex_material, shadow_screen, shadow, lamps, attributes)
        textures = Textures(self._maps.texture, self._maps.canvas, self.brow_map(look.brow_style), self._strands,
                            self._lashes)
        return Stage(scene, weights, vertices, positions, normals, occlusion, screen,
                     Mesh(triangles, material, attributes), textures, look, lamps, view, self._background(conditions),
                     turn)

    def _background(self, conditions: Conditions) -> NDArray[np.uint8]:
        if conditions.background is None:
            return self._wall
        colour = np.round(np.array(conditions.background) * 255).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(colour, self._wall.shape))
