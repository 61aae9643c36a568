"""The bytes of artifacts, for those who have a token or a link."""
