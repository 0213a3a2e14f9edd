"""Protobuf's wire format, for what the generated classes refuse to write
(developers.google.com/protocol-buffers: "Encoding")."""

from google.protobuf.message import Message

LENGTH_DELIMITED = 2
UNKNOWN_FIELD = 12345
MODEL_GRAPH, GRAPH_NODE, NODE_ATTRIBUTE, ATTRIBUTE_GRAPH = 7, 1, 5, 6


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7f:
        out.append(number & 0x7f | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def field(number: int, payload: bytes) -> bytes:
    """A field that holds bytes, text or a message."""
    tag = number << 3 | LENGTH_DELIMITED
    return varint(tag) + varint(len(payload)) + payload


def with_unknown_fields(message: Message) -> bytes:
    """The message with a field that no version of ONNX defines at its end
    and at the end of every message inside it."""
    out = b""
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            out += only_field(message, descriptor.name).SerializeToString()
            continue
        repeated = descriptor.label == descriptor.LABEL_REPEATED
        for child in value if repeated else [value]:
            out += field(descriptor.number, with_unknown_fields(child))
    note = f"unknown to {type(message).__name__}"
    return out + field(UNKNOWN_FIELD, note.encode())


def only_field(message: Message, name: str) -> Message:
    """A copy of which only the field `name` is left."""
    copy = type(message)()
    copy.CopyFrom(message)
    for descriptor, _ in message.ListFields():
        if descriptor.name != name:
            copy.ClearField(descriptor.name)
    return copy
