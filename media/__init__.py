"""Files from outside: identify and decode them in a sandbox, remove locations, and render thumbnails."""
