"""What is measured: one module each, with `measure`, which returns figures by name."""
