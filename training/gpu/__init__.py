"""Both translators trained on one GPU in ten minutes: prepare on a CPU, train on the GPU, collect on a CPU."""
