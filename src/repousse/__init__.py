"""repousse turns pictures back into shapes: a differentiable renderer for meshes."""
