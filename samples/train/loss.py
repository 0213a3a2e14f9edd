"""The training loss: task-aligned assignment, BCE, CIoU and DFL.

Assignment after Feng et al. 2021 (TOOD): an anchor inside an object scores
p^alpha * IoU^beta, and each object takes its topk best anchors. CIoU is by
Zheng et al. 2020, the distribution focal loss by Li et al. 2020. Boxes are
x1 y1 x2 y2 in pixels unless a name says otherwise.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from model import REG_MAX, make_anchors

TOPK, ALPHA, BETA = 10, 0.5, 6.0
BOX_GAIN, CLS_GAIN, DFL_GAIN = 7.5, 0.5, 1.5
EPS = 1e-9


class Targets(NamedTuple):
    """What each anchor should predict.

    boxes:  [B,A,4]; scores: [B,A,C], the soft class targets;
    positive: [B,A] bool, the anchors that were given an object.
    """

    boxes: Tensor
    scores: Tensor
    positive: Tensor


def ciou(a: Tensor, b: Tensor) -> Tensor:
    """Complete IoU of boxes [...,4] that broadcast against each other."""
    a_wh, b_wh = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    inter = (low[..., 2:] - high[..., :2]).clamp(min=0).prod(-1)
    union = a_wh.prod(-1) + b_wh.prod(-1) - inter + 1e-7
    iou = inter / union
    hull = high[..., 2:] - low[..., :2]
    diagonal = (hull ** 2).sum(-1) + 1e-7
    apart = a[..., :2] + a[..., 2:] - b[..., :2] - b[..., 2:]
    distance = (apart ** 2).sum(-1) / 4
    slope = (torch.atan(b_wh[..., 0] / (b_wh[..., 1] + 1e-7))
             - torch.atan(a_wh[..., 0] / (a_wh[..., 1] + 1e-7)))
    v = 4 / math.pi ** 2 * slope ** 2
    with torch.no_grad():
        weight = v / (v - iou + 1 + 1e-7)
    return iou - distance / diagonal - weight * v


@torch.no_grad()
def assign(scores: Tensor, boxes: Tensor, centres: Tensor, gt_boxes: Tensor,
           gt_labels: Tensor, gt_mask: Tensor) -> Targets:
    """Gives anchors to objects.

    scores [B,A,C] probabilities; boxes [B,A,4]; centres [A,2] pixels;
    gt_boxes [B,G,4], gt_labels [B,G], gt_mask [B,G] false where padded.
    """
    b, a, c = scores.shape
    g = gt_boxes.shape[1]
    margins = torch.cat([centres - gt_boxes[:, :, None, :2],
                         gt_boxes[:, :, None, 2:] - centres], -1)
    inside = (margins.amin(-1) > EPS) & gt_mask[:, :, None]       # [B,G,A]
    overlap = ciou(gt_boxes[:, :, None], boxes[:, None]).clamp(min=0)
    overlap = overlap * inside
    labels = gt_labels[:, :, None].expand(b, g, a)
    p = scores.transpose(1, 2).gather(1, labels)
    metric = p ** ALPHA * overlap ** BETA * inside                # [B,G,A]

    best = metric.topk(TOPK, dim=-1).indices
    chosen = torch.zeros_like(inside).scatter_(-1, best, True) & inside
    owner = (overlap * chosen).argmax(1, keepdim=True)            # [B,1,A]
    chosen &= torch.zeros_like(chosen).scatter_(1, owner, True)

    metric, overlap = metric * chosen, overlap * chosen
    scale = (overlap.amax(-1, keepdim=True)
             / (metric.amax(-1, keepdim=True) + EPS))
    strength = (metric * scale).amax(1)                           # [B,A]
    owner = owner[:, 0]
    target_boxes = gt_boxes.gather(1, owner[:, :, None].expand(b, a, 4))
    one_hot = F.one_hot(gt_labels.gather(1, owner), c)
    return Targets(target_boxes, one_hot * strength[:, :, None],
                   chosen.any(1))


def distribution_focal_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy against the two bins around the target.

    logits [N,4,REG_MAX], target [N,4] in cells; returns [N].
    """
    target = target.clamp(0, REG_MAX - 1 - 0.01)
    left = target.long()
    to_right = target - left
    log_p = logits.log_softmax(-1)
    at_left = log_p.gather(-1, left[..., None])[..., 0]
    at_right = log_p.gather(-1, left[..., None] + 1)[..., 0]
    return -(at_left * (1 - to_right) + at_right * to_right).mean(-1)


class DetectionLoss:
    """Callable that holds the anchors."""

    def __init__(self) -> None:
        anchors, strides = make_anchors()
        self.anchors = anchors[0].T.contiguous()                  # [A,2]
        self.strides = strides[0].T.contiguous()                  # [A,1]
        self.bins = torch.arange(REG_MAX, dtype=torch.float32)

    def __call__(self, distributions: Tensor, logits: Tensor,
                 gt_boxes: Tensor, gt_labels: Tensor,
                 gt_mask: Tensor) -> tuple[Tensor, Tensor]:
        """The weighted sum to minimize, and its parts box, cls, dfl."""
        b, _, a = distributions.shape
        distributions = distributions.view(b, 4, REG_MAX, a)
        distributions = distributions.permute(0, 3, 1, 2)         # [B,A,4,16]
        logits = logits.transpose(1, 2)                           # [B,A,C]
        sides = distributions.softmax(-1) @ self.bins             # [B,A,4]
        boxes = torch.cat([self.anchors - sides[..., :2],
                           self.anchors + sides[..., 2:]], -1)
        boxes = boxes * self.strides
        targets = assign(logits.detach().sigmoid(), boxes.detach(),
                         self.anchors * self.strides, gt_boxes, gt_labels,
                         gt_mask)

        total = targets.scores.sum().clamp(min=1)
        cls = F.binary_cross_entropy_with_logits(
            logits, targets.scores, reduction="sum") / total
        positive = targets.positive
        weight = targets.scores.sum(-1)[positive]
        wanted = targets.boxes[positive]
        box = ((1 - ciou(boxes[positive], wanted)) * weight).sum() / total
        at = positive.nonzero()[:, 1]
        cells = wanted / self.strides[at]
        wanted_sides = torch.cat([self.anchors[at] - cells[:, :2],
                                  cells[:, 2:] - self.anchors[at]], -1)
        dfl = distribution_focal_loss(distributions[positive], wanted_sides)
        dfl = (dfl * weight).sum() / total
        parts = torch.stack([box, cls, dfl])
        gains = torch.tensor([BOX_GAIN, CLS_GAIN, DFL_GAIN])
        return (parts * gains).sum(), parts.detach()
