"""What people write after ``--set``, ``--from``, ``--warm-up`` and ``--types``."""

from __future__ import annotations

import pytest

from detectors.lane import DetectorParams, build_lane
from replay.parameters import Parameter, changes, parameters, with_parameters
from replay.run_errors import RunUsageError
from replay.run_spec import RunSpec, span_ms, time_ms, type_names

ALL = parameters(DetectorParams())


@pytest.mark.parametrize("parameter", ALL, ids=lambda parameter: parameter.name)
def test_every_parameter_takes_its_own_default(parameter: Parameter) -> None:
    params = with_parameters(DetectorParams(), [f"{parameter.name}={parameter.text}"])
    assert params == DetectorParams()
    assert repr(params) == repr(DetectorParams())  # of the same types: the model's name is made of it


@pytest.mark.parametrize("name", ["over_margin_db", "baseline.sigmas", "window_s", "over_closes"])
def test_one_parameter_is_set_and_nothing_else(name: str) -> None:
    params = with_parameters(DetectorParams(), [f"noise_limit.{name}=60"])
    ((owner, ((changed, _, now),)),) = changes(params, DetectorParams()).items()
    assert (owner, changed, float(now)) == ("noise_limit", f"noise_limit.{name}", 60.0)
    build_lane(params)


def test_pairs_texts_and_zones() -> None:
    params = with_parameters(
        DetectorParams(),
        ["incidents.quiet_min.unusual_hour=30", "irregular_movement.life_signals=water, power", "timezone=UTC"],
    )
    assert dict(params.incidents.quiet_min) == {"unusual_hour": 30.0, "unknown_place": 60.0, "night_burst": 30.0}
    assert params.irregular_movement.life_signals == ("water", "power")
    assert params.timezone == "UTC"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("noise_limit.over_margin=2", "did you mean noise_limit.over_margin_db"),
        ("noise_limit.baseline=2", "there is no parameter noise_limit.baseline"),
        ("noise_limit.timezone=UTC", "there is no parameter noise_limit.timezone"),
        ("loudness=2", "noise_limit.over_margin_db=1.0"),
        ("noise_limit.over_margin_db", "detector.param=value"),
        ("noise_limit.over_margin_db=loud", "it is 1.0 by default; give a number"),
        ("noise_limit.over_margin_db=nan", "give a number from 0"),
        ("noise_limit.over_margin_db=-1", "give a number from 0"),
        ("noise_limit.over_closes=1.5", "give a whole number"),
        ("noise_limit.over_closes=0", "give a number from 1"),
        ("noise_limit.window_s=7", "divisor of an hour"),
        ("device_offline.group_min_ratio=2", "give a number from 0 to 1"),
        ("timezone=Wuhu", "Asia/Shanghai"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_does(given: str, said: str) -> None:
    with pytest.raises(RunUsageError) as refused:
        RunSpec(parameters=(given,))
    assert said in str(refused.value)


def test_times_and_spans() -> None:
    assert time_ms("--from", "2026-05-01", "Asia/Shanghai") == time_ms("--from", "2026-04-30T16:00:00Z", "UTC")
    assert time_ms("--from", "2026-05-01T08:00:00.001+08:00", "UTC") % 1000 == 1
    assert [span_ms("--warm-up", text) for text in ("14d", "6h", "1.5m", "90s", "0")] == [
        14 * 86_400_000, 21_600_000, 90_000, 90_000, 0,
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["2026-05-01T08:00:00", "2026-02-30", "yesterday", ""])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RunUsageError, match="--to"):
        time_ms("--to", text, "Asia/Shanghai")


@pytest.mark.parametrize("text", ["14", "d", "-1d", "1w"])
def test_a_span_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(RunUsageError, match="14d"):
        span_ms("--warm-up", text)


def test_types_by_any_of_their_names() -> None:
    full = "cn.gridpulse.readings.measured"
    assert type_names(["readings.measured", full, full + ".v1"]) == (full,)
    with pytest.raises(RunUsageError, match=r"did you mean readings\.measured"):
        type_names(["readings.measure"])
    with pytest.raises(RunUsageError, match="no such type"):
        type_names(["alerts.alert"])  # what GridPulse says itself is not replayed


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"from_ms": 5, "to_ms": 5}, "before --to"),
        ({"warm_up_ms": 5}, "give --from too"),
        ({"scopes": ("Wuhu",)}, "wuhu/jinghu"),
    ],
)
def test_parts_that_do_not_fit_together_are_refused(asked: dict[str, object], said: str) -> None:
    with pytest.raises(RunUsageError, match=said):
        RunSpec(**asked)  # type: ignore[arg-type]


def test_a_spec_is_kept_and_read_again() -> None:
    spec = RunSpec("UTC", 1, 2, 3, ("wuhu",), ("a",), ("b",), ("noise_limit.idle_s=5",), True)
    assert RunSpec.from_json(spec.to_json()) == spec
