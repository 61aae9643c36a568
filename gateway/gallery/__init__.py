"""The gallery: pages where people ask for pictures, find what they have, listen and read."""
