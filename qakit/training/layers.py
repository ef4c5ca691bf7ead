"""Layers and embeddings of a transformers encoder, and the distance of each parameter from the head."""

from collections.abc import Sequence

from torch import nn

from qakit.errors import ConfigError


def layer_heights(model: nn.Module) -> dict[str, int]:
    """Height of each parameter by name: 0 in the head, -1 in the top layer, lowest in the embeddings.

    Raises:
        ConfigError: the model has no list of layers.
    """
    layers = encoder_layers(model)
    # Everything that is found in neither layers nor embeddings stands above them: poolers, norms, heads.
    heights = {
        id(parameter): number - len(layers) for number, layer in enumerate(layers) for parameter in layer.parameters()
    }
    embedded = (parameter for module in embedding_modules(model) for parameter in module.parameters())
    heights |= {id(parameter): -len(layers) - 1 for parameter in embedded}
    return {name: heights.get(id(parameter), 0) for name, parameter in model.named_parameters()}


def encoder_layers(model: nn.Module) -> Sequence[nn.Module]:
    """The layers of an encoder, bottom first.

    Raises:
        ConfigError: the model has no list of layers.
    """
    # Architectures name their layers differently, but in all of them they are the longest `ModuleList`.
    lists = [list(module) for module in model.modules() if isinstance(module, nn.ModuleList)]
    if not lists:
        raise ConfigError(
            f"{type(model).__name__} has no list of layers, which tricks on single layers need; leave them out"
        )
    return max(lists, key=len)


def embedding_modules(model: nn.Module) -> list[nn.Module]:
    """The modules that embed tokens, positions and token types, including DeBERTa's relative positions."""
    return [module for name, module in model.named_modules() if "embed" in name.rpartition(".")[2]]
