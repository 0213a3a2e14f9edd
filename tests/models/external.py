"""Models whose tensors stand in a file beside them: ONNX's external data."""

from typing import Optional

from onnx import ModelProto, TensorProto, helper

from builder import FLOAT, Net, recipe

PAGE = 4096  # tensors begin at multiples of it, as exporters align them


def external_tensor(name: str, dims: list[int], location: str,
                    offset: Optional[object] = None,
                    length: Optional[object] = None) -> TensorProto:
    """A float32 tensor whose content is elsewhere; None: key not written."""
    tensor = TensorProto(name=name, data_type=FLOAT, dims=dims,
                         data_location=TensorProto.EXTERNAL)
    for key, value in (("location", location), ("offset", offset),
                       ("length", length)):
        if value is not None:
            tensor.external_data.add(key=key, value=str(value))
    return tensor


def two_convs(kernels: list[TensorProto]) -> ModelProto:
    """Conv 3 -> 8, Conv 8 -> 4 with the given weights."""
    net = Net("external", seed=50)
    first, second = [net.tensor(kernel) for kernel in kernels]
    bias = net.const("bias", net.weight([8]))
    x = net.node("Conv", [net.image(), first, bias], pads=[1] * 4)
    net.conv_with(net.silu(x), second, out="y")
    net.output("y", [1, 4, 8, 8])
    return net.model()


def kernel_bytes(shape: list[int]) -> bytes:
    return Net("external", seed=sum(shape)).weight(shape).tobytes()


FIRST, SECOND = [8, 3, 3, 3], [4, 8, 3, 3]


@recipe("external.onnx", "two tensors in external.onnx.data, with offset and "
        "length, the second at a page boundary; a small one inside")
def external() -> ModelProto:
    return two_convs([
        external_tensor("first", FIRST, "external.onnx.data", 0, 864),
        external_tensor("second", SECOND, "external.onnx.data", PAGE, 1152)])


@recipe("external.onnx.data", "the tensors of external.onnx")
def external_data() -> bytes:
    first = kernel_bytes(FIRST)
    return first.ljust(PAGE, b"\0") + kernel_bytes(SECOND)


@recipe("external_no_length.onnx", "location alone: the tensor is the whole "
        "file; the second tensor has an offset and no length")
def external_no_length() -> ModelProto:
    return two_convs([
        external_tensor("first", FIRST, "external_first.bin"),
        external_tensor("second", SECOND, "external.onnx.data", PAGE)])


@recipe("external_first.bin", "the first tensor of external_no_length.onnx")
def external_first() -> bytes:
    return kernel_bytes(FIRST)


@recipe("external_folder.onnx", "a tensor in a file of a folder beside the "
        "model, with a checksum")
def external_folder() -> ModelProto:
    kernels = [external_tensor("first", FIRST, "external_folder/first.bin"),
               external_tensor("second", SECOND, "external.onnx.data", PAGE)]
    kernels[0].external_data.add(key="checksum", value="not looked at")
    return two_convs(kernels)


@recipe("external_folder/first.bin", "the first tensor of "
        "external_folder.onnx")
def external_folder_first() -> bytes:
    return kernel_bytes(FIRST)


@recipe("external_constant.onnx", "a Constant node whose tensor is external")
def external_constant() -> ModelProto:
    net = Net("external_constant", seed=51)
    kernel = external_tensor("", FIRST, "external.onnx.data", 0, 864)
    weight = helper.make_node("Constant", [], ["kernel"], value=kernel)
    net.nodes.append(weight)
    net.conv_with(net.image(), "kernel", out="y")
    net.output("y", [1, 8, 8, 8])
    return net.model()
