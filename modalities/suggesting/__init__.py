"""What people may like next: by what they chose before, and by what others chose."""
