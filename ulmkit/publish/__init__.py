"""Models for others to load, and models of others: safetensors, fastai and ONNX, both ways where there are two."""
