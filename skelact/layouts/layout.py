"""`SkeletonLayout`: joint names from one shared vocabulary, and the bones that join them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from skelact.errors import LayoutError, counted
from skelact.layouts.face import is_left_face_point, mirror_face_point

_NAME = re.compile(r"^[a-z][a-z0-9_]*$")


@dataclass(frozen=True)
class SkeletonLayout:
    """The joints of a skeleton, by name, and the tree of bones that joins them.

    Args:
        name: short name, such as ``ntu25``.
        joints: joint names in the order of the data, lower case with underscores. Names that begin with
            ``left_`` and ``right_`` are paired by the rest of the name.
        parents: for each joint the index of its parent, -1 for a root. Several roots are allowed
            (two hands without a body), the first is *the* root.
        extra_edges: graph edges that are not bones of the tree, as index pairs.
        source: where the order and the edges come from.

    Raises:
        LayoutError: for doubled or odd names, wrong lengths, indices out of range or cycles.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    extra_edges: tuple[tuple[int, int], ...] = ()
    source: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "joints", tuple(self.joints))
        object.__setattr__(self, "parents", tuple(int(p) for p in self.parents))
        object.__setattr__(self, "extra_edges", tuple((int(a), int(b)) for a, b in self.extra_edges))
        n = len(self.joints)
        if n == 0:
            raise LayoutError(f"layout '{self.name}' has no joints")
        if len(set(self.joints)) != n:
            twice = sorted({j for j in self.joints if self.joints.count(j) > 1})
            raise LayoutError(f"layout '{self.name}' names a joint twice: {', '.join(twice)}")
        for joint in self.joints:
            if not _NAME.match(joint):
                raise LayoutError(
                    f"layout '{self.name}': joint name '{joint}' must be lower case letters, digits and "
                    "underscores, such as left_wrist"
                )
        if len(self.parents) != n:
            raise LayoutError(f"layout '{self.name}' has {n} joints but {len(self.parents)} parents")
        for v, p in enumerate(self.parents):
            if not -1 <= p < n or p == v:
                raise LayoutError(
                    f"layout '{self.name}': joint '{self.joints[v]}' has parent {p}, not in -1..{n - 1}"
                )
        for a, b in self.extra_edges:
            if not (0 <= a < n and 0 <= b < n) or a == b:
                raise LayoutError(
                    f"layout '{self.name}': extra edge {(a, b)} is not between two of {n} joints"
                )
        for v in range(n):
            seen, p = {v}, self.parents[v]
            while p >= 0:
                if p in seen:
                    raise LayoutError(f"layout '{self.name}': the parents of '{self.joints[v]}' form a cycle")
                seen.add(p)
                p = self.parents[p]

    def __len__(self) -> int:
        return len(self.joints)

    def __repr__(self) -> str:
        return (
            f"SkeletonLayout({self.name}: {counted(len(self), 'joint')}, {counted(len(self.bones), 'bone')})"
        )

    @property
    def n_joints(self) -> int:
        """How many joints there are, V."""
        return len(self.joints)

    @cached_property
    def index(self) -> dict[str, int]:
        """Joint name to position."""
        return {joint: v for v, joint in enumerate(self.joints)}

    @cached_property
    def root(self) -> int:
        """Index of the (first) root joint."""
        return self.parents.index(-1)

    @cached_property
    def bones(self) -> tuple[tuple[int, int], ...]:
        """(joint, parent) for every joint that has a parent."""
        return tuple((v, p) for v, p in enumerate(self.parents) if p >= 0)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """Bones and extra edges, each once, as (joint, parent or other end)."""
        return self.bones + self.extra_edges

    @cached_property
    def mirror(self) -> tuple[int, ...]:
        """For each joint the joint on the other side of the body; middle joints map to themselves.

        Sides are told by the names ``left_...`` and ``right_...``, and for points of MediaPipe's face mesh
        (``face_000`` to ``face_467``) by the mesh, which is symmetric.
        """
        result = []
        for v, joint in enumerate(self.joints):
            side, _, rest = joint.partition("_")
            other = {"left": f"right_{rest}", "right": f"left_{rest}"}.get(side) or mirror_face_point(joint)
            result.append(self.index.get(other, v) if other else v)
        return tuple(result)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) index pairs."""
        return tuple(
            (v, m)
            for v, m in enumerate(self.mirror)
            if m != v and (self.joints[v].startswith("left_") or is_left_face_point(self.joints[v]))
        )

    @cached_property
    def hops(self) -> np.ndarray:
        """Hop distances between joints over all edges, ``[V, V]`` integers; -1 where not connected."""
        n = self.n_joints
        near: list[list[int]] = [[] for _ in range(n)]
        for a, b in self.edges:
            near[a].append(b)
            near[b].append(a)
        hops = np.full((n, n), -1, dtype=np.int64)
        for start in range(n):
            hops[start, start] = 0
            queue = [start]
            for v in queue:
                for w in near[v]:
                    if hops[start, w] < 0:
                        hops[start, w] = hops[start, v] + 1
                        queue.append(w)
        return hops

    def positions(self, *names: str) -> list[int]:
        """Indices of the named joints.

        Raises:
            LayoutError: if a name is not a joint of this layout.
        """
        missing = [n for n in names if n not in self.index]
        if missing:
            raise LayoutError(
                f"layout '{self.name}' has no joint {', '.join(missing)}; it has: {', '.join(self.joints)}"
            )
        return [self.index[n] for n in names]

    def subset(self, joints: list[str], name: str | None = None) -> SkeletonLayout:
        """A layout of only these joints; a joint whose parent is gone hangs on its nearest kept ancestor."""
        kept = self.positions(*joints)
        place = {v: i for i, v in enumerate(kept)}
        parents = []
        for v in kept:
            p = self.parents[v]
            while p >= 0 and p not in place:
                p = self.parents[p]
            parents.append(place.get(p, -1))
        extra = tuple((place[a], place[b]) for a, b in self.extra_edges if a in place and b in place)
        return SkeletonLayout(
            name or f"{self.name}_{len(kept)}", tuple(joints), tuple(parents), extra, self.source
        )

    def to_dict(self) -> dict:
        """Plain containers that `from_dict` reads back; written into data files and checkpoints."""
        return {
            "name": self.name,
            "joints": list(self.joints),
            "bones": [[self.joints[v], self.joints[p]] for v, p in self.bones],
            "extra_edges": [[self.joints[a], self.joints[b]] for a, b in self.extra_edges],
            "source": self.source,
        }

    @classmethod
    def from_dict(cls, data: Mapping) -> SkeletonLayout:
        """Make a layout from ``name``, ``joints`` and ``bones`` ([joint, parent] by name).

        ``bones`` may be any tree (or forest) of named edges if ``root`` is given: then directions do not
        matter. ``extra_edges`` and ``source`` are optional.

        Raises:
            LayoutError: for unknown keys or joints and for bones that are no forest.
        """
        allowed = ("name", "joints", "bones", "root", "extra_edges", "source")
        unknown = [k for k in data if k not in allowed]
        if unknown:
            raise LayoutError(
                f"a layout has no key {', '.join(map(str, unknown))}; allowed: {', '.join(allowed)}"
            )
        for key in ("name", "joints"):
            if key not in data:
                raise LayoutError(f"a layout needs the key '{key}'; got: {', '.join(map(str, data))}")
        joints = [str(j) for j in data["joints"]]
        place = {j: i for i, j in enumerate(joints)}

        def ends(key: str) -> list[tuple[int, int]]:
            pairs = []
            for pair in data.get(key) or ():
                if not isinstance(pair, (list, tuple)) or len(pair) != 2:
                    raise LayoutError(
                        f"layout '{data['name']}': {key} must be pairs of joint names, got {pair!r}"
                    )
                for joint in pair:
                    if joint not in place:
                        raise LayoutError(
                            f"layout '{data['name']}': {key} names '{joint}', which is not among the joints: "
                            f"{', '.join(joints)}"
                        )
                pairs.append((place[pair[0]], place[pair[1]]))
            return pairs

        bones = ends("bones")
        parents = [-1] * len(joints)
        if data.get("root") is not None:
            if data["root"] not in place:
                raise LayoutError(f"layout '{data['name']}': root '{data['root']}' is not among the joints")
            bones = _hang(bones, place[data["root"]], len(joints))
        for v, p in bones:
            if parents[v] >= 0:
                raise LayoutError(
                    f"layout '{data['name']}': joint '{joints[v]}' has two parents; put one into extra_edges"
                )
            parents[v] = p
        if -1 not in parents:
            raise LayoutError(f"layout '{data['name']}' has no root: its bones form a cycle")
        return cls(
            str(data["name"]),
            tuple(joints),
            tuple(parents),
            tuple(ends("extra_edges")),
            str(data.get("source", "")),
        )


def _hang(edges: list[tuple[int, int]], root: int, n: int) -> list[tuple[int, int]]:
    """Direct undirected edges towards ``root`` (and towards the first joint of every other tree)."""
    near: list[list[int]] = [[] for _ in range(n)]
    for a, b in edges:
        near[a].append(b)
        near[b].append(a)
    done: set[int] = set()
    directed = []
    for start in [root, *range(n)]:
        if start in done:
            continue
        done.add(start)
        queue = [start]
        for v in queue:
            for w in near[v]:
                if w not in done:
                    done.add(w)
                    directed.append((w, v))
                    queue.append(w)
    if len(directed) != len(edges):
        raise LayoutError("the bones are not a tree: some edge closes a cycle; put it into extra_edges")
    return directed


def load_layout(path: str | Path) -> SkeletonLayout:
    """Read a layout declared in a YAML file (keys as in `SkeletonLayout.from_dict`).

    Raises:
        LayoutError: if the file is not there, not YAML, or not a layout.
    """
    import yaml

    from skelact.plain_yaml import load_plain

    try:
        data = load_plain(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise LayoutError(f"cannot read the layout file {path}: {error}") from error
    if not isinstance(data, dict):
        raise LayoutError(f"{path} is not a layout: expected the keys name, joints and bones")
    try:
        return SkeletonLayout.from_dict(data)
    except LayoutError as error:
        raise LayoutError(f"{path}: {error}") from None
    except (TypeError, ValueError, AttributeError) as error:
        raise LayoutError(f"{path} is not a layout: {error}") from None
