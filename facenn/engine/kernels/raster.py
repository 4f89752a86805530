"""Compiled geometry kernels: projection, shadow map, vertex light, visibility buffer. No GL, no display.

numba turns int + float32 into float64, hence the casts of loop indices to f4. No kernel, here or elsewhere, may use
fastmath: what it rounds differs between code just compiled and the same code from the cache.
"""

import math

import numba as nb
import numpy as np

from facenn.arrays import Bytes, Floats, Ints
from facenn.engine.kernels.compiling import kernel
from facenn.engine.kernels.sampling import clamp01
from facenn.engine.kernels.tables import Hits, Lights, Mesh, Textures, f4
from facenn.engine.layout import Attribute, Material

BOUNCE = f4(0.45)  # share of the light that fair skin throws back; vertices know no tone
EDGE = f4(-1e-5)  # tolerance on barycentric coordinates, so that shared edges leave no gap
FAR = f4(9)
SHADOW_BIAS = f4(0.006)
SHADOW_REACH, SHADOW_STEP = 9, 3  # texels of the shadow map over which a shadow's edge is softened
SHADOW_SAMPLES = (2 * SHADOW_REACH // SHADOW_STEP + 1) ** 2
# light at the vertices; triples are of red, green and blue
GROUND, SKY = (f4(0.28), f4(0.26), f4(0.26)), (f4(0.16), f4(0.19), f4(0.22))  # from below, and more from above
SKIN_WRAP, WRAP = (f4(0.22), f4(0.18), f4(0.15)), f4(0.1)  # cosine behind the terminator that lamps still reach
CLOSED, CLOSED_TO_OPEN = f4(0.4), f4(0.6)  # share of a lamp's light that reaches closed places, and what opening adds
SHADOWED = (f4(0.62), f4(0.65), f4(0.67))  # share of the key light that its shadow takes
DIFFUSE = f4(0.46)  # of all lamps

HAIR_ALPHA = (40, 140, 190, 90)  # of 255, for each sample of a pixel: so a strand's edge covers a share of it
LASH_ALPHA = f4(60)  # of 255: below, the sample is see-through
LASH_TIP, LASH_ROOT, LASH_LOSS = f4(0.3), f4(0.9), f4(0.25)  # cover at the tip, more at the root, less for all
LOWER_LASHES, LOWER_FINER = f4(0.5), f4(0.4)  # u from which lashes are lower ones; how much finer these are
LASH_DITHER = (f4(0.5), f4(0.5))  # of LASH_ALPHA, at the first sample of a pixel; and more at each next one

TILE = 16  # samples a side of the squares whose farthest depth tells which hair is hidden
RENEWAL = 1000  # hair triangles after which these depths are looked up again
ROUNDING = f4(1e-5)  # of an interpolated depth, at most


@kernel()
def project(positions: Floats, matrix: Floats, side: f4, out: Floats) -> None:
    """World positions (N, 3) -> pixel x, pixel y, depth (N, 3) on a square of ``side`` pixels."""
    half = f4(0.5)
    for i in range(positions.shape[0]):
        x, y, z = positions[i, 0], positions[i, 1], positions[i, 2]
        inverse = f4(1) / (matrix[3, 0] * x + matrix[3, 1] * y + matrix[3, 2] * z + matrix[3, 3])
        clip_x = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2] * z + matrix[0, 3]
        clip_y = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2] * z + matrix[1, 3]
        clip_z = matrix[2, 0] * x + matrix[2, 1] * y + matrix[2, 2] * z + matrix[2, 3]
        out[i, 0] = (clip_x * inverse * half + half) * side
        out[i, 1] = (half - clip_y * inverse * half) * side
        out[i, 2] = clip_z * inverse


@nb.njit(inline="always")
def _first_centre(a: f4, b: f4, c: f4) -> int:
    return max(math.ceil(min(a, b, c) - f4(0.5)), 0)


@nb.njit(inline="always")
def _last_centre(a: f4, b: f4, c: f4, side: int) -> int:
    return min(math.floor(max(a, b, c) - f4(0.5)), side - 1)


@nb.njit(inline="always")
def _span(u: f4, v: f4, du: f4, dv: f4, count: int) -> tuple[int, int]:
    """First and last of ``count`` steps along a row at which all three barycentric coordinates are inside."""
    low, high = f4(0), f4(count - 1)
    for edge in range(3):
        if edge == 0:
            value, slope = u - EDGE, du
        elif edge == 1:
            value, slope = v - EDGE, dv
        else:
            value, slope = f4(1) - u - v - EDGE, -du - dv
        if slope > f4(0):
            low = max(low, -value / slope)
        elif slope < f4(0):
            high = min(high, -value / slope)
        elif value < f4(0):
            high = f4(-1)
    if high < low:
        return 0, -1
    return math.ceil(low), math.floor(high)


@kernel()
def depth_map(screen: Floats, triangles: Ints, material: Ints, depth: Floats) -> None:
    """Nearest depth per pixel of a (S, S) map; eyes and lashes are left out, they cast no shadow."""
    side = depth.shape[0]
    for t in range(triangles.shape[0]):
        if material[t] == Material.EYE or material[t] == Material.LASH:
            continue
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        x0, y0, x1, y1, x2, y2 = (screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0],
                                  screen[c, 1])
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0:
            continue
        inverse = f4(1) / area
        left, right = _first_centre(x0, x1, x2), _last_centre(x0, x1, x2, side)
        px = f4(left) + f4(0.5)
        du, dv = (y1 - y2) * inverse, (y2 - y0) * inverse
        z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
        for y in range(_first_centre(y0, y1, y2), _last_centre(y0, y1, y2, side) + 1):
            py = f4(y) + f4(0.5)
            u = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * inverse
            v = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * inverse
            first, last = _span(u, v, du, dv, right - left + 1)
            for step in range(first, last + 1):
                us, vs = u + f4(step) * du, v + f4(step) * dv
                z = us * z0 + vs * z1 + (f4(1) - us - vs) * z2
                if z < depth[y, left + step]:
                    depth[y, left + step] = z


@kernel()
def light_vertices(normals: Floats, occlusion: Floats, material: Ints, shadow_screen: Floats, shadow: Floats,
                   lights: Lights, out: Floats) -> None:
    """Fill columns NX to LIT of the attributes: normal, diffuse light, openness, share of the key light.

    The light wraps around the terminator, further in red than in blue: a stand-in for scattering in skin.
    Skin lights its own hollows, as the sum of all bounces does: openness a becomes a / (1 - BOUNCE (1 - a)).

    Args:
        normals: (N, 3).
        occlusion: (N,) share of the sky that is open.
        material: (N,) ``Material`` of each vertex.
        shadow_screen: (N, 3) vertices as the key light sees them.
        shadow: (M, M) depth map of the key light.
        lights: of the picture.
        out: (N, ``Attribute``) result.
    """
    side, directions, colours = shadow.shape[0], lights.directions, lights.colours
    for i in range(normals.shape[0]):
        nx, ny, nz = normals[i, 0], normals[i, 1], normals[i, 2]
        kind, is_open = material[i], occlusion[i]
        column, row, z = int(shadow_screen[i, 0]), int(shadow_screen[i, 1]), shadow_screen[i, 2] - SHADOW_BIAS
        hits = f4(0)
        for dy in range(-SHADOW_REACH, SHADOW_REACH + 1, SHADOW_STEP):
            texels = shadow[min(max(row + dy, 0), side - 1)]
            for dx in range(-SHADOW_REACH, SHADOW_REACH + 1, SHADOW_STEP):
                hits += f4(z <= texels[min(max(column + dx, 0), side - 1)])
        lit = hits / f4(SHADOW_SAMPLES)
        if kind == Material.SKIN and is_open < f4(1):  # what is hidden from the sky still sees lit skin
            is_open = is_open / (f4(1) - BOUNCE * (f4(1) - is_open))
        up = ny * f4(0.5) + f4(0.5)
        red = lights.ambient[0] * (GROUND[0] + SKY[0] * up) * is_open
        green = lights.ambient[1] * (GROUND[1] + SKY[1] * up) * is_open
        blue = lights.ambient[2] * (GROUND[2] + SKY[2] * up) * is_open
        if kind != Material.HAIR:
            wrap0 = SKIN_WRAP[0] if kind == Material.SKIN else WRAP
            wrap1 = SKIN_WRAP[1] if kind == Material.SKIN else WRAP
            wrap2 = SKIN_WRAP[2] if kind == Material.SKIN else WRAP
            for light in range(4):
                facing = nx * directions[light, 0] + ny * directions[light, 1] + nz * directions[light, 2]
                share0 = share1 = share2 = CLOSED + CLOSED_TO_OPEN * is_open
                if light == 0:
                    share0 *= f4(1) + (lit - f4(1)) * SHADOWED[0]
                    share1 *= f4(1) + (lit - f4(1)) * SHADOWED[1]
                    share2 *= f4(1) + (lit - f4(1)) * SHADOWED[2]
                around0, around1, around2 = f4(1) + wrap0, f4(1) + wrap1, f4(1) + wrap2
                red += DIFFUSE * colours[light, 0] * share0 * clamp01((facing + wrap0) / around0) / around0
                green += DIFFUSE * colours[light, 1] * share1 * clamp01((facing + wrap1) / around1) / around1
                blue += DIFFUSE * colours[light, 2] * share2 * clamp01((facing + wrap2) / around2) / around2
        out[i, Attribute.NX], out[i, Attribute.NY], out[i, Attribute.NZ] = nx, ny, nz
        out[i, Attribute.RED], out[i, Attribute.GREEN], out[i, Attribute.BLUE] = red, green, blue
        out[i, Attribute.OPEN], out[i, Attribute.LIT] = is_open, lit


@nb.njit(inline="always")
def _alpha(texture: Bytes, u: f4, v: f4) -> int:
    height, width = texture.shape[0], texture.shape[1]
    row = min(max(int((f4(1) - v) * f4(height)), 0), height - 1)
    column = min(max(int(u * f4(width)), 0), width - 1)
    return int(texture[row, column, 1])


@kernel()
def _farthest(depth: Floats, farthest: Floats) -> None:
    """Largest depth of each tile of a (S, S) map."""
    side = depth.shape[0]
    column = np.empty(side, f4)
    for row in range(farthest.shape[0]):
        column[:] = -FAR
        for y in range(row * TILE, min((row + 1) * TILE, side)):
            for x in range(side):
                column[x] = max(column[x], depth[y, x])
        for tile in range(farthest.shape[1]):
            most = -FAR
            for x in range(tile * TILE, min((tile + 1) * TILE, side)):
                most = max(most, column[x])
            farthest[row, tile] = most


@kernel()
def _is_hidden(nearest: f4, left: int, right: int, top: int, bottom: int, farthest: Floats) -> bool:
    """True when nothing at depth ``nearest`` or behind can be seen inside a box of samples."""
    for row in range(top // TILE, bottom // TILE + 1):
        for column in range(left // TILE, right // TILE + 1):
            if nearest < farthest[row, column]:
                return False
    return True


@kernel()
def visibility(screen: Floats, mesh: Mesh, textures: Textures, lash_strength: f4, hits: Hits, depth: Floats) -> None:
    """Which triangle each sample sees, and where on it.

    Closed parts lose their back faces; cards are cut out by their texture's alpha. Most samples of long hair
    lie behind other hair: triangles that are hidden as a whole are passed over.

    Args:
        screen: (N, 3) projected vertices.
        mesh: to look at.
        textures: of the mesh: of hair cards and of lashes, whose tips need more strength than the roots.
        lash_strength: 0 for none, 1 for long and dense ones.
        hits: result.
        depth: (2 S, 2 S) scratch.
    """
    triangles, material, attributes, triangle = mesh.triangles, mesh.material, mesh.attributes, hits.triangle
    side = triangle.shape[0]
    tiles = (side + TILE - 1) // TILE
    farthest = np.empty((tiles, tiles), f4)
    cards = 0
    triangle[:] = -1
    depth[:] = FAR
    for t in range(triangles.shape[0]):
        a, b, c, kind = triangles[t, 0], triangles[t, 1], triangles[t, 2], material[t]
        x0, y0, x1, y1, x2, y2 = (screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0],
                                  screen[c, 1])
        area = (x1 - x0) * (y2 - y0) - (x2 - x0) * (y1 - y0)
        if area == 0 or (area > 0 and kind in (Material.SKIN, Material.EYE, Material.CLOTH)):
            continue
        inverse = f4(1) / area
        left, right = _first_centre(x0, x1, x2), _last_centre(x0, x1, x2, side)
        top, bottom = _first_centre(y0, y1, y2), _last_centre(y0, y1, y2, side)
        if right < left or bottom < top:
            continue
        z0, z1, z2 = screen[a, 2], screen[b, 2], screen[c, 2]
        if kind == Material.HAIR:
            if cards % RENEWAL == 0:
                _farthest(depth, farthest)
            cards += 1
            if _is_hidden(min(z0, z1, z2) - ROUNDING, left, right, top, bottom, farthest):
                continue
        px = f4(left) + f4(0.5)
        du, dv = (y1 - y2) * inverse, (y2 - y0) * inverse
        for y in range(top, bottom + 1):
            py = f4(y) + f4(0.5)
            u = ((x1 - px) * (y2 - py) - (x2 - px) * (y1 - py)) * inverse
            v = ((x2 - px) * (y0 - py) - (x0 - px) * (y2 - py)) * inverse
            first, last = _span(u, v, du, dv, right - left + 1)
            for step in range(first, last + 1):
                us, vs = u + f4(step) * du, v + f4(step) * dv
                ws = f4(1) - us - vs
                z = us * z0 + vs * z1 + ws * z2
                x = left + step
                if z >= depth[y, x]:
                    continue
                if kind >= Material.CLOTH:
                    tu, tv = (us * attributes[a, Attribute.U] + vs * attributes[b, Attribute.U]
                              + ws * attributes[c, Attribute.U],
                              us * attributes[a, Attribute.V] + vs * attributes[b, Attribute.V]
                              + ws * attributes[c, Attribute.V])
                    if kind == Material.HAIR:
                        if _alpha(textures.strands, tu, tv) < HAIR_ALPHA[2 * (y & 1) + (x & 1)]:
                            continue
                    elif kind == Material.LASH:
                        seen = f4(_alpha(textures.lashes, tu, tv))
                        seen *= lash_strength * (LASH_TIP + LASH_ROOT * tv) - LASH_LOSS
                        if tu > LOWER_LASHES:
                            seen *= LOWER_FINER
                        if seen < LASH_ALPHA * (LASH_DITHER[0] + LASH_DITHER[1] * f4((y & 1) * 2 + (x & 1))):
                            continue
                    elif tu <= 0:  # cloth stores its distance below the collar in u
                        continue
                depth[y, x] = z
                triangle[y, x] = t
                hits.first[y, x] = us
                hits.second[y, x] = vs
