"""Networks of torch's own modules, put together in the usual ways."""

from __future__ import annotations

from typing import Any

import torch
from foreign_cases import Case, Make, randn
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

C = 8


class Called(nn.Module):
    """Parts by name, and how they are called: forward of the function that is given."""

    def __init__(self, call: Any, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.call = call

    def forward(self, *inputs: Any) -> Any:
        return self.call(self, *inputs)


def mlp() -> Case:
    layers = [nn.Linear(C, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 16), nn.GELU()]
    return Case(nn.Sequential(*layers, nn.Linear(16, 2)), randn(6, C))


def bilinear() -> Case:
    net = Called(lambda m, a, b: m.head(torch.tanh(m.pair(a, b))), pair=nn.Bilinear(C, C, 6), head=nn.Linear(6, 1))
    return Case(net, (randn(5, C), randn(5, C)))


def weight_normed() -> Case:
    first, second = nn.Linear(C, 16), nn.Linear(16, 2)
    return Case(nn.Sequential(parametrizations.weight_norm(first), nn.Tanh(), second), randn(6, C))


def spectral_normed() -> Case:
    first, second = parametrizations.spectral_norm(nn.Linear(C, 16)), nn.Linear(16, 1)
    return Case(nn.Sequential(first, nn.LeakyReLU(), second), randn(6, C))


def convolutions() -> Case:
    layers = [nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3), nn.GroupNorm(2, 8)]
    return Case(
        nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3)), randn(4, 1, 12, 12)
    )


class Block(nn.Module):
    """A residual block with its normalisations in code."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        self.conv2, self.bn2 = nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        h = self.bn1(self.conv1(x)).relu_()
        h = self.bn2(self.conv2(h))
        h += x
        return torch.relu_(h)


def residual() -> Case:
    net = nn.Sequential(nn.Conv2d(3, 6, 3), Block(6), Block(6), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2))
    return Case(net, randn(4, 3, 8, 8))


def causal() -> Case:
    layers = [nn.ConstantPad1d((2, 0), 0.0), nn.Conv1d(4, 8, 3), nn.ReLU(), nn.ConstantPad1d((4, 0), 0.0)]
    return Case(nn.Sequential(*layers, nn.Conv1d(8, 2, 3, dilation=2)), randn(3, 4, 10))


def autoencoder() -> Case:
    layers = [nn.Conv2d(1, 4, 3, 2, 1), nn.ReLU(), nn.ConvTranspose2d(4, 4, 4, 2, 1), nn.ReLU(), nn.Conv2d(4, 1, 1)]
    return Case(nn.Sequential(*layers), randn(3, 1, 8, 8))


def unet() -> Case:
    def call(m: Any, x: Tensor) -> Any:
        a = torch.relu(m.down(x))
        b = torch.relu(m.low(nn.functional.max_pool2d(a, 2)))
        return m.head(torch.cat([a, m.up(b)], 1))

    net = Called(
        call,
        down=nn.Conv2d(1, 4, 3, padding=1),
        low=nn.Conv2d(4, 8, 3, padding=1),
        up=nn.ConvTranspose2d(8, 4, 2, 2),
        head=nn.Conv2d(8, 1, 1),
    )
    return Case(net, randn(3, 1, 8, 8))


def volume() -> Case:
    net = nn.Sequential(
        nn.Conv3d(1, 4, 3), nn.InstanceNorm3d(4, affine=True), nn.ReLU(), nn.Flatten(), nn.Linear(32, 2)
    )
    return Case(net, randn(3, 1, 4, 4, 4))


def recurrent(kind: type[nn.LSTM | nn.GRU | nn.RNN], **options: Any) -> Make:
    def make() -> Case:
        rnn = kind(C, 6, batch_first=True, **options)
        width = options.get("proj_size", 6) * (2 if options.get("bidirectional") else 1)
        net = Called(lambda m, x: m.head(m.rnn(x)[0][:, -1]), rnn=rnn, head=nn.Linear(width, 2))
        return Case(net, randn(4, 5, C))

    return make


def packed() -> Case:
    def call(m: Any, x: Tensor, lengths: Tensor) -> Any:
        sequence = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(m.rnn(sequence)[0], batch_first=True)
        return m.head(y.mean(1))

    net = Called(call, rnn=nn.GRU(C, 6, batch_first=True), head=nn.Linear(6, 1))
    return Case(net, (randn(3, 5, C), torch.tensor([2, 5, 3])))


def pieces() -> Case:
    def call(m: Any, x: Tensor) -> Any:
        state, parts = None, []
        for step in x.unbind(1):
            y, state = m.rnn(step.unsqueeze(1), state)
            state = tuple(one.detach() for one in state)
            parts.append(y)
        return m.head(torch.cat(parts, 1).mean(1))

    return Case(Called(call, rnn=nn.LSTM(C, 6, batch_first=True), head=nn.Linear(6, 1)), randn(4, 5, C))


def cells(cell: type[nn.LSTMCell | nn.RNNCell]) -> Make:
    def call(m: Any, x: Tensor) -> Any:
        state: Any = None
        for step in x.unbind(1):
            state = m.cell(step, state)
            state = (state[0], state[1].clamp(-0.5, 0.5)) if isinstance(state, tuple) else state.relu()
        return m.head(state[0] if isinstance(state, tuple) else state)

    return lambda: Case(Called(call, cell=cell(C, 6), head=nn.Linear(6, 1)), randn(4, 5, C))


def reset_states() -> Case:
    def call(m: Any, x: Tensor, done: Tensor) -> Any:
        h = x.new_zeros(len(x), 6)
        for number, step in enumerate(x.unbind(1)):
            h = torch.where(done[:, number : number + 1], torch.zeros_like(h), m.cell(step, h))
        return m.head(h)

    net = Called(call, cell=nn.GRUCell(C, 6), head=nn.Linear(6, 1))
    return Case(net, (randn(4, 5, C), torch.rand(4, 5) < 0.3))


def encoder() -> Case:
    mask = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    layer = nn.TransformerEncoderLayer(C, 2, 16, batch_first=True)
    net = Called(
        lambda m, x, mask: m.head(m.encoder(x, src_key_padding_mask=mask).sum(1)),
        encoder=nn.TransformerEncoder(layer, 2),
        head=nn.Linear(C, 1),
    )
    return Case(net, (randn(2, 5, C), mask))


def decoder() -> Case:
    layer = nn.TransformerDecoderLayer(C, 2, 16, batch_first=True)
    net = Called(lambda m, x, y: m.head(m.decoder(x, y)), decoder=nn.TransformerDecoder(layer, 2), head=nn.Linear(C, 1))
    return Case(net, (randn(2, 4, C), randn(2, 5, C)))


def transformer() -> Case:
    return Case(nn.Transformer(C, 2, 1, 1, 16, batch_first=True), (randn(2, 4, C), randn(2, 3, C)))


def attention() -> Case:
    def call(m: Any, x: Tensor) -> Any:
        h = m.norm(x)
        return m.head(x + m.attention(h, h, h, need_weights=False)[0])

    parts = {"norm": nn.LayerNorm(C), "attention": nn.MultiheadAttention(C, 2, dropout=0.1, batch_first=True)}
    return Case(Called(call, **parts, head=nn.Linear(C, 1)), randn(3, 5, C))


def bag() -> Case:
    net = nn.Sequential(nn.EmbeddingBag(20, C), nn.Linear(C, 3))
    return Case(net, torch.randint(20, (4, 6)))


def tied() -> Case:
    net = Called(lambda m, x: m.out(torch.tanh(m.mix(m.table(x)))), table=nn.Embedding(12, C), mix=nn.Linear(C, C))
    net.add_module("out", nn.Linear(C, 12))
    net.out.weight = net.table.weight  # type: ignore[union-attr]
    return Case(net, torch.randint(12, (3, 5)))


def checkpointed(reentrant: bool) -> Make:
    def call(m: Any, x: Tensor) -> Any:
        h = torch.tanh(m.first(x))
        return m.head(checkpoint(m.block, h, use_reentrant=reentrant))

    block = nn.Sequential(nn.Linear(C, C), nn.Tanh(), nn.Linear(C, C))
    return lambda: Case(Called(call, first=nn.Linear(C, C), block=block, head=nn.Linear(C, 1)), randn(5, C))


def energy(**options: Any) -> Make:
    def call(m: Any, x: Tensor) -> Any:
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            e = m.net(x)
            return e, -torch.autograd.grad(e.sum(), x, create_graph=m.training)[0]

    net = nn.Sequential(nn.Linear(C, 16), nn.SiLU(), nn.Linear(16, 1))
    said = ", ".join(f'{name}="{value}"' for name, value in options.items())
    return lambda: Case(Called(call, net=net), randn(5, C), options=options, said=said)


def experts() -> Case:
    def call(m: Any, x: Tensor) -> Any:
        chosen = x[:, :3].argmax(-1)
        weight = m.gate(x).softmax(-1).gather(1, chosen[:, None])[:, 0]
        y = torch.zeros_like(x)
        for number, expert in enumerate(m.experts):
            rows = (chosen == number).nonzero()[:, 0]
            y = y.index_add(0, rows, expert(x[rows]) * weight[rows, None]) if len(rows) else y
        return y

    net = Called(call, gate=nn.Linear(C, 3), experts=nn.ModuleList(nn.Linear(C, C) for _ in range(3)))
    return Case(net, randn(60, C))


def averaged_codes() -> Case:
    def call(m: Any, x: Tensor) -> Any:
        h = m.encode(x)
        nearest = torch.cdist(h, m.codes).argmin(1)
        if m.training:
            m.codes.data.index_copy_(0, nearest, 0.9 * m.codes[nearest] + 0.1 * h.detach())
        return m.decode(h + (m.codes[nearest] - h).detach())

    net = Called(call, encode=nn.Linear(C, 4), decode=nn.Linear(4, C))
    net.register_parameter("codes", nn.Parameter(randn(6, 4), requires_grad=False))
    return Case(net, randn(5, C))


CASES: dict[str, Make] = {
    "MLP with BatchNorm and Dropout": mlp,
    "Bilinear": bilinear,
    "MLP with weight_norm": weight_normed,
    "discriminator with spectral_norm": spectral_normed,
    "Conv2d with BatchNorm2d and GroupNorm": convolutions,
    "residual blocks, in-place": residual,
    "causal Conv1d": causal,
    "ConvTranspose2d autoencoder": autoencoder,
    "U-Net": unet,
    "Conv3d with InstanceNorm3d": volume,
    "LSTM": recurrent(nn.LSTM),
    "LSTM, two layers, bidirectional": recurrent(nn.LSTM, num_layers=2, bidirectional=True),
    "LSTM with projections": recurrent(nn.LSTM, proj_size=3),
    "GRU": recurrent(nn.GRU),
    "RNN": recurrent(nn.RNN),
    "GRU on packed sequences": packed,
    "LSTM token by token, states detached": pieces,
    "LSTMCell, state clamped": cells(nn.LSTMCell),
    "RNNCell, state rectified": cells(nn.RNNCell),
    "GRUCell, rows reset": reset_states,
    "TransformerEncoder with a padding mask": encoder,
    "TransformerDecoder": decoder,
    "Transformer": transformer,
    "MultiheadAttention in a block": attention,
    "EmbeddingBag and Linear": bag,
    "language model with tied weights": tied,
    "checkpoint, use_reentrant=False": checkpointed(False),
    "checkpoint, use_reentrant=True": checkpointed(True),
    "energy and forces": energy(),
    "energy and forces, errors through": energy(errors="through"),
    "mixture of experts": experts,
    "codebook by moving averages": averaged_codes,
}
