"""Actions by rules: thresholds for each class, fitted for a stated rate of false events."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from skelact.errors import ConfigError, DataError
from skelact.evaluate.events import TimedEvent
from skelact.evaluate.score_events import EventRule, FittedRule, ScoreEvents
from skelact.io.files import write_text


@dataclass(frozen=True)
class ActionRules:
    """Rules of a network's classes; classes without one are not told.

    Args:
        names: of the network's classes, in order.
        rules: by class.
        false_per_hour: of each class, that they were fitted for.
        hours: of the recordings that they were fitted to.
    """

    names: tuple[str, ...]
    rules: Mapping[str, FittedRule]
    false_per_hour: float
    hours: float

    def save(self, path: str | Path) -> None:
        """Write as JSON, whole or not at all."""
        rules = {
            name: {
                **asdict(one.rule),
                "false_per_hour": one.false_per_hour,
                "sensitivity": _known(one.sensitivity),
            }
            for name, one in self.rules.items()
        }
        plain = {
            "skelact": "action rules", "names": self.names, "false_per_hour": self.false_per_hour,
            "hours": self.hours, "rules": rules,
        }  # fmt: skip
        write_text(Path(path), json.dumps(plain, indent=1) + "\n")

    @staticmethod
    def load(path: str | Path, names: Sequence[str]) -> ActionRules:
        """Read a file of ``skelact learn-thresholds``.

        Args:
            path: the file.
            names: of the network that the rules are for.

        Raises:
            DataError: if it is no such file.
            ConfigError: if it is of another network.
        """
        try:
            plain = json.loads(Path(path).read_text(encoding="utf-8"))
            known = tuple(str(name) for name in plain["names"])
            rules = {
                str(name): FittedRule(
                    EventRule(**{key: float(v[key]) for key in ("on", "off", "smoothing", "least", "gap")}),
                    float(v["false_per_hour"]),
                    float("nan") if v["sensitivity"] is None else float(v["sensitivity"]),
                )
                for name, v in plain["rules"].items()
            }
            made = ActionRules(known, rules, float(plain["false_per_hour"]), float(plain["hours"]))
        except OSError as error:
            raise DataError(f"{path} cannot be read ({error}); skelact learn-thresholds makes one") from None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path} is no file of skelact learn-thresholds ({type(error).__name__}: {error}); make it again"
            ) from None
        if known != tuple(names) or not set(rules) <= set(known):
            raise ConfigError(
                f"{path} is of a network with the classes {', '.join(known)[:200]}, and this one has "
                f"{', '.join(names)[:200]}; run skelact learn-thresholds with this network"
            )
        return made


class SharedRules:
    """The rules of all cameras, read again when their file changes.

    Args:
        path: of the file; empty: there is none.
        names: of the network's classes.

    Raises:
        DataError, ConfigError: see `ActionRules.load`.
    """

    def __init__(self, path: str, names: Sequence[str]) -> None:
        self._names, self._path, self._stamp = list(names), path, _stamp(path)
        self.rules = ActionRules.load(path, names) if path else None

    def check(self, path: str) -> bool:
        """Look whether the rules are others by now; returns whether they were taken over.

        Raises:
            DataError, ConfigError: if they cannot be used; the old ones stay, and it is said once.
        """
        stamp = _stamp(path)
        if (path, stamp) == (self._path, self._stamp):
            return False
        self._path, self._stamp = path, stamp
        self.rules = ActionRules.load(path, self._names) if path else None
        return True


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        status = Path(path).stat() if path else None
    except OSError:
        return None
    return None if status is None else (status.st_mtime_ns, status.st_size)


def _known(value: float) -> float | None:
    return None if np.isnan(value) else value


class RuledActions:
    """What one person does, by rules.

    Args:
        names: of the network's classes.
        rules: see `ActionRules`.
        delay: seconds from the moment that an answer is about to the answer.
    """

    def __init__(self, names: Sequence[str], rules: ActionRules, delay: float = 0.0) -> None:
        self.delay = delay
        self._makers = {
            k: ScoreEvents(name, rules.rules[name].rule)
            for k, name in enumerate(names)
            if name in rules.rules
        }
        self._last: np.ndarray | None = None

    def take(self, answer: np.ndarray, time: float) -> list[TimedEvent]:
        """A network's answer ``[K]`` at a moment [s]; returns the events that have ended."""
        self._last = answer
        ended = [maker.push(time - self.delay, float(answer[k])) for k, maker in self._makers.items()]
        return [event for event in ended if event is not None]

    def current(self) -> tuple[str, float] | None:
        """The surest of the actions that go on; None if there is none."""
        if self._last is None:
            return None
        going = [(float(self._last[k]), maker.label) for k, maker in self._makers.items() if maker.active]
        if not going:
            return None
        score, label = max(going)
        return label, score

    def end(self, time: float) -> list[TimedEvent]:
        """They are gone."""
        ended = [maker.finish() for maker in self._makers.values()]
        return [event for event in ended if event is not None]
