"""MediaPipe's landmarks by name: the 468 points of FaceMesh, then five of each iris.

The only module with bare numbers of points. Left and right are the picture's, so the left eye is the person's right
one; pairs and tables of two sides have the left side first.
"""

MESH = 468  # points of FaceMesh, 0 to 467
LANDMARKS = 478  # with both irises

Points = tuple[int, ...]
Sides = tuple[Points, Points]

# Eyes

LEFT_EYE_OUTER, LEFT_EYE_INNER = 33, 133
RIGHT_EYE_OUTER, RIGHT_EYE_INNER = 263, 362
EYE_CORNERS = ((LEFT_EYE_OUTER, LEFT_EYE_INNER), (RIGHT_EYE_OUTER, RIGHT_EYE_INNER))
OUTER_EYE_CORNERS, INNER_EYE_CORNERS = (LEFT_EYE_OUTER, RIGHT_EYE_OUTER), (LEFT_EYE_INNER, RIGHT_EYE_INNER)

# Between the corners, from the outer one to the inner one.
UPPER_LIDS: Sides = ((246, 161, 160, 159, 158, 157, 173), (466, 388, 387, 386, 385, 384, 398))
LOWER_LIDS: Sides = ((7, 163, 144, 145, 153, 154, 155), (249, 390, 373, 374, 380, 381, 382))
UPPER_LID_MIDDLES, LOWER_LID_MIDDLES = (159, 386), (145, 374)

# The lids in the iris network's order.
LID_CONTOURS: Sides = ((LEFT_EYE_OUTER, *LOWER_LIDS[0], LEFT_EYE_INNER, *UPPER_LIDS[0]),
                       (RIGHT_EYE_OUTER, *LOWER_LIDS[1], RIGHT_EYE_INNER, *UPPER_LIDS[1]))

IRISES: Sides = (tuple(range(468, 473)), tuple(range(473, 478)))  # the centre of each, then four points of its border
PUPILS = (IRISES[0][0], IRISES[1][0])

# Nose, mouth and outline

NOSE_TIP, NOSE_BASE, NOSE_BRIDGE = 1, 2, 168
LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER = 61, 291
MOUTH_CORNERS = (LEFT_MOUTH_CORNER, RIGHT_MOUTH_CORNER)
UPPER_LIP_TOP, UPPER_LIP_BOTTOM, LOWER_LIP_TOP, LOWER_LIP_BOTTOM = 0, 13, 14, 17  # in the middle of the mouth
FOREHEAD, CHIN = 10, 152
TEMPLES = (127, 356)  # the outline at the height of the brows
CHEEK_EDGES = (234, 454)  # the outline at the height of the cheeks
JAW_ANGLES, JAW_EDGES = (172, 397), (136, 365)  # the lower corners of the jaw, and the next points towards the chin

# Outlines, each in order around its part

FACE_OVAL = (FOREHEAD, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, CHIN, 148,
             176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109)
EYE_OUTLINES: Sides = ((LEFT_EYE_OUTER, *UPPER_LIDS[0], LEFT_EYE_INNER, *LOWER_LIDS[0][::-1]),
                       (RIGHT_EYE_OUTER, *UPPER_LIDS[1], RIGHT_EYE_INNER, *LOWER_LIDS[1][::-1]))
BROW_OUTLINES: Sides = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
MOUTH_OUTLINE = (LEFT_MOUTH_CORNER, 185, 40, 39, 37, UPPER_LIP_TOP, 267, 269, 270, 409, RIGHT_MOUTH_CORNER, 375, 321,
                 405, 314, LOWER_LIP_BOTTOM, 84, 181, 91, 146)
NOSE_OUTLINE = (NOSE_BRIDGE, 193, 245, 188, 174, 217, 126, 142, 203, 98, 97, NOSE_BASE, 326, 327, 423, 371, 355, 437,
                399, 412, 465, 417)

# Sets that alignment uses

LEVEL = (OUTER_EYE_CORNERS, INNER_EYE_CORNERS, MOUTH_CORNERS, TEMPLES, CHEEK_EDGES)
"""Pairs that lie level on an upright face."""

STABLE = (*EYE_CORNERS[0], RIGHT_EYE_INNER, RIGHT_EYE_OUTER, NOSE_BRIDGE, NOSE_TIP, NOSE_BASE, *MOUTH_CORNERS,
          FOREHEAD, *TEMPLES, *CHEEK_EDGES)
"""Points that keep their place when a face talks or smiles."""
