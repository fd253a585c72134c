"""PyTorch: the usual loop over batches, with the data on the device; the model as it is, or by ``torch.compile``.

Where it differs: its LSTM has no peepholes and a second bias, which is kept at zero; its GRU resets the state behind a
matrix product instead of before it. Images have their channels in front. Optimizers are those of ``torch.optim`` with
their defaults.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from .. import workloads
from .base import Base, sparse_matrix


class Model(Base):
    """A module, its optimizer, and batches as tensors."""

    def build(self, weights, options):
        workload = self.workload
        torch.set_num_threads(options["threads"])
        torch.manual_seed(workloads.SEED)
        torch.backends.cudnn.allow_tf32 = False
        self.device = torch.device("cuda" if options["device"] == "gpu" else "cpu")
        module = {"mlp": MLP, "recurrent": Recurrent, "conv": Conv}[self.model["kind"]](self.model)
        module.fill({name: torch.from_numpy(value.copy()) for name, value in weights.items()})
        self.module = module.to(self.device)
        self.run = torch.compile(self.module) if self.way == "compile" else self.module
        params = [param for param in module.parameters() if param.requires_grad]
        if workload.optimizer == "sgd":
            self.optimizer = torch.optim.SGD(params, lr=workload.rate)
        else:
            # epsilon is added to the root here, and within it by downhill.
            constants = dict(alpha=workloads.RMSPROP["decay"], eps=workloads.RMSPROP["epsilon"] ** 0.5)
            self.optimizer = torch.optim.RMSprop(params, lr=workload.rate, centered=True, **constants)
        y = torch.from_numpy(self.data["y"]).to(self.device)
        self.is_classifier = y.ndim == 1
        if self.is_classifier:
            y = y.long()
        self.loss = F.cross_entropy if self.is_classifier else F.mse_loss
        if "indices" in self.data:
            matrix = sparse_matrix(self.data, self.model["layers"][0])
            size = workload.batch
            rows = [matrix[start : start + size] for start in range(0, workload.examples, size)]
            self.train = [(self._csr(x), y) for x, (y,) in zip(rows, self.batches(y))]
            self.x = self._csr(matrix)
        else:
            x = self.data["x"]
            if self.model["kind"] == "conv":
                x = np.ascontiguousarray(np.moveaxis(x, 3, 1))
            self.x = torch.from_numpy(x).to(self.device)
            self.train = self.batches(self.x, y)

    def _csr(self, matrix):
        parts = [
            torch.from_numpy(part.astype(kind))
            for part, kind in ((matrix.indptr, "int64"), (matrix.indices, "int64"), (matrix.data, "float32"))
        ]
        return torch.sparse_csr_tensor(*parts, size=matrix.shape, check_invariants=True).to(self.device)

    def epoch(self, order):
        self.module.train()
        total = torch.zeros((), device=self.device)
        for index in order:
            x, y = self.train[index]
            self.optimizer.zero_grad()
            loss = self.loss(self.run(x), y)
            loss.backward()
            self.optimizer.step()
            total += loss.detach()
        return total.item() / len(order)

    def predict(self):
        self.module.eval()
        with torch.inference_mode():
            outputs = self.run(self.x)
            return (outputs.softmax(dim=1) if self.is_classifier else outputs).cpu().numpy()


def limit_threads(count):
    """Use so many threads."""
    torch.set_num_threads(count)


def fit(workload, x, y, numbers):
    """Do a training of a job; see :mod:`benchmarks.jobs`."""
    torch.manual_seed(numbers["seed"])
    module = _new_module(workload.model)
    cls = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam, "rmsprop": torch.optim.RMSprop}[workload.optimizer]
    options = dict(momentum=workloads.MOMENTUM) if workload.optimizer == "sgd" else {}
    optimizer = cls(module.parameters(), lr=numbers["learning_rate"], weight_decay=numbers["l2"], **options)
    x, y = torch.from_numpy(x), torch.from_numpy(y)
    is_classifier = y.ndim == 1
    y = y.long() if is_classifier else y
    loss = F.cross_entropy if is_classifier else F.mse_loss
    for _ in range(workload.epochs):
        for index in torch.randperm(len(x)).split(workload.batch):
            optimizer.zero_grad()
            loss(module(x[index]), y[index]).backward()
            optimizer.step()

    def predict(x):
        with torch.inference_mode():
            outputs = module(torch.from_numpy(x))
            return (outputs.softmax(dim=1) if is_classifier else outputs).numpy()

    return predict


def _new_module(model):
    """Return a module with PyTorch's own initial weights."""
    if model["kind"] == "recurrent":
        return Recurrent(model)
    parts = [part for sizes in zip(model["layers"], model["layers"][1:]) for part in (_dense(*sizes), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


def _dense(n_in, n_out):
    return nn.Linear(n_in, n_out)


def _set(param, value):
    with torch.no_grad():
        param.copy_(value)


class MLP(nn.Module):
    """Dense layers; those of a tied decoder have a bias only."""

    def __init__(self, model):
        super().__init__()
        layers = workloads.sizes(model)
        self.count = len(layers) - 1
        self.is_sparse, self.dropout = bool(model["nonzero"]), model["dropout"]
        own = self.count // 2 if model["tied"] else self.count
        self.weights = nn.ParameterList(nn.Parameter(torch.empty(layers[i + 1], layers[i])) for i in range(own))
        self.biases = nn.ParameterList(nn.Parameter(torch.empty(size)) for size in layers[1:])

    def fill(self, values):
        """Take the initial weights."""
        for i, param in enumerate(self.weights):
            _set(param, values[f"w{i}"].T)
        for i, param in enumerate(self.biases):
            _set(param, values[f"b{i}"])

    def forward(self, x):
        for i, bias in enumerate(self.biases):
            tied = i >= len(self.weights)
            weight = self.weights[self.count - 1 - i].T if tied else self.weights[i]
            x = torch.sparse.mm(x, weight.T) + bias if self.is_sparse and not i else F.linear(x, weight, bias)
            if i < self.count - 1:
                x = F.relu(x)
                if self.dropout:
                    x = F.dropout(x, self.dropout, self.training)
        return x


class Recurrent(nn.Module):
    """PyTorch's own recurrent layer, and a dense one."""

    def __init__(self, model):
        super().__init__()
        self.cell, self.both = model["cell"], model["both"]
        size = model["size"] // 2 if self.both else model["size"]
        cls = {"lstm": nn.LSTM, "gru": nn.GRU}[self.cell]
        self.layer = cls(model["inputs"], size, batch_first=True, bidirectional=self.both)
        self.out = _dense(model["size"], model["outputs"])

    def fill(self, values):
        """Take the initial weights."""
        for prefix, suffix in (("fw_", ""), ("bw_", "_reverse")) if self.both else (("", ""),):
            mine = {name[len(prefix) :]: value for name, value in values.items() if name.startswith(prefix)}
            if self.cell == "lstm":
                parts = mine["xh"], mine["hh"], mine["b"]
            else:
                # theanets: value, reset, rate; PyTorch: reset, rate, value, with the rate the other way round.
                reorder = lambda h, r, z: torch.cat([r, -z, h], dim=-1)  # noqa: E731
                parts = (
                    reorder(*mine["w"].chunk(3, dim=1)),
                    reorder(mine["hh"], mine["hr"], mine["hz"]),
                    reorder(*mine["b"].chunk(3)),
                )
            _set(getattr(self.layer, f"weight_ih_l0{suffix}"), parts[0].T)
            _set(getattr(self.layer, f"weight_hh_l0{suffix}"), parts[1].T)
            _set(getattr(self.layer, f"bias_ih_l0{suffix}"), parts[2])
            spare = getattr(self.layer, f"bias_hh_l0{suffix}")
            _set(spare, torch.zeros_like(spare))
            spare.requires_grad_(False)
        _set(self.out.weight, values["out_w"].T)
        _set(self.out.bias, values["out_b"])

    def forward(self, x):
        return self.out(self.layer(x)[0])


class Conv(nn.Module):
    """Convolutions with pooling, and two dense layers."""

    def __init__(self, model):
        super().__init__()
        channels = [1, *model["filters"]]
        self.convs = nn.ModuleList(nn.Conv2d(a, b, model["window"]) for a, b in zip(channels[:-1], channels[1:]))
        self.width = workloads.pooled(model)
        self.hidden = _dense(channels[-1] * self.width**2, model["hidden"])
        self.out = _dense(model["hidden"], model["classes"])

    def fill(self, values):
        """Take the initial weights."""
        for i, layer in enumerate(self.convs):
            # theanets convolves, which reads the filters backwards.
            _set(layer.weight, values[f"f{i}"].flip(2, 3))
            _set(layer.bias, values[f"c{i}"])
        first = values["w0"].reshape(self.width, self.width, -1, values["w0"].shape[1])
        _set(self.hidden.weight, first.permute(2, 0, 1, 3).flatten(0, 2).T)
        _set(self.hidden.bias, values["b0"])
        _set(self.out.weight, values["w1"].T)
        _set(self.out.bias, values["b1"])

    def forward(self, x):
        for layer in self.convs:
            x = F.max_pool2d(F.relu(layer(x)), 2)
        return self.out(F.relu(self.hidden(x.flatten(1))))
