"""For each check of networks one that it must reject, and some that are sound."""

from __future__ import annotations

import torch
from torch import Tensor, nn

CHANNELS = 4


class Sound(nn.Module):
    """Convolution, normalisation, dropout, a cell whose state is edited, an LSTM, attention."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv1d(CHANNELS, CHANNELS, 1), nn.BatchNorm1d(CHANNELS)
        self.lstm = nn.LSTM(CHANNELS, CHANNELS, batch_first=True)
        self.cell = nn.GRUCell(CHANNELS, CHANNELS)
        self.attention = nn.MultiheadAttention(CHANNELS, 2, dropout=0.2, batch_first=True)
        self.head, self.dropout = nn.Linear(CHANNELS, 1), nn.Dropout(0.3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.dropout(self.norm(self.conv(x.mT)).relu()).mT
        x, state = self.lstm(x)
        x = torch.cat([x, self.lstm(x, tuple(one.detach() for one in state))[0]], 1)
        x, _ = self.attention(x, x, x, need_weights=False)
        h = x[:, 0]
        for step in x.unbind(1):
            h = self.cell(step, h).clamp(-0.5, 0.5)
        return self.head(h)


class Small(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(CHANNELS, CHANNELS), nn.Linear(CHANNELS, 1)
        self.counter, self.history = 0, [1.0]
        self.draws = torch.Generator().manual_seed(0)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.tanh(self.first(x.mean(1))))

    def head(self, h: Tensor) -> Tensor:
        return self.second(h)


class LooksAtTypes(Small):
    def head(self, h: Tensor) -> Tensor:
        return self.second(h if type(self.first) is nn.Linear else -h)


class CountsItsParameters(Small):
    def head(self, h: Tensor) -> Tensor:
        return self.second(h) * sum(p.numel() for p in self.parameters() if p.requires_grad or p.ndim == 1)


class Drifts(Small):
    def head(self, h: Tensor) -> Tensor:
        if self.training:
            self.history.append(self.history[-1] * 1.5)
        return self.second(h) * self.history[-1]


CONTEXT: dict[str, Tensor] = {}


class Sideways(nn.Module):
    """A layer that takes in more than it is called with, where no gradients are wanted too."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(CHANNELS, CHANNELS)

    def reset_parameters(self) -> None:
        self.linear.reset_parameters()

    def forward(self, x: Tensor) -> Tensor:
        with torch.enable_grad():
            return self.linear(x + CONTEXT["h"])


class LeaksErrors(Small):
    dendrite_sites = ("first", "layer", "second")

    def __init__(self) -> None:
        super().__init__()
        self.layer = Sideways()

    def head(self, h: Tensor) -> Tensor:
        CONTEXT["h"] = h
        return self.second(self.layer(h.detach()))


class DerivesInEvaluation(Small):
    """A slope by autograd, only where it is not trained."""

    def forward(self, x: Tensor) -> Tensor:
        if self.training:
            return super().forward(x)
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad(super().forward(x).sum(), x)[0]


class Counts(Small):
    def head(self, h: Tensor) -> Tensor:
        if self.training:
            self.counter += 1
        return self.second(h) * (1 + self.counter)


class Overflows(Small):
    """Its first layer has a buffer that steps in training make infinite, and a reset 1."""

    def __init__(self) -> None:
        super().__init__()
        self.first = Overflowing(CHANNELS, CHANNELS)


class Overflowing(nn.Linear):
    def __init__(self, *sizes: int) -> None:
        super().__init__(*sizes)
        self.register_buffer("total", torch.ones(()))

    def reset_parameters(self) -> None:
        super().reset_parameters()
        if hasattr(self, "total"):
            self.total.fill_(1)

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_grad_enabled() and self.weight.requires_grad:
            self.total *= 1e30
        return super().forward(x)


class DrawsByItself(Small):
    """From a stream of its own, which no state holds."""

    def head(self, h: Tensor) -> Tensor:
        if self.training and torch.is_grad_enabled():
            h = h + torch.randn(h.shape, generator=self.draws)
        return self.second(h)


MUTANTS: dict[str, type[nn.Module]] = {
    "perforation": LooksAtTypes,
    "acceptance": CountsItsParameters,
    "frozen": Drifts,
    "gradients": LeaksErrors,
    "export": DerivesInEvaluation,
    "saving": Counts,
    "resuming": DrawsByItself,
}
