"""Tables of columns as people send them: the same row is the same row by every way, or is refused by name."""

from __future__ import annotations

import json
import struct
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property

from journeyman.models.signature import Signature, read_signature
from journeyman.serve.protocols import invocations, open_inference
from journeyman.serve.protocols.errors import RequestError

CSV = "text/csv"


def columns(*kinds_and_names: tuple[Any, str | None]) -> Signature:
    specs = [ColSpec(kind, name, required=name != "note") for kind, name in kinds_and_names]
    return read_signature(ModelSignature(inputs=Schema(specs)))


VISITS = columns(("string", "country"), ("long", "visits"), ("double", "score"), ("string", "note"))
SEEN = columns(("datetime", "seen"))
ANYTHING = read_signature(None)


def by_csv(text: str, signature: Signature = VISITS) -> pd.DataFrame:
    return invocations.parse(text.encode(), CSV, signature).inputs


def by_json(rows: list[dict[str, Any]], signature: Signature = VISITS) -> pd.DataFrame:
    body = json.dumps({"dataframe_records": rows}).encode()
    return invocations.parse(body, None, signature).inputs


def refusal(body: bytes | str, content_type: str | None = CSV, signature: Signature = VISITS) -> str:
    with pytest.raises(RequestError) as caught:
        invocations.parse(body.encode() if isinstance(body, str) else body, content_type, signature)
    assert caught.value.status == 400
    return caught.value.message


def plain(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [
        {name: None if pd.isna(value) else value for name, value in row.items()}
        for row in table.to_dict("records")
    ]


# -- text ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["NA", "null", "None", "n/a", "nan", "NULL", "<NA>", "-inf", "#N/A", "true"])
def test_words_in_columns_of_text_are_text(word: str) -> None:
    rows = [{"country": word, "visits": 3, "score": 0.5, "note": word}]
    text = f"country,visits,score,note\n{word},3,0.5,{word}\n"
    assert plain(by_csv(text)) == plain(by_json(rows)) == rows


@pytest.mark.parametrize("cell", ["007", "1e5", " DE ", "1_000", "2026-05-01", "１２"])
def test_text_of_digits_is_not_changed(cell: str) -> None:
    assert by_csv(f"country,visits,score\n{cell},1,1\n")["country"].tolist() == [cell]


def test_an_empty_cell_is_missing_in_text_and_in_numbers() -> None:
    table = by_csv("country,visits,score,note\nDE,1,,\nDE,1,NA,x\n")
    assert table["note"].isna().tolist() == [True, False]
    assert table["score"].isna().tolist() == [True, True]


def test_a_model_without_a_schema_is_given_words_as_words() -> None:
    table = by_csv("country,visits,score\nNA,1,NA\nDE,2,1.5\n", ANYTHING)
    assert table["country"].tolist() == ["NA", "DE"]
    assert table["visits"].tolist() == [1, 2]
    assert plain(table)[0]["score"] is None
    assert plain(table)[1]["score"] == 1.5


@settings(max_examples=100, deadline=None)
@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\r\0"), min_size=1), min_size=1))
def test_any_text_arrives_by_csv_as_it_does_by_json(texts: list[str]) -> None:
    frame = pd.DataFrame({"country": texts, "visits": 1, "score": 0.5})
    rows = frame.to_dict("records")
    assert by_csv(frame.to_csv(index=False))["country"].tolist() == texts
    assert by_json(rows)["country"].tolist() == texts


# -- numbers -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "says"),
    [
        ("inf", "column 'visits' holds inf in row 1, which is no whole number"),
        ("-Infinity", "column 'visits' holds -inf in row 1"),
        ("1e400", "column 'visits' holds inf in row 1"),
        ("18446744073709551616", "column 'visits' holds 18446744073709551616 in row 1, which is beyond"),
        ("3.5", "column 'visits' holds 3.5 in row 1, which is no whole number, and this model takes long"),
        ("NaN", "column 'visits' holds null in row 1, and a long cannot be missing"),
        ("", "column 'visits' holds null in row 1"),
        ("1,000", "a row has more cells than the 3 names"),
        ('"1,000"', "column 'visits' holds '1,000' in row 1, which is text, and this model takes long"),
        ("0x10", "column 'visits' holds '0x10' in row 1"),
        ("1_000", "column 'visits' holds '1_000' in row 1"),
        ("true", "column 'visits' holds 'true' in row 1"),
        ("9" * 5000, "column 'visits' holds inf in row 1"),
    ],
)
def test_a_cell_that_is_no_whole_number_is_named(cell: str, says: str) -> None:
    assert says in refusal(f"country,visits,score\nDE,{cell},0.5\n")


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e999"])
def test_an_infinity_is_no_number_of_a_table(cell: str) -> None:
    assert "column 'score' holds" in refusal(f"country,visits,score\nDE,1,0.5\nDE,1,{cell}\n")
    assert "in row 2, which is beyond the range of double" in refusal(
        f"country,visits,score\nDE,1,0.5\nDE,1,{cell}\n"
    )


def test_the_cell_among_numbers_that_is_none_is_told() -> None:
    assert "column 'score' holds 'n.a.' in row 3" in refusal(
        "country,visits,score\nDE,1,0.5\nDE,2,0.25\nDE,3,n.a.\n"
    )


def test_whole_numbers_keep_all_their_digits() -> None:
    large = 2**63 - 1
    assert by_csv(f"country,visits,score\nDE,{large},1\nDE,3.0,1\n")["visits"].tolist() == [large, 3]
    rows = [{"country": "DE", "visits": value, "score": 1} for value in (large, 3.0)]
    assert by_json(rows)["visits"].tolist() == [large, 3]


def infer(value: float) -> Any:
    inputs = [
        {"name": "country", "datatype": "BYTES", "shape": [1], "data": ["DE"]},
        {"name": "score", "datatype": "FP64", "shape": [1], "data": [0.5]},
        {"name": "visits", "datatype": "FP64", "shape": [1], "parameters": {"binary_data_size": 8}},
    ]
    head = json.dumps({"inputs": inputs}).encode()
    body = head + struct.pack("<d", value)
    return open_inference.parse_infer(body, str(len(head)), VISITS).invocation.inputs


@pytest.mark.parametrize("value", [float("inf"), float("nan"), -float("inf"), 3.5, 1e300])
def test_a_double_that_is_no_whole_number_is_refused_as_bytes_too(value: float) -> None:
    with pytest.raises(RequestError, match="column 'visits' holds"):
        infer(value)
    assert infer(3.0)["visits"].tolist() == [3]


@pytest.mark.parametrize("cell", ["inf", "1e400"])
def test_an_infinity_in_a_matrix_of_whole_numbers_is_refused(cell: str) -> None:
    matrix = read_signature(ModelSignature(inputs=Schema([tensor_spec("int64", 2)])))
    assert "csv holds a number that is not finite" in refusal(f"a,b\n1,{cell}\n", CSV, matrix)


def tensor_spec(dtype: str, size: int) -> Any:
    return TensorSpec(np.dtype(dtype), (-1, size))


# -- names ---------------------------------------------------------------------------------------------


def test_a_column_that_is_there_twice_is_refused_by_its_name() -> None:
    twice = "column 'visits' is there twice"
    assert twice in refusal("country,visits,score,visits\nDE,1,0.5,2\n")
    assert twice in refusal("country,visits,visits\nDE,1,0.5\n", CSV, ANYTHING)
    names = ["country", "visits", "score", "visits"]
    split = json.dumps({"dataframe_split": {"columns": names, "data": [["DE", 1, 0.5, 2]]}})
    assert twice in refusal(split, None)
    assert twice in refusal(split, None, ANYTHING)


def test_a_byte_order_mark_and_blank_lines_are_no_part_of_a_name() -> None:
    assert by_csv("\ufeffcountry,visits,score\r\nDE,1,0.5\r\n\r\n")["country"].tolist() == ["DE"]


def test_other_separators_are_told() -> None:
    assert "Columns are separated by commas, not by ';'" in refusal("country;visits;score\nDE;1;0,5\n")


def test_rows_of_other_lengths_are_refused() -> None:
    assert "more cells than the 3 names" in refusal("country,visits,score\nDE,1,0.5,9\n")
    split = {"columns": ["country", "visits", "score"], "data": [["DE", 1, 0.5], ["DE", 1]]}
    assert "data[1] has 2 values where 3" in refusal(json.dumps({"dataframe_split": split}), None)


# -- dates ---------------------------------------------------------------------------------------------

INSTANT = pd.Timestamp("2026-05-01 10:00:00")


@pytest.mark.parametrize(
    "text",
    [
        "2026-05-01T10:00:00",
        "2026-05-01 10:00:00",
        "2026-05-01T10:00:00.000Z",
        "2026-05-01T10:00:00Z",
        "2026-05-01T10:00:00+00:00",
        "2026-05-01T12:00:00+02:00",
        "2026-05-01T05:30:00.000000000-04:30",
        "2026-05-01 12:00:00 +0200",
        "2026-05-01T10:00",
        "2026-05-01t10:00:00z",
        "2026-05-01T10:00:00,000Z",
        "2026-05-01T12:00:00+02:00[Europe/Berlin]",
        "20260501T100000Z",
    ],
)
def test_a_zoned_date_is_the_instant_that_it_names(text: str) -> None:
    by_each = [
        by_json([{"seen": text}, {"seen": None}], SEEN),
        by_csv(f'seen\n"{text}"\n""\n', SEEN),
    ]
    for table in by_each:
        assert (table["seen"].tolist()[0], str(table["seen"].dtype)) == (INSTANT, "datetime64[ns]")
        assert table["seen"].isna().tolist() == [False, True]


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("yesterday", "holds 'yesterday' in row 1, which is not a date in ISO 8601"),
        ("05/01/2026", "holds '05/01/2026' in row 1"),
        ("2026", "holds '2026' in row 1"),
        ("", "holds '' in row 1"),
        ("2026-02-30", "holds '2026-02-30' in row 1"),
        ("2026-05-01T10:00:00[Europe/Berlin]", "which is not a date"),
        ("Fri, 01 May 2026 10:00:00 GMT", "which is not a date in ISO 8601 such as 2026-05-01T10:00:00Z"),
        ("9999-12-31", "holds '9999-12-31' in row 1, which is beyond the years"),
        (
            1777629600000,
            "holds 1777629600000 in row 1, which is a number, and this model takes a date in ISO",
        ),
        (1777629600.5, "which is a number"),
        (True, "which is a boolean"),
        ({"$date": 1}, "holds an object in row 1"),
    ],
)
def test_what_is_no_date_is_named_with_the_form_that_is_taken(value: Any, says: str) -> None:
    message = refusal(json.dumps({"dataframe_records": [{"seen": value}]}), None, SEEN)
    assert "column 'seen'" in message
    assert says in message


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(datetime(1700, 1, 1), datetime(2200, 1, 1)),
    st.integers(-14 * 60, 14 * 60),
)
def test_every_instant_with_its_zone_is_that_instant(moment: datetime, offset_min: int) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(timezone(timedelta(minutes=offset_min)))
    assert by_json([{"seen": there.isoformat()}], SEEN)["seen"].tolist() == [pd.Timestamp(moment)]


def test_a_value_in_a_refusal_is_cut() -> None:
    message = refusal(json.dumps({"dataframe_records": [{"seen": "x" * 10_000}]}), None, SEEN)
    assert len(message) < 300


# -- lists and objects in columns --------------------------------------------------------------------------

NESTED = read_signature(
    ModelSignature(
        inputs=Schema(
            [
                ColSpec(Array(DataType.double), "signal"),
                ColSpec(Array(Array(DataType.long)), "grid", required=False),
                ColSpec(
                    Object(
                        [Property("city", DataType.string), Property("zip", DataType.long, required=False)]
                    ),
                    "home",
                    required=False,
                ),
                ColSpec(Map(DataType.double), "scores", required=False),
            ]
        )
    )
)


def test_whole_numbers_are_doubles_in_a_list_too() -> None:
    # JavaScript writes 1.0 as 1.
    row = {"signal": [1, 2], "grid": [[1, 2], [3]], "home": {"city": "Rome"}, "scores": {"a": 1}}
    table = by_json([row, {"signal": [0.5, None, 3]}], NESTED)
    assert table["signal"].tolist()[0] == [1.0, 2.0]
    assert {type(each) for each in table["signal"].tolist()[0]} == {float}
    assert np.isnan(table["signal"].tolist()[1][1])
    assert table["grid"].tolist()[0] == [[1, 2], [3]]
    assert table["home"].tolist()[0] == {"city": "Rome"}
    body = json.dumps({"inputs": [row]})
    assert invocations.parse(body.encode(), None, NESTED).inputs["signal"].tolist() == [[1.0, 2.0]]


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"signal": [1, "2"]}, "column 'signal' holds '2' in row 1 at [1], which is text, and this model"),
        ({"signal": None}, "column 'signal' holds null in row 1, and a list cannot be missing"),
        ({"signal": 3}, "column 'signal' holds 3 in row 1, which is a number, and this model takes a list"),
        (
            {"signal": [], "grid": [[1], [2.5]]},
            "column 'grid' holds 2.5 in row 1 at [1][0], which is no whole",
        ),
        ({"signal": [], "grid": [[1], None]}, "column 'grid' holds null in row 1 at [1], and a list cannot"),
        ({"signal": [], "home": {"zip": 1}}, "column 'home' holds an object in row 1 that lacks 'city'"),
        ({"signal": [], "home": {"city": 5}}, "column 'home' holds 5 in row 1 at city, which is a number"),
        (
            {"signal": [], "home": {"citi": "x"}},
            "with 'citi', which this model does not take. Did you mean 'city'",
        ),
        (
            {"signal": [], "scores": {"a": "high"}},
            "column 'scores' holds 'high' in row 1 at a, which is text",
        ),
    ],
)
def test_what_is_wrong_within_a_list_or_an_object_is_named_by_its_place(
    row: dict[str, Any], says: str
) -> None:
    assert says in refusal(json.dumps({"dataframe_records": [row]}), None, NESTED)
