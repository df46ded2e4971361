"""The transformers engine's own decode loop: queue, batch, memory, adapters, and the process that they live in."""
