"""Rendered videos: bodies where their joints project, the same for the same seed, files that can be read."""

import numpy as np
import pytest
from scipy.ndimage import maximum_filter

from skelact.datasets.synthetic import make_clip
from skelact.datasets.synthetic.body import J
from skelact.datasets.synthetic.render import View, render_clip, render_frames
from skelact.errors import ConfigError, DataError

VIEW = View(240, 180)
BODY = [J[j] for j in ("head", "spine", "left_knee", "right_knee", "left_elbow", "right_elbow", "left_ankle")]


def short(clip, n=3):
    keep = np.linspace(0, clip.n_frames - 1, n).astype(int)
    return clip.with_(xyz=clip.xyz[:, keep], score=clip.score[:, keep])


def test_the_body_is_where_its_joints_are():
    for action, camera in (("wave", 2), ("fall_sideways", 4), ("push", 1)):
        clip = short(make_clip(action, subject=3, camera=camera, noise=None))
        frames = list(render_frames(clip, view=VIEW, room=False))
        assert len(frames) == 3 and frames[0].shape == (180, 240, 3) and frames[0].dtype == np.uint8
        for t, frame in enumerate(frames):
            changed = np.abs(frame.astype(int) - 153).max(-1) > 20
            # Some cloth is nearly as grey as the background: look for any difference nearby there.
            near = maximum_filter(np.abs(frame.astype(int) - 153).max(-1), 7) > 9
            assert 0.005 < changed.mean() < 0.4
            u, v = VIEW.project(clip.xyz[:, t].astype(float))[:, BODY].reshape(-1, 2).round().astype(int).T
            inside = (u >= 0) & (u < 240) & (v >= 0) & (v < 180)
            assert inside.any() and near[v[inside], u[inside]].mean() > 0.9
            pixels = VIEW.project(clip.xyz[:, t].astype(float)).reshape(-1, 2)
            low, high = pixels.min(0), pixels.max(0)
            rows, columns = np.nonzero(changed)
            assert columns.min() > low[0] - 15 and columns.max() < high[0] + 15
            assert rows.min() > low[1] - 18 and rows.max() < high[1] + 15


def test_the_picture_is_not_mirrored():
    clip = short(make_clip("wave", subject=1, camera=2, noise=None))
    pixel = VIEW.project(clip.xyz[0, 0].astype(float))
    assert pixel[J["left_shoulder"], 0] > pixel[J["right_shoulder"], 0]  # facing us, the left is at our right
    assert pixel[J["head"], 1] < pixel[J["left_foot"], 1]


def test_nearer_people_cover_those_behind():
    near = short(make_clip("wave", subject=1, camera=2, noise=None), 1)
    far = near.xyz + [0.0, 0.0, 1.5]
    both = near.with_(xyz=np.concatenate([near.xyz, far]), score=np.ones((2, 1, 25)), track_ids=(0, 1))
    turned = near.with_(xyz=np.concatenate([far, near.xyz]), score=np.ones((2, 1, 25)), track_ids=(0, 1))
    a, b, alone = (next(iter(render_frames(c, view=VIEW, room=False))) for c in (both, turned, near))
    u, v = VIEW.project(near.xyz[0, 0, J["spine"]].astype(float)).round().astype(int)
    assert np.abs(a[v, u].astype(int) - alone[v, u]).max() < 12
    assert np.abs(b[v, u].astype(int) - alone[v, u]).max() > 12 or (a != b).any()


def test_the_same_seed_gives_the_same_pictures_and_subjects_look_different():
    clip = short(make_clip("clap", subject=2, noise=None), 2)
    a, b = (np.stack(list(render_frames(clip, view=VIEW))) for _ in range(2))
    assert np.array_equal(a, b)
    other = clip.with_(info=dict(clip.info) | {"subject": 5})
    assert (np.stack(list(render_frames(other, view=VIEW))) != a).mean() > 0.05


def test_there_is_a_floor_with_a_shadow():
    clip = short(make_clip("walk", subject=2, noise=None), 1)
    frame = next(iter(render_frames(clip, view=VIEW))).astype(int)
    empty = clip.with_(score=np.zeros_like(clip.score), xyz=np.zeros_like(clip.xyz))
    without = next(iter(render_frames(empty, view=VIEW))).astype(int)
    assert without.std() > 10
    # Shadows darken; bodies change the picture in either direction.
    assert ((without - frame).mean(-1) > 12).sum() > 50


def test_other_layouts_and_sizes_are_refused():
    clip = make_clip("wave", subject=1, noise=None)
    with pytest.raises(DataError, match="needs ntu25"):
        next(iter(render_frames(clip.converted("coco17"))))
    with pytest.raises(ConfigError, match="pixels wide and high"):
        View(5, 5)


def test_a_clip_from_elsewhere_stands_on_a_floor():
    clip = short(make_clip("wave", subject=1, camera=2, noise=None), 1)
    foreign = clip.with_(info={})
    assert np.isfinite(next(iter(render_frames(foreign, view=VIEW)))).all()


def test_videos_are_written_and_read_back(tmp_path):
    from skelact.io.video import open_video

    clip = render_clip(tmp_path / "wave.mp4", "wave", subject=1, view=View(160, 120))
    with open_video(tmp_path / "wave.mp4") as video:
        frames = [f.image for f in video]
    assert len(frames) == clip.n_frames and frames[0].shape == (120, 160, 3)


@pytest.mark.slow
def test_mediapipe_finds_the_rendered_body():
    pytest.importorskip("mediapipe")
    from skelact.errors import DependencyError
    from skelact.pose.mediapipe_pose import MediaPipePose

    found, error = [], []
    pose33 = {"left_shoulder": 11, "right_shoulder": 12, "left_knee": 25, "right_knee": 26, "left_wrist": 15}
    view = View()
    for action, subject in (("walk", 1), ("wave", 3)):
        try:
            estimator = MediaPipePose(video=True)
        except DependencyError as problem:
            pytest.skip(f"no pose model here: {problem}")
        clip = make_clip(action, subject=subject, noise=None)
        pixels = view.project(clip.xyz[0].astype(float))
        for t, frame in enumerate(render_frames(clip, view=view)):
            people = estimator.estimate(frame, t / clip.fps)
            found.append(len(people))
            if people:
                got = people[0].xy[list(pose33.values())] * [view.width, view.height]
                error.append(np.linalg.norm(got - pixels[t, [J[j] for j in pose33]], axis=-1).mean())
        estimator.close()
    assert np.mean(found) > 0.95
    assert np.median(error) < 8  # pixels, of a body some 200 high
