"""Which configurations count as the same when a run goes on."""

from skelact.config import Experiment, with_defaults
from skelact.settings import to_plain
from skelact.training.resume import differences


def test_a_setting_that_is_newer_than_the_run_has_its_default() -> None:
    now = to_plain(Experiment())
    then = {**now, "data": {key: value for key, value in now["data"].items() if key != "share"}}
    assert then != now and differences(with_defaults(then), with_defaults(now)) == []
    other = {**now, "data": {**now["data"], "share": 0.5}}
    assert differences(with_defaults(then), with_defaults(other)) == ["data.share: 1.0 then, 0.5 now"]


def test_what_is_no_experiment_is_compared_as_it_is() -> None:
    gone = {"no_such_setting": 1}
    assert with_defaults(gone) == gone
    assert differences(with_defaults(gone), {}) == ["no_such_setting: 1 then, None now"]
