"""Who speaks when: the speakers of a recording told apart."""
