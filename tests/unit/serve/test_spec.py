"""What a service spec takes and what it refuses."""

from __future__ import annotations

from typing import Any

import pytest

from journeyman.cluster.spec_file import parse
from journeyman.errors import SpecError
from journeyman.serve.spec import ModelReference, ServiceSpec, model_reference

WRITTEN: dict[str, Any] = {"kind": "service", "name": "digits", "model": "models:/digits@champion"}


def parsed(**changes: Any) -> ServiceSpec:
    return parse(ServiceSpec, WRITTEN | changes, "service.yaml")


@pytest.mark.parametrize(
    ("model", "reference"),
    [
        ("models:/digits@champion", ModelReference("digits", "champion", None)),
        ("models:/digits/3", ModelReference("digits", None, "3")),
        ("models:/a model.v2/12", ModelReference("a model.v2", None, "12")),
        ("models:/me@home@champion", ModelReference("me@home", "champion", None)),
        ("models:/me@home/3", ModelReference("me@home", None, "3")),
    ],
)
def test_model_reference_of_each_form_is_taken_apart_and_written_alike(
    model: str, reference: ModelReference
) -> None:
    assert model_reference(parsed(model=model)) == reference
    assert str(reference) == model


@pytest.mark.parametrize(
    "model", ["digits", "models:/digits", "models:/digits/latest", "models:/digits/0", "models:/digits@", ""]
)
def test_model_of_another_form_is_refused_with_the_right_one(model: str) -> None:
    with pytest.raises(SpecError, match="models:/name@alias or models:/name/3"):
        parsed(model=model)


def test_spec_that_was_stored_reads_back_the_same() -> None:
    spec = parsed(replicas="1..4", resources={"cpus": 2, "memory": "1GiB"}, env={"A": "b"})
    assert ServiceSpec.model_validate_json(spec.model_dump_json()) == spec


def test_replicas_from_zero_are_refused_with_what_to_write() -> None:
    with pytest.raises(SpecError, match=r"scaling to zero is not supported yet; write 1\.\.4"):
        parsed(replicas="0..4")


def test_unknown_key_is_refused_with_the_nearest() -> None:
    with pytest.raises(SpecError, match="did you mean 'replicas'"):
        parsed(replica=2)
