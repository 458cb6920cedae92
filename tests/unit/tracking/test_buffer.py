from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from journeyman.tracking.job_store.buffer import (
    MAX_BODY_BYTES,
    MAX_ENTITIES,
    MAX_PARAMS,
    MAX_POINTS,
    MAX_TAGS,
    Batch,
    Buffer,
    Call,
    Point,
    Steps,
    Tag,
)

keys = st.sampled_from(["loss", "accuracy", "lr"])
numbers = st.integers(-3, 12)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=5)
points = st.tuples(keys, st.floats(allow_nan=False), st.integers(0, 3), numbers).map(lambda p: Point(*p))
points_of_models = st.tuples(
    keys,
    st.sampled_from([0.5, float("inf"), float("nan")]),
    st.integers(0, 1),
    st.integers(0, 2),
    st.sampled_from([None, "m-1", "m-2"]),
).map(lambda p: Point(*p))


def drain(buffer: Buffer, stored: dict[str, list[int]] | None = None) -> list[Batch]:
    for key in buffer.unlearned():
        buffer.learn(key, (stored or {}).get(key, ()))
    batches = []
    while batch := buffer.take():
        batches.append(batch)
        buffer.settle()
    return batches


@given(st.lists(numbers))
def test_steps_any_sequence_is_a_set(steps: list[int]) -> None:
    held, expected = Steps(), set[int]()
    for step in steps:
        assert held.add(step) == (step not in expected)
        expected.add(step)
        assert {number for number in range(-5, 15) if number in held} == expected
    assert {number for number in range(-5, 15) if number in Steps(steps)} == expected


def test_steps_of_one_stride_are_one_range() -> None:
    steps = Steps(range(0, 1_000_000, 10))
    assert len(steps._ranges) == 1
    assert not steps._others


@given(st.lists(points))
def test_points_any_sequence_comes_out_whole_and_in_order(logged: list[Point]) -> None:
    buffer = Buffer(capacity=1000)
    for point in logged:
        buffer.add_point(point)
    sent = [point for batch in drain(buffer) for point in batch.points]
    assert [p[:2] + p[3:] for p in sent] == [p[:2] + p[3:] for p in logged]


@given(st.lists(numbers, min_size=1), st.integers(0, 5))
def test_last_of_the_values_at_a_step_is_the_latest(values: list[int], now_ms: int) -> None:
    # All within a millisecond, as a loop that logs without waiting is.
    buffer = Buffer(capacity=1000)
    for value in values:
        buffer.add_point(Point("loss", value, now_ms, 0))
    [batch] = drain(buffer)
    assert [p.value for p in sorted(batch.points, key=lambda p: p.timestamp_ms)] == values
    assert len({p.timestamp_ms for p in batch.points}) == len(values)


def test_a_time_that_was_given_on_purpose_stays() -> None:
    buffer = Buffer(capacity=10)
    for timestamp_ms in (100, 50, 200):
        buffer.add_point(Point("loss", 0.5, timestamp_ms, 0))
    [batch] = drain(buffer)
    assert [p.timestamp_ms for p in batch.points] == [100, 50, 200]


@given(st.lists(st.integers(0, 4)), st.integers(0, 20))
def test_an_attempt_that_goes_again_over_steps_stores_each_value_once(steps: list[int], stored: int) -> None:
    # The one before died when so many of the points were stored.
    held, buffer = steps[:stored], Buffer(capacity=1000)
    for number, step in enumerate(steps):
        buffer.add_point(Point("loss", number, 1, step))
    sent = [point.step for batch in drain(buffer, {"loss": held}) for point in batch.points]
    if set(held) <= {0}:
        # Without steps there is no telling: the last value is worth more than a short history.
        assert sent == steps
    else:
        assert sorted([*held, *sent]) == sorted(steps)


@given(st.lists(points_of_models))
def test_points_of_models_any_sequence_are_one_with_the_runs(logged: list[Point]) -> None:
    buffer = Buffer(capacity=1000)
    runs = [point._replace(model_id=None) for point in logged]
    for run, point in zip(runs, logged, strict=True):
        buffer.add_point(run)
        if point.model_id:
            buffer.add_point(point)
    sent = [point for batch in drain(buffer) for point in batch.points]
    # MLflow keeps one of points that are equal in these four.
    for earlier, later in zip(sent, sent[1:], strict=False):
        assert later.model_id is None or repr(earlier[:4]) == repr(later[:4])
    assert sum(point.model_id is None for point in sent) == len(logged)


def test_a_stored_step_is_stored_for_its_model_too() -> None:
    buffer = Buffer(capacity=10)
    for step in (1, 2):
        buffer.add_point(Point("loss", 0.5, 100, step))
        buffer.add_point(Point("loss", 0.5, 100, step, "m-1"))
    [batch] = drain(buffer, {"loss": [1]})
    assert [(p.step, p.model_id) for p in batch.points] == [(2, None), (2, "m-1")]


@settings(max_examples=30)
@given(
    st.integers(0, 2500),
    st.integers(0, 250),
    st.integers(0, 250),
    st.sampled_from(["x", "x" * 9000, "é" * 9000, '"' * 9000]),
    st.booleans(),
)
def test_batches_of_any_size_stay_within_limits(
    point_count: int, param_count: int, tag_count: int, value: str, wide: bool
) -> None:
    buffer = Buffer(capacity=10_000)
    key = "é" * 240 if wide else "k"
    for number in range(point_count):
        buffer.add_point(Point(key, -1.2345678901234567e-300, 2**63 - 1, number - 2**63, "m-" + "0" * 32))
    for number in range(param_count):
        buffer.add_param(f"{key}{number}", value)
    for number in range(tag_count):
        buffer.add_tag(f"{key}{number}", value)
    buffer.add_call(Call("LogInputs", "{}"))
    newest = buffer.newest
    assert not buffer.settled(newest)
    batches = drain(buffer)
    assert buffer.settled(newest)
    assert sum(len(batch) for batch in batches) == point_count + param_count + tag_count + 1
    for batch in batches:
        body = {
            "metrics": [point._asdict() for point in batch.points],
            "params": [{"key": k, "value": v} for k, v in batch.params.items()],
            "tags": [{"key": k, "value": v} for k, v in batch.tags.items()],
        }
        size_bytes = len(json.dumps(body))
        assert size_bytes < MAX_BODY_BYTES + 1000
        assert len(batch) <= MAX_ENTITIES
        assert len(batch.points) <= MAX_POINTS
        assert len(batch.params) <= MAX_PARAMS
        assert len(batch.tags) <= MAX_TAGS
        assert batch.call is None or len(batch) == 1


@given(st.lists(st.tuples(keys, texts)))
def test_params_any_sequence_first_stays_and_later_values_become_tags(logged: list[tuple[str, str]]) -> None:
    buffer = Buffer(capacity=1000)
    first: dict[str, str] = {}
    changed: dict[str, str] = {}
    for key, value in logged:
        buffer.add_param(key, value)
        if first.setdefault(key, value) != value:
            changed[f"changed_param.{key}"] = value
    batches = drain(buffer)
    assert [item for batch in batches for item in batch.params.items()] == list(first.items())
    assert {k: v for batch in batches for k, v in batch.tags.items()} == changed


def test_values_too_long_or_unstorable_are_made_fit() -> None:
    buffer = Buffer(capacity=10)
    buffer.add_param("long", "x" * 7000)
    buffer.add_tag("long", "x" * 9000)
    buffer.add_tag("odd", "a\x00b\ud800c")
    (batch,) = drain(buffer)
    assert batch.params == {"long": "x" * 6000}
    assert batch.tags == {"long": "x" * 8000, "odd": "a\ufffdb?c"}


def test_points_of_an_unlearned_metric_wait_and_hold_up_only_points() -> None:
    buffer = Buffer(capacity=10)
    buffer.add_point(Point("loss", 0.5, 1, 0))
    buffer.add_point(Point("loss", 0.4, 1, 1))
    buffer.add_tag("a", "b")
    assert buffer.take() == Batch(tags={"a": "b"})
    buffer.settle()
    assert buffer.take() is None
    assert not buffer.settled(buffer.newest)
    buffer.learn("loss", [0, 1])
    assert buffer.take() is None
    assert buffer.settled(buffer.newest)


def test_batch_that_is_out_is_not_settled() -> None:
    buffer = Buffer(capacity=10)
    buffer.add_tag("a", "b")
    number = buffer.newest
    buffer.take()
    assert not buffer.settled(number)
    buffer.add_tag("c", "d")
    buffer.settle()
    assert buffer.settled(number)
    assert not buffer.settled(buffer.newest)


def test_overflow_drops_the_oldest_points_and_no_params() -> None:
    buffer = Buffer(capacity=3)
    buffer.add_param("lr", "1")
    for step in range(5):
        buffer.add_point(Point("loss", 0.5, 1, step))
    (batch,) = drain(buffer)
    assert batch.params == {"lr": "1"}
    assert [point.step for point in batch.points] == [2, 3, 4]
    assert buffer.overflowed == 2


def test_call_made_twice_comes_out_once() -> None:
    buffer = Buffer(capacity=10)
    buffer.add_call(Call("LogInputs", "{}"))
    buffer.add_call(Call("LogInputs", "{}"))
    assert [batch.call for batch in drain(buffer)] == [Call("LogInputs", "{}")]


def test_forgotten_entries_are_not_sent() -> None:
    buffer = Buffer(capacity=10)
    buffer.add_point(Point("loss", 0.5, 1, 0))
    buffer.forget_unsent()
    assert drain(buffer) == []
    assert buffer.settled(buffer.newest)


def test_parts_of_a_refused_batch_turn_changed_params_into_tags() -> None:
    batch = Batch((Point("loss", 0.5, 1, 0),), {"lr": "2", "depth": "3", "new": "4"}, {"a": "b"})
    kept, changed = batch.parts({"lr": "1", "depth": "3"})
    assert kept == Batch(batch.points, {"depth": "3", "new": "4"}, {"a": "b"})
    assert changed == Batch(tags={"changed_param.lr": "2"})


@given(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5))
def test_parts_of_a_refused_batch_halve_down_to_each_entry(
    point_count: int, param_count: int, tag_count: int
) -> None:
    whole = Batch(
        tuple(Point("loss", 0.5, 1, step) for step in range(point_count)),
        {f"p{number}": "1" for number in range(param_count)},
        {f"t{number}": "1" for number in range(tag_count)},
    )
    singles: list[Batch] = []
    waiting = [whole] if len(whole) else []
    while waiting:
        batch = waiting.pop()
        parts = batch.parts({})
        waiting += parts
        singles += [] if parts else [batch]
    assert all(len(batch) == 1 for batch in singles)
    assert sorted(p.step for batch in singles for p in batch.points) == list(range(point_count))
    assert sorted(k for batch in singles for k in batch.params) == sorted(whole.params)
    assert sorted(k for batch in singles for k in batch.tags) == sorted(whole.tags)


def test_tag_logged_again_in_one_batch_has_its_last_value() -> None:
    buffer = Buffer(capacity=10)
    for value in "abc":
        buffer.add_tag(*Tag("stage", value))
    assert [batch.tags for batch in drain(buffer)] == [{"stage": "c"}]
