"""What GPU kernels share. They are written in Triton, for NVIDIA and AMD, and imported only where a GPU is used."""
