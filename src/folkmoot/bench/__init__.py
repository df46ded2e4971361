"""Benchmarks of the product itself, each one figure: ``folkmoot bench NAME``. The definitions are in docs/performance.md."""
