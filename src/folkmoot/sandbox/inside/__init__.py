"""What runs inside the sandbox: sent there as source, so nothing here may import more than the standard library and itself."""
