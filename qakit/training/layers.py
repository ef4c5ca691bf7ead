"""Which parts of one of transformers' encoders lie how far from its head."""

from collections.abc import Sequence

from torch import nn

from qakit.errors import ConfigError


def layer_heights(model: nn.Module) -> dict[str, int]:
    """How far each parameter is from the head: 0 there, -1 in the top layer, lowest in the embeddings.

    Args:
        model: one of transformers' models; its layers are the longest list of modules in it.

    Raises:
        ConfigError: it has no such list.
    """
    layers = encoder_layers(model)
    heights = {
        id(parameter): number - len(layers) for number, layer in enumerate(layers) for parameter in layer.parameters()
    }
    embedded = (parameter for module in embedding_modules(model) for parameter in module.parameters())
    heights |= {id(parameter): -len(layers) - 1 for parameter in embedded}
    return {name: heights.get(id(parameter), 0) for name, parameter in model.named_parameters()}


def encoder_layers(model: nn.Module) -> Sequence[nn.Module]:
    """The layers of an encoder, bottom first.

    Raises:
        ConfigError: they cannot be told.
    """
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ConfigError(f"tricks that tell layers apart do not know those of {type(model).__name__}; leave them out")
    return max(lists, key=len)


def embedding_modules(model: nn.Module) -> list[nn.Module]:
    """The modules that embed tokens, positions and token types, DeBERTa's relative positions among them."""
    return [module for name, module in model.named_modules() if "embed" in name.rpartition(".")[2]]
