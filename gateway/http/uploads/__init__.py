"""Files that come over HTTP: in one request, or in parts."""
