"""Layouts, conversion by joint name, partitions."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from skelact.errors import LayoutError
from skelact.layouts import (
    LAYOUTS,
    PARTITIONS,
    SkeletonLayout,
    conversion,
    get_layout,
    load_layout,
    partition,
)

COUNTS = {
    "ntu25": 25, "ntu25_tied": 25, "kinect20": 20, "kinect20_utd": 20, "sbu15": 15, "coco17": 17, "openpose18": 18,
    "body25": 25, "pose33": 33, "hand21": 21, "pose_hands75": 75, "shrec22": 22, "natops8": 8, "h36m17": 17,
    "gesture6": 6, "urfd13": 13, "hands42": 42, "holistic543": 543, "sign27": 27, "sign27_openhands": 27,
    "sign118": 118, "sign130": 130,
}  # fmt: skip


def test_table_is_complete() -> None:
    assert {name: len(layout) for name, layout in LAYOUTS.items()} == COUNTS


@pytest.mark.parametrize("name", LAYOUTS)
def test_layout_is_connected_and_symmetric(name: str) -> None:
    layout = LAYOUTS[name]
    assert (layout.hops >= 0).all()
    mirror = np.array(layout.mirror)
    assert (mirror[mirror] == np.arange(len(layout))).all()
    bones = {frozenset(b) for b in layout.edges}
    assert {frozenset((int(mirror[a]), int(mirror[b]))) for a, b in layout.edges} == bones
    for left, right in layout.pairs:
        if not layout.joints[left].startswith("face_"):
            assert layout.joints[left].replace("left_", "right_") == layout.joints[right]


def test_ntu_edges_are_the_published_ones() -> None:
    text = (
        "(1,2)(2,21)(3,21)(4,3)(5,21)(6,5)(7,6)(8,7)(9,21)(10,9)(11,10)(12,11)(13,1)(14,13)(15,14)(16,15)(17,1)"
        "(18,17)(19,18)(20,19)(22,23)(23,8)(24,25)(25,12)"
    )
    published = {tuple(int(i) - 1 for i in pair.split(",")) for pair in text[1:-1].split(")(")}
    assert set(LAYOUTS["ntu25"].bones) == published
    tied = {p if p[0] not in (21, 23) else (p[0], {21: 7, 23: 11}[p[0]]) for p in published}
    assert set(LAYOUTS["ntu25_tied"].bones) == tied
    assert LAYOUTS["ntu25"].root == 20


def test_unknown_layout_names_the_closest() -> None:
    with pytest.raises(LayoutError, match=r"unknown layout 'coco_17'.*Did you mean 'coco17'"):
        get_layout("coco_17")


def test_round_trip_through_yaml(tmp_path: Path) -> None:
    for layout in LAYOUTS.values():
        path = tmp_path / f"{layout.name}.yaml"
        path.write_text(json.dumps(layout.to_dict()))  # JSON is YAML
        assert load_layout(path) == layout


def test_own_layout_with_undirected_bones() -> None:
    layout = SkeletonLayout.from_dict(
        {"name": "arm", "joints": ["elbow", "wrist", "shoulder"], "root": "shoulder",
         "bones": [["elbow", "wrist"], ["elbow", "shoulder"]]}
    )  # fmt: skip
    assert layout.parents == (2, 0, -1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"joints": ["a", "a"], "bones": []}, "joint twice"),
        ({"joints": ["a", "B c"], "bones": []}, "lower case"),
        ({"bones": [["a", "z"]]}, "'z', which is not among"),
        ({"bones": [["a", "b"], ["b", "a"]]}, "cycle"),
        ({"colour": 1}, "no key colour"),
        ({"root": "q"}, "root 'q'"),
        ({"bones": ["ab"]}, "pairs of joint names"),
    ],
)
def test_bad_layouts_are_refused(change: dict, message: str) -> None:
    data = {"name": "x", "joints": ["a", "b"], "bones": [["a", "b"]]}
    with pytest.raises(LayoutError, match=message):
        SkeletonLayout.from_dict({**data, **change})


def test_subset_hangs_on_the_nearest_ancestor() -> None:
    layout = LAYOUTS["ntu25"].subset(["mid_shoulder", "left_wrist", "left_shoulder"])
    assert layout.parents == (-1, 2, 0)


@pytest.mark.parametrize("source", LAYOUTS)
@pytest.mark.parametrize("target", LAYOUTS)
def test_conversion_copies_by_name(source: str, target: str) -> None:
    a, b = LAYOUTS[source], LAYOUTS[target]
    try:
        plan = conversion(a, b)
    except LayoutError:
        assert not set(a.joints) & set(b.joints)
        return
    rng = np.random.default_rng(0)
    xyz, score = rng.normal(size=(2, 3, len(a), 3)), np.ones((2, 3, len(a)))
    new, new_score = plan.apply(xyz, score)
    for joint in set(a.joints) & set(b.joints):
        assert (new[..., b.index[joint], :] == xyz[..., a.index[joint], :]).all()
    for joint in plan.missing:
        assert (new_score[..., b.index[joint]] == 0).all()
    if source == target:
        assert not plan.missing


def test_virtual_joint_is_a_mean_and_missing_with_its_parts() -> None:
    coco, openpose = LAYOUTS["coco17"], LAYOUTS["openpose18"]
    xyz = np.arange(17 * 2, dtype=float).reshape(1, 17, 2)
    score = np.full((1, 17), 0.9)
    left, right = coco.positions("left_shoulder", "right_shoulder")
    score[0, left] = 0.4
    new, new_score = conversion(coco, openpose).apply(xyz, score)
    assert (new[0, 1] == (xyz[0, left] + xyz[0, right]) / 2).all()
    assert new_score[0, 1] == 0.4
    score[0, left] = 0
    new, new_score = conversion(coco, openpose).apply(xyz, score)
    assert new_score[0, 1] == 0 and (new[0, 1] == 0).all()


def test_spatial_partition_is_the_papers() -> None:
    parts = partition("ntu25", "spatial")
    assert [(p != 0).sum() for p in parts] == [25, 24, 24]
    assert np.allclose(parts.sum((0, 1)), 1)


@pytest.mark.parametrize("strategy", PARTITIONS)
@pytest.mark.parametrize("name", LAYOUTS)
def test_partitions_cover_every_edge_once(name: str, strategy: str) -> None:
    layout = LAYOUTS[name]
    total = (partition(layout, strategy) != 0).sum(0)
    expected = (layout.hops >= 0) & (layout.hops <= 1)
    assert (total == expected).all()


def test_released_partitions_match_the_published_numbers(shared_reference: Path) -> None:
    state = json.loads((shared_reference / "stgcn.json").read_text())["state"]
    released = np.array(next(e["value"] for e in state if e["key"] == "A"))
    assert np.abs(partition("ntu25", "spatial_released") - released).max() < 1e-7
    text = json.loads((shared_reference / "ntu25_self_inward_outward.json").read_text())
    published = np.array(text if isinstance(text, list) else list(text.values())[-1])
    assert np.abs(partition("ntu25", "self_inward_outward") - published).max() < 1e-7
