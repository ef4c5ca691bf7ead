"""`data/e5_small.py`: 4-bit blocks become numbers, every tensor has a place in the model, other files are refused."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import transformers

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("e5_small", REPOSITORY / "data" / "e5_small.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def packed(numbers, scale):
    """A block of 32 whole numbers from -8 to 7."""
    low, high = (np.array(numbers) + 8)[:16], (np.array(numbers) + 8)[16:]
    return np.float16(scale).tobytes() + (low | high << 4).astype(np.uint8).tobytes()


def test_blocks_of_four_bits(script):
    first, second = [*range(-8, 8), *range(7, -9, -1)], [3, -5] * 16
    found = script.unpacked(memoryview(packed(first, 0.5) + packed(second, -2)))
    assert found.dtype == np.float32
    assert found.tolist() == [number * 0.5 for number in first] + [number * -2 for number in second]


def test_each_tensor_of_the_model_is_named_once_with_its_shape(script):
    hidden, layers, heads, inner, _, positions, types = script.SIZES
    config = transformers.BertConfig(
        vocab_size=9, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads, intermediate_size=inner,
        max_position_embeddings=positions, type_vocab_size=types,
    )  # fmt: skip
    model = transformers.BertModel(config, add_pooling_layer=False)
    expected = {name: tuple(tensor.shape) for name, tensor in model.named_parameters()}
    found = {name: shape for _, name, shape in script.names()}
    assert len({short for short, *_ in script.names()}) == len(found)
    assert found.keys() == expected.keys()
    assert all(shape == expected[name] or shape == (-1, hidden) for name, shape in found.items())


def test_another_file_is_refused(script, tmp_path):
    file = tmp_path / "weights.bin"
    with pytest.raises(SystemExit, match=r"no such file; expected the weights"):
        script.check(file, 3, "", "the weights")
    file.write_bytes(b"abc")
    with pytest.raises(SystemExit, match=r"is not the weights, which has 1,000 bytes"):
        script.check(file, 1000, "", "the weights")
    with pytest.raises(SystemExit, match=r"is not the weights"):
        script.check(file, 3, "0" * 64, "the weights")
    script.check(file, 3, hashlib.sha256(b"abc").hexdigest(), "the weights")
    file.write_bytes(bytes(200))
    with pytest.raises(SystemExit, match=r"is no file of multilingual-e5-small"):
        script.tensors(file)
