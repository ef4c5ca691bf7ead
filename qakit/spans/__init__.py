"""Windows, spans and scores: what extractive question answering is about. Free of torch."""
