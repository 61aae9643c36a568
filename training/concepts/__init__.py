"""Make the lexicon of picture search: WordNet's synsets over the classes of ImageNet, and their words."""
