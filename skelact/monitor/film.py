"""What is seen live as a video: skeletons, actions and alarms drawn on the pictures."""

from __future__ import annotations

from typing import Any

import numpy as np

from skelact.evaluate.overlay import OverlayPerson, draw_frame, draw_text
from skelact.io.video_write import VideoWriter
from skelact.layouts import SkeletonLayout

_ALARM_SECONDS = 5.0  # that an alarm stays in the picture


class Film:
    """A video file that grows frame by frame.

    Args:
        path: where it is written.
    """

    def __init__(self, path: str) -> None:
        self._writer = VideoWriter(path, 30.0)  # each picture has its own time
        self._alarm: tuple[float, str] | None = None

    def draw(self, moment: Any, layout: SkeletonLayout) -> None:
        """Add a frame of a `skelact.monitor.watch.Moment`."""
        image = moment.image
        size = np.array([image.shape[1], image.shape[0]])
        people = []
        for one in moment.people:
            said = moment.actions.get(one.track)
            words = [] if said is None else [f"{said[0]} {100 * said[1]:.0f} %"]
            state = moment.states.get(one.track)
            words += [state.replace("_", " ")] if state in ("falling", "on_floor") else []
            people.append(OverlayPerson(one.xy * size, one.score, one.track, ", ".join(words) or None))
        drawn = draw_frame(image, people, layout)
        for event in moment.events:
            if event.is_alarm:
                self._alarm = (moment.time, f"ALARM: {event.kind.replace('_', ' ')}, person {event.person}")
        if self._alarm is not None and moment.time - self._alarm[0] < _ALARM_SECONDS:
            draw_text(drawn, self._alarm[1], (10, 30), (220, 30, 30))
        self._writer.write(np.ascontiguousarray(drawn), moment.time)

    def __enter__(self) -> Film:
        return self

    def __exit__(self, *error: Any) -> None:
        self._writer.__exit__(*error)
