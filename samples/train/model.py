"""A small detector with the structure of YOLOv8: CSP backbone, PAN neck and a
decoupled, anchor-free head on strides 8, 16 and 32.

The modules are numbered and named as in Ultralytics' exports, so that the ONNX
graph has the layer names that tools for such models expect. In training mode
the network returns raw box distributions and class logits; in evaluation mode
it decodes them in the graph to [B, 4+C, A]: x y w h in pixels of the input and
class probabilities. Letterboxing and NMS are in detection.py.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

INPUT_SIZE = 320
STRIDES = (8, 16, 32)
REG_MAX = 16


class Conv(nn.Module):
    """Convolution without bias, batch normalization, SiLU."""

    def __init__(self, c_in: int, c_out: int, k: int = 1, s: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c_in, c_out, k, s, k // 2, bias=False)
        self.bn = nn.BatchNorm2d(c_out, eps=1e-3, momentum=0.03)
        self.act = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class Bottleneck(nn.Module):
    """Two 3x3 convolutions, with a residual connection if `add`."""

    def __init__(self, channels: int, add: bool) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels, 3)
        self.cv2 = Conv(channels, channels, 3)
        self.add = add

    def forward(self, x: Tensor) -> Tensor:
        y = self.cv2(self.cv1(x))
        return x + y if self.add else y


class C2f(nn.Module):
    """CSP block: half of the channels pass a bottleneck, all are merged."""

    def __init__(self, c_in: int, c_out: int, add: bool = False) -> None:
        super().__init__()
        self.half = c_out // 2
        self.cv1 = Conv(c_in, c_out)
        self.cv2 = Conv(3 * self.half, c_out)
        self.m = nn.ModuleList([Bottleneck(self.half, add)])

    def forward(self, x: Tensor) -> Tensor:
        y = list(self.cv1(x).split(self.half, 1))
        y.extend(m(y[-1]) for m in self.m)
        return self.cv2(torch.cat(y, 1))


class SPPF(nn.Module):
    """Spatial pyramid pooling: three 5x5 max-poolings in a row."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.cv1 = Conv(channels, channels // 2)
        self.cv2 = Conv(2 * channels, channels)
        self.m = nn.MaxPool2d(5, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = [self.cv1(x)]
        for _ in range(3):
            y.append(self.m(y[-1]))
        return self.cv2(torch.cat(y, 1))


class Concat(nn.Module):
    """Joins feature maps along the channels."""

    def forward(self, x: list[Tensor]) -> Tensor:
        return torch.cat(x, 1)


class DFL(nn.Module):
    """Expectation over each side's distribution, as a fixed 1x1 convolution
    with the weights 0..REG_MAX-1 (Li et al. 2020, Generalized Focal Loss)."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(REG_MAX, 1, 1, bias=False).requires_grad_(False)
        self.conv.weight.data[:] = torch.arange(REG_MAX).view(1, -1, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, _, a = x.shape
        x = x.view(b, 4, REG_MAX, a).transpose(2, 1).softmax(1)
        return self.conv(x).view(b, 4, a)


class Detect(nn.Module):
    """Decoupled head: `cv2` predicts box distributions, `cv3` class logits."""

    def __init__(self, channels: tuple[int, ...], classes: int,
                 hidden: int) -> None:
        super().__init__()
        self.classes = classes
        self.cv2 = self._branches(channels, hidden, 4 * REG_MAX)
        self.cv3 = self._branches(channels, hidden, classes)
        self.dfl = DFL()
        anchors, strides = make_anchors()
        self.register_buffer("anchors", anchors, persistent=False)
        self.register_buffer("strides", strides, persistent=False)
        self._init_biases()

    @staticmethod
    def _branches(channels: tuple[int, ...], hidden: int,
                  c_out: int) -> nn.ModuleList:
        return nn.ModuleList([
            nn.Sequential(Conv(c, hidden, 3), Conv(hidden, hidden, 3),
                          nn.Conv2d(hidden, c_out, 1)) for c in channels])

    def _init_biases(self) -> None:
        """Starts from short boxes and about 5 objects in an image."""
        for box, cls, stride in zip(self.cv2, self.cv3, STRIDES):
            cells = (INPUT_SIZE / stride) ** 2
            box[-1].bias.data[:] = 1.0
            cls[-1].bias.data[:] = math.log(5 / self.classes / cells)

    def forward(self, x: list[Tensor]) -> Tensor | tuple[Tensor, Tensor]:
        b = x[0].shape[0]
        boxes = torch.cat([cv(f).view(b, 4 * REG_MAX, -1)
                           for cv, f in zip(self.cv2, x)], -1)
        if self.training:
            return boxes, self._class_logits(x)
        left_top, right_bottom = self.dfl(boxes).split(2, 1)
        xy1 = self.anchors - left_top
        xy2 = self.anchors + right_bottom
        xywh = torch.cat([(xy1 + xy2) / 2, xy2 - xy1], 1) * self.strides
        return torch.cat([xywh, self._class_logits(x).sigmoid()], 1)

    def _class_logits(self, x: list[Tensor]) -> Tensor:
        b = x[0].shape[0]
        return torch.cat([cv(f).view(b, self.classes, -1)
                          for cv, f in zip(self.cv3, x)], -1)


class Detector(nn.Module):
    """The network. Input [B,3,320,320], RGB 0..1.

    Training: ([B,4*REG_MAX,A], [B,C,A]), both logits. Evaluation: [B,4+C,A].
    A is the number of anchors of the three grids, 2100.
    """

    def __init__(self, classes: int) -> None:
        super().__init__()
        c1, c2, c3, c4, c5 = 16, 24, 40, 64, 72
        # (sources, module); -1 is the layer before, as in Ultralytics' YAML.
        layers: list[tuple[list[int], nn.Module]] = [
            ([-1], Conv(3, c1, 3, 2)),                  # 0, 160x160
            ([-1], Conv(c1, c2, 3, 2)),                 # 1, 80x80
            ([-1], C2f(c2, c2, add=True)),
            ([-1], Conv(c2, c3, 3, 2)),                 # 3, 40x40
            ([-1], C2f(c3, c3, add=True)),
            ([-1], Conv(c3, c4, 3, 2)),                 # 5, 20x20
            ([-1], C2f(c4, c4, add=True)),
            ([-1], Conv(c4, c5, 3, 2)),                 # 7, 10x10
            ([-1], C2f(c5, c5, add=True)),
            ([-1], SPPF(c5)),
            ([-1], nn.Upsample(scale_factor=2.0, mode="nearest")),
            ([-1, 6], Concat()),
            ([-1], C2f(c5 + c4, c4)),                   # 12
            ([-1], nn.Upsample(scale_factor=2.0, mode="nearest")),
            ([-1, 4], Concat()),
            ([-1], C2f(c4 + c3, c3)),                   # 15, stride 8
            ([-1], Conv(c3, c3, 3, 2)),
            ([-1, 12], Concat()),
            ([-1], C2f(c3 + c4, c4)),                   # 18, stride 16
            ([-1], Conv(c4, c4, 3, 2)),
            ([-1, 9], Concat()),
            ([-1], C2f(c4 + c5, c5)),                   # 21, stride 32
            ([15, 18, 21], Detect((c3, c4, c5), classes, hidden=24)),
        ]
        self.sources = [sources for sources, _ in layers]
        self.model = nn.ModuleList(module for _, module in layers)

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        maps: list[Tensor] = []
        for sources, module in zip(self.sources, self.model):
            inputs = [maps[i] if maps else x for i in sources]
            maps.append(module(inputs if len(sources) > 1 else inputs[0]))
        return maps[-1]


def make_anchors() -> tuple[Tensor, Tensor]:
    """Cell centres in cells [1,2,A] and strides in pixels [1,1,A]."""
    points, strides = [], []
    for stride in STRIDES:
        side = torch.arange(INPUT_SIZE // stride) + 0.5
        ys, xs = torch.meshgrid(side, side, indexing="ij")
        points.append(torch.stack([xs, ys]).view(2, -1))
        strides.append(torch.full((1, points[-1].shape[1]), float(stride)))
    return torch.cat(points, 1)[None], torch.cat(strides, 1)[None]
