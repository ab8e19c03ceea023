"""Points of MediaPipe's face mesh: which are on which side, and those of the lips, the eyes and the nose.

The mesh has 468 points, named ``face_000`` to ``face_467`` here. Its canonical model is exactly symmetric: the
points of the right half of the face (the subject's) come first and, in the same order, those of the left half are
its last 220 points; 28 points lie in the middle.
"""

from __future__ import annotations

N_FACE = 468
_MIDDLE = frozenset(
    [0, 1, 2, 4, 5, 6, *range(8, 20), 94, 151, 152, 164, 168, 175, 195, 197, 199, 200]
)  # fmt: skip
_RIGHT = tuple(k for k in range(248) if k not in _MIDDLE)
_MIRROR = {right: 248 + k for k, right in enumerate(_RIGHT)}
_MIRROR.update({left: right for right, left in list(_MIRROR.items())})

# From the middle of the upper lip (0, outside; 13, inside) along the right half to the middle of the lower lip.
_OUTER_LIP = (0, 37, 39, 40, 185, 61, 146, 91, 181, 84, 17)
_INNER_LIP = (13, 82, 81, 80, 191, 78, 95, 88, 178, 87, 14)
# The right eye, from its inner corner: the upper lid to the outer corner, and the lower lid.
_UPPER_LID = (133, 173, 157, 158, 159, 160, 161, 246, 33)
_LOWER_LID = (133, 155, 154, 153, 145, 144, 163, 7)

# In the order of the winning entry of Google's isolated-sign competition of 2023.
LIPS = (
    0, 61, 185, 40, 39, 37, 267, 269, 270, 409, 291, 146, 91, 181, 84, 17, 314, 405, 321, 375,
    78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308,
)  # fmt: skip
NOSE = (1, 2, 98, 327)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173)
LEFT_EYE = tuple(_MIRROR[k] for k in RIGHT_EYE)


def face_point(k: int) -> str:
    """The joint name of a point of the mesh."""
    return f"face_{k:03d}"


def _number(joint: str) -> int | None:
    digits = joint.removeprefix("face_")
    if len(joint) == 8 and len(digits) == 3 and digits.isdecimal() and int(digits) < N_FACE:
        return int(digits)
    return None


def mirror_face_point(joint: str) -> str | None:
    """The name of the point on the other side, itself in the middle; None for what is no point of the mesh."""
    number = _number(joint)
    return None if number is None else face_point(_MIRROR.get(number, number))


def is_left_face_point(joint: str) -> bool:
    """Whether a point of the mesh is on the subject's left side."""
    number = _number(joint)
    return number is not None and number >= 248


def face_tree(root: str) -> tuple[str, str]:
    """Bones and further edges of the whole mesh, in the notation of `skelact.layouts.build`.

    Lips and eyes are rings, each a tree of two halves that one edge closes. All other points hang on the nose's
    tip (point 1): the mesh's 1,300 triangle sides would make every point a neighbour of a neighbour.

    Args:
        root: the joint that the nose's tip hangs on.
    """
    parents = {1: root, 2: face_point(1), 98: face_point(2), 327: face_point(2), 0: face_point(2)}
    parents[13] = face_point(0)
    for chain in (_OUTER_LIP, _INNER_LIP, _UPPER_LID, _LOWER_LID):
        for one, before in zip(chain[1:], chain[:-1], strict=True):
            parents[one] = face_point(before)
            if one in _MIRROR:
                parents[_MIRROR[one]] = face_point(_MIRROR.get(before, before))
    words = [f"{face_point(k)}<{parents.get(k, face_point(1))}" for k in range(N_FACE)]
    closing = [(84, 17), (87, 14), (7, 33)]
    edges = [(_MIRROR[a], _MIRROR.get(b, b)) for a, b in closing] + [(7, 33)]
    return " ".join(words), " ".join(f"{face_point(a)}-{face_point(b)}" for a, b in edges)
