"""What a process gives up before it reads untrusted files."""
