#!/usr/bin/python3
"""Images come out, pixel by pixel, as OpenCV's imread(IMREAD_COLOR) reads them:
`compress infer` of a model that gives its input back, in images' own sizes.

Skipped without python3-opencv, python3-pil or python3-onnx.
"""

import io
import struct
import subprocess
import sys

try:
    import cv2
    import numpy as np
    from onnx import TensorProto, helper, save
    from PIL import Image
except ImportError as missing:
    print(missing)
    sys.exit(77)

ORIENTATION, SHORT = 0x112, 3
WIDTH, HEIGHT = 45, 26


def write_identity():
    x, y = (helper.make_tensor_value_info(name, TensorProto.UINT8,
                                          [1, 3, "h", "w"]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])],
                              "g", [x], [y])
    save(helper.make_model(graph, ir_version=8, opset_imports=[
        helper.make_opsetid("", 17)]), "identity.onnx")


def picture(channels):
    """Smooth, and not the same anywhere."""
    random = np.random.default_rng(channels)
    small = random.integers(0, 256, (6, 9, channels), np.uint8)
    return cv2.resize(small, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)


def jpeg(channels=3, **options):
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    file = io.BytesIO()
    Image.fromarray(picture(channels), mode).save(file, "JPEG", **options)
    return file.getvalue()


def exif(orientation, order):
    mark = {"<": b"II", ">": b"MM"}[order]
    return b"Exif\0\0" + mark + struct.pack(
        order + "HIHHHIHHI", 42, 8, 1, ORIENTATION, SHORT, 1, orientation, 0,
        0)


def with_app1(file, *bodies):
    """The file of a JPEG with segments behind its first marker."""
    return file[:2] + b"".join(b"\xff\xe1" + struct.pack(">H", len(b) + 2) + b
                               for b in bodies) + file[2:]


def png(image):
    return cv2.imencode(".png", image)[1].tobytes()


def files():
    """(name, bytes)"""
    for i in range(10):
        yield f"exif{i}.jpg", with_app1(jpeg(subsampling=i % 3),
                                        exif(i, "<>"[i % 2]))
    xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>"
    yield "xmp.jpg", with_app1(jpeg(), exif(6, ">"), xmp)
    yield "xmp-first.jpg", with_app1(jpeg(), xmp, exif(6, ">"))
    yield "broken-exif.jpg", with_app1(jpeg(), b"Exif\0\0MM\0")
    for progressive in (False, True):
        for channels in (1, 3, 4):
            yield (f"{channels}-{progressive}.jpg",
                   jpeg(channels, progressive=progressive, quality=90))
    yield "cmyk-turned.jpg", with_app1(jpeg(4), exif(5, "<"))
    yield "more-behind.jpg", jpeg() + b"more" * 100
    yield "restarts.jpg", cv2.imencode(
        ".jpg", picture(3), [cv2.IMWRITE_JPEG_RST_INTERVAL, 2])[1].tobytes()
    yield "grey.png", png(picture(1))
    yield "alpha.png", png(picture(4))
    random = np.random.default_rng(0)
    yield "16-bit.png", png(random.integers(
        0, 1 << 16, (HEIGHT, WIDTH, 3), np.uint16))
    yield "16-bit-grey.png", png(random.integers(
        0, 1 << 16, (HEIGHT, WIDTH), np.uint16))
    file = io.BytesIO()
    Image.fromarray(picture(3)).save(file, "PNG",
                                     exif=exif(6, ">"))
    yield "exif.png", file.getvalue()
    yield "1x1.jpg", cv2.imencode(".jpg", picture(3)[:1, :1])[1].tobytes()


def differs(name, content):
    with open(name, "wb") as file:
        file.write(content)
    image = cv2.imread(name)
    height, width = image.shape[:2]
    subprocess.run(["compress", "infer", "identity.onnx", "-i", name, "-o",
                    "y.raw", "--shape", f"1x3x{height}x{width}", "--force",
                    "--quiet"], check=True)
    found = np.fromfile("y.raw", "uint8").reshape(3, height, width)
    if np.array_equal(found, image[:, :, ::-1].transpose(2, 0, 1)):
        return False
    print(f"{name} {width}x{height}: differs")
    return True


def main():
    write_identity()
    sys.exit(sum(differs(*file) for file in files()) > 0)


main()
