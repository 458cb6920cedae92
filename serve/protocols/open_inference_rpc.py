"""The Open Inference Protocol, version 2, over gRPC: requests for inference, metadata and refusals.

Pure, on the messages that open_inference_rpc.proto describes. Tensors come and go as raw bytes or as typed
contents, one or the other for a whole message; answers come as the request did.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import grpc
import numpy as np

from journeyman.models.arrays import Invocation
from journeyman.models.signature import Signature
from journeyman.serve.protocols import open_inference_rpc_pb2 as messages
from journeyman.serve.protocols.errors import RequestError, listed, quoted, refuse
from journeyman.serve.protocols.inference_tensors import (
    DTYPES,
    Described,
    Tensor,
    bytes_of,
    datatype_of,
    inputs_of,
    named_arrays,
    outputs_of,
    read_inputs,
    sizes_of,
)
from journeyman.serve.protocols.invocation import params_among
from journeyman.serve.protocols.open_inference import InferRequest, Wanted, check_output

_CONTENTS = {
    "BOOL": "bool_contents",
    **dict.fromkeys(("INT8", "INT16", "INT32"), "int_contents"),
    "INT64": "int64_contents",
    **dict.fromkeys(("UINT8", "UINT16", "UINT32"), "uint_contents"),
    "UINT64": "uint64_contents",
    "FP32": "fp32_contents",
    "FP64": "fp64_contents",
    "BYTES": "bytes_contents",
}
"""Half precision has none: it travels raw."""

_CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    404: grpc.StatusCode.NOT_FOUND,
    413: grpc.StatusCode.RESOURCE_EXHAUSTED,
    503: grpc.StatusCode.UNAVAILABLE,
    504: grpc.StatusCode.DEADLINE_EXCEEDED,
}


def code_of(error: RequestError) -> grpc.StatusCode:
    """What a refusal is in gRPC."""
    return _CODES.get(error.status, grpc.StatusCode.INTERNAL)


def model_metadata(name: str, version: str, platform: str, signature: Signature) -> Any:
    """What the model takes and gives, as far as it declares it."""
    return messages.ModelMetadataResponse(
        name=name,
        versions=[version],
        platform=platform,
        inputs=map(_metadata, inputs_of(signature)),
        outputs=map(_metadata, outputs_of(signature)),
    )


def _metadata(described: Described) -> Any:
    return messages.ModelMetadataResponse.TensorMetadata(
        name=described.name, datatype=described.datatype, shape=described.shape
    )


# -- reading -------------------------------------------------------------------------------------------


def parse_infer(request: Any, signature: Signature) -> InferRequest:
    """The request, checked. Raises RequestError where it does not fit the model."""
    parameters = {name: _value(parameter) for name, parameter in request.parameters.items()}
    params = params_among(parameters, signature.params)
    raw = bool(request.raw_input_contents)
    declared = [field.name for field in signature.outputs]
    for output in request.outputs:
        check_output(output.name, declared)
    return InferRequest(
        Invocation(read_inputs(_tensors(request), signature), params),
        request.id or None,
        tuple(Wanted(output.name, raw) for output in request.outputs) or None,
        raw,
    )


def _value(parameter: Any) -> Any:
    chosen = parameter.WhichOneof("parameter_choice")
    return getattr(parameter, chosen) if chosen else None


def _tensors(request: Any) -> Mapping[str, Tensor]:
    raw = request.raw_input_contents
    if not request.inputs:
        refuse("inputs must be a list of tensors, of one at least.")
    if raw and len(raw) != len(request.inputs):
        refuse(f"raw_input_contents must be as many as the inputs: {len(request.inputs)}, not {len(raw)}.")
    tensors: dict[str, Tensor] = {}
    for index, each in enumerate(request.inputs):
        where = f"inputs[{index}]"
        if not each.name or each.name in tensors:
            refuse(f"{where} must have a name of its own.")
        if each.datatype not in DTYPES:
            refuse(f"{where} must have a datatype, one of {listed(DTYPES)}.")
        shape = sizes_of(list(each.shape), where)
        if raw and each.HasField("contents"):
            refuse(f"{where} has contents beside raw_input_contents: one of them.")
        data = None if raw else _contents(each, where)
        content = memoryview(raw[index]) if raw else memoryview(b"")
        tensors[each.name] = Tensor(where, each.datatype, shape, data, content)
    return tensors


def _contents(tensor: Any, where: str) -> list[Any]:
    field = _CONTENTS.get(tensor.datatype)
    if field is None:
        refuse(f"{where} is {tensor.datatype}, which travels in raw_input_contents alone.")
    others = [each.name for each, _ in tensor.contents.ListFields() if each.name != field]
    if others:
        refuse(f"{where} is {tensor.datatype} and must come as {field}, not as {listed(others)}.")
    data = list(getattr(tensor.contents, field))
    if field != "bytes_contents":
        return data
    try:
        return [element.decode() for element in data]
    except UnicodeDecodeError:
        refuse(f"{where} holds text that is not UTF-8: send it as raw_input_contents.")


# -- writing -------------------------------------------------------------------------------------------


def render_infer(outputs: Any, request: InferRequest, name: str, version: str) -> Any:
    """The answer. Raises RequestError: 400 for an output that is not there, 500 for one that is no tensor."""
    arrays = named_arrays(outputs)
    names = [wanted.name for wanted in request.outputs] if request.outputs else list(arrays)
    for wanted in names:
        if wanted not in arrays:
            refuse(f"This model has no output {quoted(wanted)}. It has {listed(arrays)}.")
    chosen = {wanted: arrays[wanted] for wanted in names}
    raw = request.binary or any(datatype_of(array.dtype) not in _CONTENTS for array in chosen.values())
    answer = messages.ModelInferResponse(model_name=name, model_version=version, id=request.id or "")
    for wanted, array in chosen.items():
        datatype = datatype_of(array.dtype)
        output = answer.outputs.add(name=wanted, datatype=datatype, shape=array.shape)
        if raw:
            answer.raw_output_contents.append(bytes_of(array))
        else:
            getattr(output.contents, _CONTENTS[datatype]).extend(_elements(array))
    return answer


def _elements(array: np.ndarray) -> list[Any]:
    elements = array.ravel().tolist()
    if array.dtype.kind in "biuf":
        return elements
    return [element.encode() if isinstance(element, str) else element for element in elements]
