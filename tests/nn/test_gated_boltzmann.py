"""The convGRBM against loops over its sums, and its probabilities against its energy."""

from __future__ import annotations

import itertools

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from skelact.errors import ConfigError
from skelact.nn import gated_boltzmann
from skelact.nn.gated_boltzmann import ConvGRBM, probabilistic_max_pool

C, K, R = 2, 2, 2  # channels, hidden maps, side of the window


def make(visible: str = "gaussian") -> ConvGRBM:
    torch.manual_seed(0)
    module = ConvGRBM(C, K, R, visible).double()
    with torch.no_grad():
        for value in module.parameters():
            value.copy_(torch.randn_like(value))
    return module


def frames(h: int = 3, w: int = 4) -> tuple[Tensor, Tensor]:
    x, y = torch.randn(2, 1, C, h, w, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return x, y


def gate(module: ConvGRBM, x: Tensor, k: int, d: int, r: int, s: int, m: int, n: int) -> Tensor:
    """``g(x)^k_rsmn`` of the channel d of y."""
    w = module.weight.view(K, C, R, R, C, R, R)
    return sum(
        (
            w[k, d, r, s, e, u, v] * x[0, e, m + u, n + v]
            for e, u, v in itertools.product(range(C), range(R), range(R))
        ),
        torch.zeros((), dtype=x.dtype),
    )


WINDOW = list(itertools.product(range(C), range(R), range(R)))


@pytest.mark.parametrize("visible", ["gaussian", "binary"])
def test_energy_and_conditionals_are_the_sums(visible: str) -> None:
    module = make(visible)
    x, y = frames()
    z = torch.rand(1, K, 2, 3, dtype=torch.float64)
    c, energy, mean = module.visible_bias, torch.zeros((), dtype=torch.float64), torch.zeros_like(y)
    hidden = module.hidden_probability(x, y)
    for k, m, n in itertools.product(range(K), range(2), range(3)):
        total = module.hidden_bias[k]
        for d, r, s in WINDOW:
            g = gate(module, x, k, d, r, s, m, n)
            total = total + g * y[0, d, m + r, n + s]
            mean[0, d, m + r, n + s] += z[0, k, m, n] * g.detach()
        energy = energy - z[0, k, m, n] * total
        assert torch.isclose(hidden[0, k, m, n], torch.sigmoid(total), atol=1e-12)
    mean = mean + c[:, None, None]
    away = y - c[:, None, None]
    own = (away**2).sum() / 2 if visible == "gaussian" else -(c[:, None, None] * y).sum()
    assert torch.isclose(module.energy(x, y, z)[0], energy + own, atol=1e-10)
    expected = mean if visible == "gaussian" else torch.sigmoid(mean)
    assert torch.allclose(module.visible_mean(x, z), expected, atol=1e-10)


@pytest.mark.parametrize("at_once", [1, 24, 2**18])  # a place, three, all
def test_several_pairs_in_pieces_and_their_gradients(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    """Against the sums as one ``einsum`` over the windows of every pair by itself."""
    monkeypatch.setattr(gated_boltzmann, "AT_ONCE", at_once)
    one_map, made = gated_boltzmann._one_map, []
    monkeypatch.setattr(
        gated_boltzmann, "_one_map", lambda w, x, y: (made.append(x.numel()), one_map(w, x, y))[1]
    )
    module = make()
    x, y = torch.randn(2, 3, C, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    for frame in (x, y):
        frame.requires_grad_()
    from_x, from_y = functional.unfold(x, R), functional.unfold(y, R)
    expected = torch.einsum("krs,nrp,nsp->nkp", module.weight, from_y, from_x) + module.hidden_bias[:, None]
    expected = expected.view(3, K, 3, 4)
    found = module.hidden_input(x, y)
    assert torch.allclose(found, expected, atol=1e-10)
    assert max(made) <= max(at_once, C * R**2)  # a place at least
    z = torch.rand(3, K, 3, 4, dtype=torch.float64)
    mean = torch.einsum("krs,nkp,nsp->nrp", module.weight, z.flatten(2), from_x)
    mean = functional.fold(mean, (4, 5), R) + module.visible_bias[:, None, None]
    assert torch.allclose(module.visible_mean(x, z), mean, atol=1e-10)
    inputs = (x, y, module.weight, module.hidden_bias)
    for ours, theirs in zip(
        torch.autograd.grad((found * z).sum(), inputs),
        torch.autograd.grad((expected * z).sum(), inputs),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-10)


def test_what_a_gradient_does_not_need_is_not_kept() -> None:
    module, (x, y) = make(), frames(6, 7)
    kept: list[int] = []

    def keep(value: Tensor) -> Tensor:
        kept.append(value.untyped_storage().data_ptr())
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        module.hidden_input(x, y).sum().backward()
    assert len(set(kept)) == 2  # the windows of x and of y


def test_free_energy_and_probabilities_sum_over_all_hidden_states() -> None:
    module = make()
    x, y = frames(3, 2)  # 2 × 1 hidden places in each of 2 maps
    states = [torch.tensor(bits).double().view(1, K, 2, 1) for bits in itertools.product((0, 1), repeat=4)]
    weights = torch.stack([torch.exp(-module.energy(x, y, z))[0] for z in states])
    assert torch.isclose(module.free_energy(x, y)[0], -weights.sum().log(), atol=1e-10)
    expected = sum(weight * z for weight, z in zip(weights, states, strict=True)) / weights.sum()
    assert torch.allclose(module.hidden_probability(x, y), expected, atol=1e-10)


def test_gaussian_mean_is_where_the_energy_is_least() -> None:
    module = make()
    x, _ = frames()
    z = torch.bernoulli(torch.full((1, K, 2, 3), 0.5, dtype=torch.float64))
    y = module.visible_mean(x, z).detach().requires_grad_()
    (slope,) = torch.autograd.grad(module.energy(x, y, z).sum(), y)
    assert slope.abs().max() < 1e-10


def test_contrastive_divergence_has_the_gradient_of_cd1() -> None:
    module = make()
    x, y = frames()
    loss, error = module.contrastive_divergence(x, y, torch.Generator().manual_seed(3))
    loss.backward()
    generator = torch.Generator().manual_seed(3)
    z = module.hidden_probability(x, y)
    mean = module.visible_mean(x, torch.bernoulli(z, generator=generator))
    other = mean + torch.randn(mean.shape, generator=generator, dtype=torch.float64)
    z_other = module.hidden_probability(x, other)
    assert torch.isclose(error, ((mean - y) ** 2).mean(), atol=1e-12)
    # - <z x y> of the data + <z x y> of the reconstruction
    w = module.weight.grad
    assert w is not None
    w = w.view(K, C, R, R, C, R, R)
    for k, (d, r, s), (e, u, v) in itertools.product(range(K), WINDOW, WINDOW):
        expected = torch.zeros((), dtype=torch.float64)
        for m, n in itertools.product(range(2), range(3)):
            seen = x[0, e, m + u, n + v]
            expected = expected - z[0, k, m, n] * seen * y[0, d, m + r, n + s]
            expected = expected + z_other[0, k, m, n] * seen * other[0, d, m + r, n + s]
        assert torch.isclose(w[k, d, r, s, e, u, v], expected, atol=1e-10)
    assert module.hidden_bias.grad is not None and module.visible_bias.grad is not None
    assert torch.allclose(module.hidden_bias.grad, (z_other - z).sum((0, 2, 3)), atol=1e-10)
    assert torch.allclose(module.visible_bias.grad, (other - y).sum((0, 2, 3)), atol=1e-10)


def test_training_learns_to_predict_a_shift() -> None:
    torch.manual_seed(0)
    module = ConvGRBM(1, 4, 3)
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(16, 1, 8, 8, generator=generator)
    y = x.roll(1, 3)
    optimiser = torch.optim.SGD(module.parameters(), lr=4e-3, momentum=0.9)
    errors = []
    for _ in range(80):
        loss, error = module.contrastive_divergence(x, y, generator)
        errors.append(error.item())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert sum(errors[-10:]) < 0.5 * sum(errors[:10])


def test_probabilistic_max_pooling_by_blocks() -> None:
    total = torch.randn(2, 3, 5, 7, dtype=torch.float64)
    units, blocks = probabilistic_max_pool(total, 2)
    assert units.shape == (2, 3, 4, 6) and blocks.shape == (2, 3, 2, 3)
    for i, j in itertools.product(range(2), range(3)):
        place = (..., slice(2 * i, 2 * i + 2), slice(2 * j, 2 * j + 2))
        below = 1 + total[place].exp().sum((2, 3))
        assert torch.allclose(units[place], total[place].exp() / below[..., None, None], atol=1e-12)
        assert torch.allclose(blocks[..., i, j], 1 - 1 / below, atol=1e-12)
    assert torch.isfinite(probabilistic_max_pool(total * 1e4, 2)[1]).all()


def test_unknown_visible_units() -> None:
    with pytest.raises(ConfigError, match="allowed: gaussian, binary"):
        ConvGRBM(1, visible="poisson")
