"""Masks drawn fast are masks all the same: right in share, independent, repeatable; afterwards torch draws again."""

import warnings

import pytest
import torch

from qakit.training.device import draw_mask, fast_dropout

CPU = torch.device("cpu")


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.bool])
def test_the_share_of_ones_is_the_probability(p, dtype):
    torch.manual_seed(0)
    mask = draw_mask(torch.empty(1000, 1001, dtype=dtype), p).float()
    assert set(mask.unique().tolist()) <= {0.0, 1.0}
    assert float(mask.mean()) == pytest.approx(p, abs=4 * 0.5 / 1000)
    if p in (0.0, 1.0):
        assert float(mask.mean()) == p


def test_neighbours_are_independent():
    torch.manual_seed(0)
    mask = draw_mask(torch.empty(400_000), 0.5) - 0.5
    for distance in (1, 2, 3, 4, 5, 8):
        assert abs(float((mask[distance:] * mask[:-distance]).mean())) < 0.002


@pytest.mark.parametrize("shape", [(), (1,), (3,), (7, 5), (2, 3, 5), (0, 4)])
def test_any_shape_is_filled(shape):
    for _ in range(20):
        mask = draw_mask(torch.full(shape, 7.0), 0.5)
        assert mask.shape == shape
        assert set(mask.flatten().tolist()) <= {0.0, 1.0}


def test_a_transposed_tensor_is_filled_in_place():
    base = torch.full((50, 60), 7.0)
    assert draw_mask(base.t(), 0.5).data_ptr() == base.data_ptr()
    assert float(base.mean()) == pytest.approx(0.5, abs=0.05)


def test_the_generator_of_torch_decides():
    with fast_dropout(CPU):
        torch.manual_seed(3)
        state = torch.get_rng_state()
        first = torch.nn.functional.dropout(torch.ones(100), 0.3)
        assert not torch.equal(torch.nn.functional.dropout(torch.ones(100), 0.3), first)
        torch.set_rng_state(state)
        assert torch.equal(torch.nn.functional.dropout(torch.ones(100), 0.3), first)
        own = torch.Generator().manual_seed(1)
        assert torch.equal(
            torch.empty(9).bernoulli_(0.5, generator=own), draw_mask(torch.empty(9), 0.5, own.manual_seed(1))
        )


def test_dropout_scales_what_it_keeps_and_its_gradient():
    with fast_dropout(CPU):
        values = torch.ones(10_000, requires_grad=True)
        kept = torch.nn.functional.dropout(values, 0.1)
        kept.sum().backward()
    assert kept.unique().tolist() == [0.0, pytest.approx(1 / 0.9)]
    assert torch.equal(values.grad, kept.detach())


def test_torch_draws_its_own_masks_again_afterwards():
    def drawn():
        torch.manual_seed(5)
        return torch.empty(64).bernoulli_(0.5)

    before = drawn()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fast_dropout(CPU):
            assert not torch.equal(drawn(), before)
        with fast_dropout(CPU), fast_dropout(torch.device("cuda")):
            pass
    assert torch.equal(drawn(), before)
