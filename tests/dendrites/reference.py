"""Perforated Backpropagation written once more, neuron by neuron, in plain Python floats; it shares no code.

The network has two linear layers with tanh between them, and is trained with mean squared errors by plain gradient
descent. Layers are lists of neurons; a neuron holds everything that belongs to it: its weights, its dendrites with
their weights, its output weights and its candidates.
"""

from math import isclose, sqrt, tanh
from types import SimpleNamespace as Neuron


def neuron(weights, bias):
    return Neuron(weights=list(weights), bias=bias, dendrites=[], w=[], candidates=[])


def branch(weights, bias, cascade):
    """A dendrite or candidate of one neuron."""
    return Neuron(weights=list(weights), bias=bias, cascade=list(cascade))


def copy_of(one):
    made = Neuron(**vars(one))
    for name, value in vars(one).items():
        if isinstance(value, list):
            setattr(made, name, [copy_of(item) if isinstance(item, Neuron) else item for item in value])
    return made


def dot(weights, values):
    total = 0.0
    for weight, value in zip(weights, values, strict=True):
        total += weight * value
    return total


def activation(part, x, earlier):
    return tanh(part.bias + dot(part.weights, x) + dot(part.cascade, earlier))


def activations(one, x):
    found = []
    for dendrite in one.dendrites:
        found.append(activation(dendrite, x, found[: len(dendrite.cascade)]))
    return found


class Statistics:
    """Of one candidate of one neuron: running means and moments, and the pairs (a, δ) of the epoch."""

    def __init__(self):
        self.batches, self.pairs = 0, []
        self.a = self.delta = self.aa = self.dd = self.ad = 0.0

    def take(self, pairs):
        n = len(pairs)
        old = min(0.99, self.batches / (self.batches + 1))
        self.batches += 1
        self.pairs += pairs
        self.a = old * self.a + (1 - old) * sum(a for a, _ in pairs) / n
        self.delta = old * self.delta + (1 - old) * sum(d for _, d in pairs) / n
        self.aa = old * self.aa + (1 - old) * sum((a - self.a) ** 2 for a, _ in pairs) / n
        self.dd = old * self.dd + (1 - old) * sum((d - self.delta) ** 2 for _, d in pairs) / n
        self.ad = old * self.ad + (1 - old) * sum((a - self.a) * (d - self.delta) for a, d in pairs) / n

    def correlation(self):
        n = len(self.pairs)
        a, d = sum(a for a, _ in self.pairs) / n, sum(d for _, d in self.pairs) / n
        products = sum((x - a) * (y - d) for x, y in self.pairs)
        return abs(products) / sqrt(sum((x - a) ** 2 for x, _ in self.pairs) * sum((y - d) ** 2 for _, y in self.pairs))


class Reference:
    """The whole algorithm; `draw` gives the initial weights of candidates.

    draw  () -> for each layer, for each candidate, for each neuron: (weights, bias)
    """

    def __init__(self, layers, draw, rate, settings):
        self.layers, self.draw, self.rate, self.settings = layers, draw, rate, settings
        self.phase, self.finished = "neuron", False
        self.best_score, self.best = None, None
        self.gained, self.tries = False, 0
        self._enter_neuron_phase()

    # the network

    def forward(self, x):
        """For each layer: (inputs, activations of dendrites of each neuron, outputs y')."""
        trace = []
        for number, layer in enumerate(self.layers):
            if number:
                x = [tanh(y) for y in trace[-1][2]]
            a = [activations(one, x) for one in layer]
            y = [one.bias + dot(one.weights, x) + dot(one.w, own) for one, own in zip(layer, a, strict=True)]
            trace.append((x, a, y))
        return trace

    def errors(self, trace, target, size):
        """δ of each layer: the errors of the first come through the weights of the second, not its dendrites."""
        last = [2 * (y - t) / size for y, t in zip(trace[1][2], target, strict=True)]
        first = []
        for j in range(len(self.layers[0])):
            back = sum(one.weights[j] * delta for one, delta in zip(self.layers[1], last, strict=True))
            first.append(back * (1 - trace[1][0][j] ** 2))
        return first, last

    def loss(self, batch):
        total, count = 0.0, 0
        for x, target in batch:
            for y, t in zip(self.forward(x)[1][2], target, strict=True):
                total, count = total + (y - t) ** 2, count + 1
        return total / count

    # one step

    def step(self, batch):
        loss = self.loss(batch)
        size = len(batch) * len(self.layers[1])
        traces = [self.forward(x) for x, _ in batch]
        errors = [self.errors(trace, target, size) for trace, (_, target) in zip(traces, batch, strict=True)]
        for number, layer in enumerate(self.layers):
            inputs = [trace[number][0] for trace in traces]
            for i, one in enumerate(layer):
                a = [trace[number][1][i] for trace in traces]
                delta = [error[number][i] for error in errors]
                if self.phase == "neuron":
                    self._descend(one, inputs, a, delta)
                else:
                    for candidate in one.candidates:
                        self._climb(candidate, inputs, a, delta)
        return loss

    def _descend(self, one, inputs, a, delta):
        for j in range(len(one.weights)):
            one.weights[j] -= self.rate * sum(d * x[j] for d, x in zip(delta, inputs, strict=True))
        one.bias -= self.rate * sum(delta)
        for k in range(len(one.w)):
            one.w[k] -= self.rate * sum(d * own[k] for d, own in zip(delta, a, strict=True))

    def _climb(self, candidate, inputs, earlier, delta):
        a = [activation(candidate, x, own) for x, own in zip(inputs, earlier, strict=True)]
        statistics = candidate.statistics
        statistics.take(list(zip(a, delta, strict=True)))
        if self.phase_epochs == 0 and statistics.batches <= self.settings["priming_batches"]:
            return
        sign = (statistics.ad > 0) - (statistics.ad < 0)
        scale = sqrt(statistics.aa * statistics.dd) if self.settings["objective"] == "normalised" else 1.0
        pull = [sign * (d - statistics.delta) / scale / len(a) for d in delta]
        slope = [p * (1 - value**2) for p, value in zip(pull, a, strict=True)]
        for j in range(len(candidate.weights)):
            candidate.weights[j] += self.rate * sum(s * x[j] for s, x in zip(slope, inputs, strict=True))
        candidate.bias += self.rate * sum(slope)
        for k in range(len(candidate.cascade)):
            candidate.cascade[k] += self.rate * sum(s * own[k] for s, own in zip(slope, earlier, strict=True))

    # epochs and phases

    def epoch_end(self, valid):
        if self.phase == "dendrite":
            return self._dendrite_epoch_end()
        score = -self.loss(valid)
        improved = self.best_score is None or score > self.best_score
        if improved:
            self.best_score, self.gained = score, True
            self.best = [[copy_of(one) for one in layer] for layer in self.layers]
        self.phase_epochs += 1
        self.stale = 0 if improved else self.stale + 1
        longest = self.settings["cycle_epochs" if self.layers[0][0].dendrites else "max_epochs"]
        if self.stale >= self.settings["patience"] or self.phase_epochs == longest:
            self.tries = 0 if self.gained else self.tries + 1
            self.gained = False
            self.layers = [[copy_of(one) for one in layer] for layer in self.best]
            full = len(self.layers[0][0].dendrites) >= self.settings["max_dendrites"]
            if full or self.tries >= self.settings["max_tries"]:
                self.finished = True
            else:
                self._enter_dendrite_phase()
        return {}

    def _enter_neuron_phase(self):
        self.phase, self.phase_epochs, self.stale = "neuron", 0, 0

    def _enter_dendrite_phase(self):
        self.phase, self.phase_epochs, self.stale = "dendrite", 0, 0
        self.marks, self.snapshots = [0.0, 0.0], [None, None]
        for layer, pool in zip(self.layers, self.draw(), strict=True):
            for one in layer:
                one.candidates = []
            for candidates in pool:
                for one, (weights, bias) in zip(layer, candidates, strict=True):
                    made = branch(weights, bias, [0.0] * len(one.dendrites))
                    made.statistics = Statistics()
                    one.candidates.append(made)

    def _dendrite_epoch_end(self):
        scores, improved = [], False
        for number, layer in enumerate(self.layers):
            each = [[c.statistics.correlation() for c in one.candidates] for one in layer]
            score = (
                self._by_neuron(number, each) if self.settings["snapshot"] == "neuron" else self._by_layer(number, each)
            )
            if score > self.marks[number] * (1 + self.settings["threshold"]):
                self.marks[number], improved = score, True
            scores.append(score)
            for one in layer:
                for candidate in one.candidates:
                    candidate.statistics.pairs = []
        self.phase_epochs += 1
        self.stale = 0 if improved else self.stale + 1
        if (
            self.stale >= self.settings["dendrite_patience"]
            or self.phase_epochs == self.settings["dendrite_max_epochs"]
        ):
            self._accept()
        return scores

    def _by_layer(self, number, each):
        """Of all candidates of the layer's pool the one whose neurons score best on average."""
        means = [sum(column) / len(column) for column in zip(*each, strict=True)]
        best = max(range(len(means)), key=means.__getitem__)
        kept = self.snapshots[number]
        if kept is None or means[best] > kept[0]:
            chosen = [copy_of(one.candidates[best]) for one in self.layers[number]]
            self.snapshots[number] = (means[best], chosen)
        return means[best]

    def _by_neuron(self, number, each):
        """For every neuron on its own, the candidate that scores best."""
        if self.snapshots[number] is None:
            self.snapshots[number] = ([-1.0] * len(each), [None] * len(each))
        scores, chosen = self.snapshots[number]
        for i, row in enumerate(each):
            for c, score in enumerate(row):
                if score > scores[i]:
                    scores[i], chosen[i] = score, copy_of(self.layers[number][i].candidates[c])
        return sum(max(row) for row in each) / len(each)

    def _accept(self):
        for layer, (_, chosen) in zip(self.layers, self.snapshots, strict=True):
            for one, dendrite in zip(layer, chosen, strict=True):
                one.dendrites.append(branch(dendrite.weights, dendrite.bias, dendrite.cascade))
                one.w.append(0.0)
                one.candidates = []
        self._enter_neuron_phase()


def close(a, b):
    return isclose(a, b, rel_tol=1e-9, abs_tol=1e-12)
