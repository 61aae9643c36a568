"""Steps that flows share: download files, resolve inputs, index artifacts, change labels."""
