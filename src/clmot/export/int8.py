"""Eight bits instead of thirty-two: post-training static quantisation of an ONNX graph (Jacob et al. 2018)."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clmot.errors import UserError, reason_of
from clmot.io.runtimes import Array, import_extra

if TYPE_CHECKING:
    from onnx import ModelProto

QUANTISED = ("Conv", "Clip", "Relu")
"""Convolutions, and the activations after them: rounded between the two, an integer kernel could not do both at once.

Everything else stays float32: the pixels' normalisation, the colour histogram, peaks and embedding pooling.
"""

FLOAT_LAYERS = ".out.weight"
"""End of the name of weights that stay float32: of the last layer of each head, a 1x1 convolution to few channels that
says whether a cell is a peak, and where a box ends."""


def quantise(model: ModelProto, inputs: Iterator[dict[str, Array]]) -> ModelProto:
    """A graph whose convolutions compute in integers, with a scale for each channel of their weights.

    Values between layers are unsigned with eight bits, over the range that they have in `inputs`. Weights have seven:
    processors of the x86 kind without VNNI add two products in sixteen bits, which eight would overflow.

    Args:
        model: in float32.
        inputs: what to calibrate on, by name.

    Returns:
        The graph with pairs of QuantizeLinear and DequantizeLinear, which runtimes turn into integer kernels; without
        the metadata.

    Raises:
        UserError: an image cannot be read, or the quantiser cannot deal with the graph.
    """
    import onnx

    quantization = import_extra("onnxruntime.quantization", "onnx")
    shape_inference = import_extra("onnxruntime.quantization.shape_inference", "onnx")
    with tempfile.TemporaryDirectory() as folder:
        source, prepared, made = (str(Path(folder) / f"{name}.onnx") for name in ("float32", "prepared", "int8"))
        onnx.save(model, source)  # which keeps it in one piece, where the function's own way does not
        try:
            # what is known of shapes is enough; the symbolic inference does not know every operation
            shape_inference.quant_pre_process(source, prepared, skip_symbolic_shape=True)
            quantization.quantize_static(
                prepared,
                made,
                _reader(quantization, inputs),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(QUANTISED),
                nodes_to_exclude=_float_nodes(onnx.load(prepared)),
                per_channel=True,
                reduce_range=True,
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
            )
        except UserError:
            raise  # of the images
        except Exception as error:  # the quantiser has no errors of its own
            reason = reason_of(error)
            raise UserError(f"export: this network cannot be quantised ({reason}); leave out --int8") from error
        return onnx.load(made)


def _float_nodes(model: ModelProto) -> list[str]:
    return [
        node.name
        for node in model.graph.node
        if node.op_type == "Conv" and any(name.endswith(FLOAT_LAYERS) for name in node.input)
    ]


def _reader(quantization: Any, inputs: Iterator[dict[str, Array]]) -> Any:
    class Reader(quantization.CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Array] | None:
            return next(inputs, None)

    return Reader()
