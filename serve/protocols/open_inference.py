"""The Open Inference Protocol, version 2, over REST: its paths, its metadata, and requests for inference.

Pure. https://github.com/kserve/open-inference-protocol, with Triton's extension `binary_tensor_data`: tensors
follow the JSON object of a body as bytes, little-endian and row after row, and a header tells where JSON
ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from journeyman.models.arrays import Invocation
from journeyman.models.signature import Signature
from journeyman.serve.protocols.errors import RequestError, listed, nearest, quoted, refuse
from journeyman.serve.protocols.inference_tensors import (
    DTYPES,
    Tensor,
    bytes_of,
    datatype_of,
    inputs_of,
    named_arrays,
    outputs_of,
    read_inputs,
    sizes_of,
    texts_of,
)
from journeyman.serve.protocols.invocation import params_among

JSON_SIZE_HEADER = "inference-header-content-length"
"""How many bytes of a body are JSON, where tensors follow it."""
EXTENSIONS = ("binary_tensor_data",)

_BINARY_SIZE = "binary_data_size"
_CONTENT_TYPE, _BASE64 = "content_type", "base64"
"""By which MLServer and its clients tell how texts are carried."""
_BINARY = "binary_data"
_BINARY_OUTPUT = "binary_data_output"
_SIZE = re.compile("[0-9]{1,12}")
_PATH = re.compile(r"/models/(?P<model>[^/]+)(?:/versions/(?P<version>[^/]+))?(?:/(?P<verb>ready|infer))?")
_OF_THE_SERVER = ("", "/health/live", "/health/ready")


@dataclass(frozen=True, slots=True)
class Route:
    """What a path below `/v2` asks for: the server, where `model` is None, else a model of it."""

    model: str | None
    version: str | None
    verb: str
    """infer, ready, live, or empty for metadata."""


def read_path(path: str) -> Route:
    """`path` without the `/v2` it begins with. Raises RequestError, 404."""
    if path in _OF_THE_SERVER:
        return Route(None, None, path.rpartition("/")[2])
    found = _PATH.fullmatch(path)
    if found is None:
        raise RequestError(
            "Not found: POST to /v2/models/<name>/infer.",
            status=404,
            error_code="ENDPOINT_NOT_FOUND",
        )
    return Route(found["model"], found["version"], found["verb"] or "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output as it is to be sent."""

    name: str
    binary: bool


@dataclass(frozen=True, slots=True)
class InferRequest:
    """One request for inference, checked."""

    invocation: Invocation
    id: str | None
    outputs: tuple[Wanted, ...] | None
    """None: all of them."""
    binary: bool
    """Whether outputs that are not named are sent as bytes."""


# -- metadata ------------------------------------------------------------------------------------------


def server_metadata(version: str) -> bytes:
    """The answer to GET v2."""
    return orjson.dumps({"name": "journeyman", "version": version, "extensions": EXTENSIONS})


def readiness(route: Route) -> bytes:
    """The answer where a server or a model is asked whether it is there; one that answers is."""
    return orjson.dumps({"name": route.model, "ready": True} if route.model else {"live": True})


def model_metadata(name: str, version: str, platform: str, signature: Signature) -> bytes:
    """The answer to GET v2/models/<name>: what it takes and gives, as far as the model declares it."""
    return orjson.dumps(
        {
            "name": name,
            "versions": [version],
            "platform": platform,
            "inputs": inputs_of(signature),
            "outputs": outputs_of(signature),
        }
    )


# -- reading -------------------------------------------------------------------------------------------


def parse_infer(body: bytes, json_size: str | None, signature: Signature) -> InferRequest:
    """The request in `body`, whose first `json_size` bytes are JSON, all of it without.

    Raises RequestError where it is none, or does not fit the model.
    """
    document, tail = _document(body, json_size)
    parameters = _object(document, "parameters", "")
    params = params_among(parameters, signature.params)
    request_id = document.get("id")
    if request_id is not None and type(request_id) is not str:
        refuse("id must be a string.")
    binary = parameters.get(_BINARY_OUTPUT) is True
    return InferRequest(
        Invocation(read_inputs(_tensors_of(document, tail), signature), params),
        request_id,
        _outputs(document.get("outputs"), binary, signature),
        binary,
    )


def _document(body: bytes, json_size: str | None) -> tuple[dict[str, Any], memoryview]:
    size = len(body)
    if json_size is not None:
        if _SIZE.fullmatch(json_size) is None or int(json_size) > len(body):
            raise RequestError(
                f"The header {JSON_SIZE_HEADER} must be how many of the body's {len(body)} bytes are JSON."
            )
        size = int(json_size)
    whole = memoryview(body)
    try:
        document = orjson.loads(whole[:size])
    except orjson.JSONDecodeError as error:
        raise RequestError(
            f"The request is not valid JSON in UTF-8 (line {error.lineno}, column {error.colno})."
        ) from None
    if type(document) is not dict:
        raise RequestError("The request must be a JSON object with a list 'inputs'.")
    return document, whole[size:]


def _tensors_of(document: Mapping[str, Any], tail: memoryview) -> dict[str, Tensor]:
    given = document.get("inputs")
    if type(given) is not list or not given:
        refuse("inputs must be a list of tensors, of one at least.")
    tensors: dict[str, Tensor] = {}
    offset = 0
    for index, each in enumerate(given):
        where = f"inputs[{index}]"
        if type(each) is not dict:
            refuse(f"{where} must be an object with 'name', 'shape', 'datatype' and 'data'.")
        name, datatype, shape = each.get("name"), each.get("datatype"), each.get("shape")
        if type(name) is not str or name in tensors:
            refuse(f"{where} must have a name of its own.")
        if type(datatype) is not str or datatype not in DTYPES:
            refuse(f"{where} must have a datatype, one of {listed(DTYPES)}.")
        shape = sizes_of(shape, where)
        parameters = _object(each, "parameters", where)
        size, encoded = parameters.get(_BINARY_SIZE), parameters.get(_CONTENT_TYPE) == _BASE64
        data = each.get("data")
        if (data is None) == (size is None):
            refuse(f"{where} must have either 'data' or the parameter '{_BINARY_SIZE}'.")
        if size is None:
            size = 0
            if type(data) is not list:
                refuse(f"{where}.data must be a list.")
        elif type(size) is not int or not 0 <= size <= len(tail) - offset:
            refuse(f"{where}: '{_BINARY_SIZE}' does not fit the {len(tail)} bytes that follow the JSON.")
        tensors[name] = Tensor(where, datatype, shape, data, tail[offset : offset + size], encoded)
        offset += size
    if offset != len(tail):
        refuse(f"{len(tail)} bytes follow the JSON, and the inputs name {offset} of them.")
    return tensors


def _outputs(given: Any, binary: bool, signature: Signature) -> tuple[Wanted, ...] | None:
    if given is None:
        return None
    if type(given) is not list:
        refuse("outputs must be a list of objects with a 'name'.")
    known = [field.name for field in signature.outputs]
    wanted = []
    for index, each in enumerate(given):
        where = f"outputs[{index}]"
        if type(each) is not dict or type(name := each.get("name")) is not str:
            refuse(f"{where} must be an object with a 'name'.")
        check_output(name, known)
        asked = _object(each, "parameters", where).get(_BINARY, binary)
        wanted.append(Wanted(name, asked is True))
    return tuple(wanted) or None


def check_output(name: str, known: list[str]) -> None:
    """Raises RequestError where the model is known to have no such output."""
    if known and name not in known:
        refuse(f"This model has no output {quoted(name)}.{nearest(name, known)} It has {listed(known)}.")


def _object(holder: Mapping[str, Any], key: str, where: str) -> dict[str, Any]:
    found = holder.get(key)
    if found is None:
        return {}
    if type(found) is not dict:
        refuse(f"{where}.{key} must be an object." if where else f"{key} must be an object.")
    return found


# -- writing -------------------------------------------------------------------------------------------


def render_infer(
    outputs: Any, request: InferRequest, name: str, version: str
) -> tuple[list[bytes], int | None]:
    """The parts of the answer's body, and how many bytes of it are JSON where tensors follow.

    Raises RequestError: 400 for an output that is not there, 500 for one that is no tensor.
    """
    arrays = named_arrays(outputs)
    wanted = request.outputs or [Wanted(output, request.binary) for output in arrays]
    described, tail = [], []
    for each in wanted:
        if each.name not in arrays:
            refuse(f"This model has no output {quoted(each.name)}. It has {listed(arrays)}.")
        array = arrays[each.name]
        output: dict[str, Any] = {
            "name": each.name,
            "datatype": datatype_of(array.dtype),
            "shape": array.shape,
        }
        if each.binary:
            content = bytes_of(array)
            output["parameters"] = {_BINARY_SIZE: len(content)}
            tail.append(content)
        elif array.dtype.kind in "biuf":
            # orjson knows no half precision, which single precision holds exactly.
            plain = array.astype(np.float32) if array.dtype == np.float16 else array
            output["data"] = np.ascontiguousarray(plain).ravel()
        else:
            output["data"], encoded = texts_of(array)
            if encoded:
                output["parameters"] = {_CONTENT_TYPE: _BASE64}
        described.append(output)
    answer: dict[str, Any] = {"model_name": name, "model_version": version, "outputs": described}
    if request.id is not None:
        answer["id"] = request.id
    head = orjson.dumps(answer, option=orjson.OPT_SERIALIZE_NUMPY)
    return [head, *tail], len(head) if tail else None


def render_error(error: RequestError) -> bytes:
    """The body of a refusal in this protocol."""
    return orjson.dumps({"error": error.message})
