"""What flows do to the library: download, index, label."""
