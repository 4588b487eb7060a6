"""PyTorch (channels last) as a peer: the same requests as onednn.cpp, one a line, each answered by milliseconds."""

import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


def timed(repeats, work):
    work()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        work()
        times.append((time.perf_counter() - begin) * 1e3)
    return times


def conv(fields):
    name = fields[0]
    repeats, batch, height, width, cin, cout, kernel, stride, padding, groups = map(int, fields[1:])
    last = dict(memory_format=torch.channels_last)
    x = torch.randn(batch, cin, height, width).to(**last)
    w = torch.randn(cout, cin // groups, kernel, kernel).to(**last)
    if name == "infer":
        with torch.inference_mode():
            return timed(repeats, lambda: F.conv2d(x, w, None, stride, padding, 1, groups))
    dy = torch.randn_like(F.conv2d(x, w, None, stride, padding, 1, groups)).to(**last)
    mask = [name == "backwardData", name == "backwardWeights", False]
    call = torch.ops.aten.convolution_backward
    pair = lambda n: [n, n]
    return timed(
        repeats,
        lambda: call(dy, x, w, None, pair(stride), pair(padding), [1, 1], False, [0, 0], groups, mask),
    )


class Block(nn.Module):
    """A residual block of ResNet-20 as Lathe's zoo has it: 1 x 1 convolutions where the shapes differ."""

    def __init__(self, cin, cout, stride):
        super().__init__()
        self.a = nn.Sequential(nn.Conv2d(cin, cout, 3, stride, 1, bias=False), nn.BatchNorm2d(cout), nn.ReLU(True))
        self.b = nn.Sequential(nn.Conv2d(cout, cout, 3, 1, 1, bias=False), nn.BatchNorm2d(cout))
        self.shortcut = None
        if stride != 1 or cin != cout:
            self.shortcut = nn.Sequential(nn.Conv2d(cin, cout, 1, stride, bias=False), nn.BatchNorm2d(cout))

    def forward(self, x):
        return F.relu(self.b(self.a(x)) + (x if self.shortcut is None else self.shortcut(x)), inplace=True)


def resnet20(channels):
    layers = [nn.Conv2d(channels, 16, 3, 1, 1, bias=False), nn.BatchNorm2d(16), nn.ReLU(True)]
    cin = 16
    for cout in (16, 32, 64):
        for i in range(3):
            layers.append(Block(cin, cout, 2 if i == 0 and cout > 16 else 1))
            cin = cout
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10))


def chain(lines):
    layers, width = [], 0
    for line in lines:
        kind, *fields = line.split()
        if kind == "conv":
            cin, cout, kernel, stride, padding, groups = map(int, fields)
            layers += [nn.Conv2d(cin, cout, kernel, stride, padding, groups=groups, bias=False), nn.BatchNorm2d(cout), nn.ReLU(True)]
            width = cout
        else:
            layers += [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, int(fields[0]))]
    return nn.Sequential(*layers)


def train(fields):
    repeats, batch, height, width, channels, count = map(int, fields)
    lines = [sys.stdin.readline().strip() for _ in range(count)]
    net = resnet20(channels) if lines == ["resnet20"] else chain(lines)
    net = net.to(memory_format=torch.channels_last).train()
    x = torch.randn(batch, channels, height, width).to(memory_format=torch.channels_last)
    labels = torch.arange(batch) % 10
    optimizer = torch.optim.SGD(net.parameters(), lr=1e-4, momentum=0.9)

    def step():
        optimizer.zero_grad(set_to_none=True)
        F.cross_entropy(net(x), labels).backward()
        optimizer.step()

    return timed(repeats, step)


torch.set_flush_denormal(True)
while line := sys.stdin.readline():
    verb, *fields = line.split()
    try:
        if verb == "threads":
            torch.set_num_threads(int(fields[0]))
            print("ok", flush=True)
            continue
        times = conv(fields) if verb == "conv" else train(fields)
        print(" ".join(f"{ms:.6f}" for ms in times), flush=True)
    except Exception as error:  # the asking side shows it
        print("error", str(error).replace("\n", " "), flush=True)
