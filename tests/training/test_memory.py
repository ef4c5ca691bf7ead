"""An accelerator without memory is an error with exit code 5 that says what to lower."""

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedConfig

from qakit.config import InferenceSettings, WindowSettings
from qakit.errors import ResourceError
from qakit.modeling.inference import run_windows
from qakit.spans.windowing import covering_windows, encode_pairs
from qakit.training.device import explain_out_of_memory


def test_the_message_ends_with_the_advice_and_other_errors_pass():
    with pytest.raises(ResourceError) as caught, explain_out_of_memory("lower it"):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has ...")
    assert "Tried to allocate 2 GiB" in str(caught.value)
    assert str(caught.value).endswith("; lower it")
    assert caught.value.exit_code == 5
    with pytest.raises(RuntimeError, match="shape"), explain_out_of_memory("lower it"):
        raise RuntimeError("shape mismatch")


class Hungry(torch.nn.Module):
    """A model that no device can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))
        self.config = PreTrainedConfig()

    def forward(self, **inputs: torch.Tensor) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB. ...")


def test_prediction_names_the_setting_that_needs_less(sample_data):
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(sample_data / "tokenizer")
    pairs = encode_pairs(tokenizer, [("誰？", "霧濱鎮。")], WindowSettings(max_length=32))
    runs = run_windows(Hungry(), pairs, covering_windows(pairs), pad_id=0, settings=InferenceSettings())
    with pytest.raises(ResourceError, match=rf"batch_tokens \({1024 * torch.get_num_threads()}\)"):
        list(runs)


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the memory of a process as Linux tells it")
def test_freed_memory_is_kept_until_it_is_given_back():
    script = """
        import torch
        from qakit.training.device import keep_freed_memory, return_freed_memory
        def held():
            return int(open("/proc/self/statm").read().split()[1]) * 4096 // 2**20
        keep_freed_memory()
        before = held()
        blocks = [torch.ones(2**20) for _ in range(100)]
        del blocks
        kept = held() - before
        return_freed_memory()
        print(kept, held() - before)
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    kept, left = map(int, subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    assert kept > 350
    assert left < 50
